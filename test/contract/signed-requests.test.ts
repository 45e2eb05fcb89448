import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { z } from 'zod';
import { WORKFLOW_TYPES } from '../../src/contract/names';
import { canonicalJson, requestText } from '../../src/contract/request-text';
import { TASK_INPUT_SCHEMAS } from '../../src/contract/tasks';

const page = readFileSync(join(__dirname, '../../docs/signed-requests.md'), 'utf8');
const [, key = ''] = /With the key `([^`]+)`/.exec(page) ?? [];
const vectorSchema = z.strictObject({
  type: z.enum(WORKFLOW_TYPES),
  master: z.string(),
  input: z.record(z.string(), z.unknown()),
  nonce: z.string(),
  expires: z.string(),
  waitTurn: z.boolean(),
  text: z.string(),
  hmac: z.string(),
});
const blocks = [...page.matchAll(/^```json\n(.*?)^```/gms)].map(([, text]) => JSON.parse(text ?? '') as unknown);
const vectors = z.array(vectorSchema).min(3).parse(blocks.at(-1));

const textOf = ({ type, master, input, nonce, expires, waitTurn }: (typeof vectors)[number]): string =>
  requestText({ type, master, input, signature: { nonce, expires, waitTurn } });

describe('docs/signed-requests.md', () => {
  it.each(vectors)('holds a vector that the code comes to: $type, $nonce', (vector) => {
    expect(textOf(vector)).toBe(vector.text);
    expect(createHmac('sha256', key).update(vector.text).digest('hex')).toBe(vector.hmac);
    const signed = { ...vector.input, signature: { ...vectorSignature(vector) } };
    expect(TASK_INPUT_SCHEMAS[vector.type].safeParse(signed).error).toBeUndefined();
    // Neither the signature itself nor the id that the queue gives is signed.
    expect(textOf({ ...vector, input: { ...signed, task: 'x' } })).toBe(vector.text);
  });

  it('shows an input as the first vector has it', () => {
    const [first] = vectors;
    expect(blocks[0]).toEqual({ ...first?.input, signature: first && vectorSignature(first) });
  });

  it('shows PHP that comes to the same', () => {
    const program = /^```php\n<\?php\n(.*?)^```/ms.exec(page)?.[1] ?? '';
    const calls =
      'foreach (json_decode(stream_get_contents(STDIN), true) as $v) $all[] = ' +
      "signature($argv[1], $v['master'], $v['type'], $v['input'], $v['nonce'], $v['expires'], $v['waitTurn']);" +
      'echo json_encode($all);';
    const said = execFileSync('php', ['-r', `${program}\n${calls}`, '--', key], { input: JSON.stringify(vectors) });
    expect(JSON.parse(said.toString())).toEqual(vectors.map(vectorSignature));
  });
});

function vectorSignature({ nonce, expires, waitTurn, hmac }: (typeof vectors)[number]): object {
  return { nonce, expires, waitTurn, hmac };
}

describe('canonical JSON', () => {
  it('is the same whatever the order of fields, and says all that JSON does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });

  it('differs whenever the request does', () => {
    const field = fc.oneof(fc.string({ unit: 'binary' }), fc.boolean());
    const request = fc.record({
      master: fc.string(),
      type: fc.constantFrom(...WORKFLOW_TYPES),
      input: fc.dictionary(fc.string(), field),
      signature: fc.record({ nonce: fc.string(), expires: fc.string(), waitTurn: fc.boolean() }),
    });
    const plain = (asked: { input: object }): string => {
      const { task: _task, signature: _signature, ...input } = asked.input as Record<string, unknown>;
      const fields = Object.entries(input).sort(([one], [other]) => (one < other ? -1 : 1));
      return JSON.stringify({ ...asked, input: Object.fromEntries(fields) });
    };
    fc.assert(
      fc.property(request, request, (one, other) => {
        expect(requestText(one) === requestText(other)).toBe(plain(one) === plain(other));
      }),
    );
  });

  it.each([['half a pair \ud800'], [Number.NaN], [Number.POSITIVE_INFINITY], [() => 1], [1n]])(
    'refuses what JSON cannot say: %p',
    (value) => {
      expect(() => canonicalJson({ value })).toThrow(/cannot be signed/);
    },
  );

  it('leaves out what is undefined, as it is left out on the wire', () => {
    expect(canonicalJson({ b: undefined, a: [null, 1.5, -0] })).toBe('{"a":[null,1.5,0]}');
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, reversed(field)]),
  );
}
