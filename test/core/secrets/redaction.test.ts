import fc from 'fast-check';
import { weaknessOf } from '../../../src/core/secrets/weak-password';
import { REDACTED, Redactor } from '../../../src/core/secrets/redaction';

/** How programs spell a text, each written apart from the code under test. */
const SPELLINGS: Record<string, (secret: string) => string> = {
  raw: (secret) => secret,
  'URL component': encodeURIComponent,
  'URL form': (secret) => new URLSearchParams({ p: secret }).toString().slice(2),
  'URL in lower case': (secret) => encodeURIComponent(secret).replace(/%../g, (escape) => escape.toLowerCase()),
  JSON: (secret) => JSON.stringify(secret).slice(1, -1),
  'JSON within JSON': (secret) => JSON.stringify(JSON.stringify(secret)).slice(3, -3),
  'JSON of PHP': (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .replaceAll('/', '\\/'),
  'SQL, doubled quotes': (secret) => secret.replace(/'/g, "''"),
  'SQL, backslashes': (secret) =>
    secret.replace(/[\\'"\n\r\0\x1a]/g, (one) => `\\${{ '\n': 'n', '\r': 'r', '\0': '0', '\x1a': 'Z' }[one] ?? one}`),
  PHP: (secret) => secret.replace(/[\\']/g, (one) => `\\${one}`),
  shell: (secret) => secret.replace(/'/g, `'\\''`),
  HTML: (secret) =>
    secret
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;')
      .replace(/'/g, '&#039;'),
  hex: (secret) => Buffer.from(secret).toString('hex'),
  base64: (secret) => Buffer.from(secret).toString('base64'),
  base64url: (secret) => Buffer.from(secret).toString('base64url'),
  'bytes as Latin-1': (secret) => Buffer.from(secret).toString('latin1'),
};

/** No brackets: `[redacted]` itself would complete them. */
const secrets = fc
  .oneof(
    fc.string({ minLength: 8, maxLength: 40 }),
    fc.string({ unit: 'grapheme', minLength: 8, maxLength: 30 }),
    fc.string({ unit: fc.constantFrom(...`'"\\/%&<>+ \n\r\t\0$~*!()aZ9éß日😀`), minLength: 8, maxLength: 20 }),
  )
  .filter(
    (secret) =>
      weaknessOf(secret) === null && !/[[\]]/.test(secret) && !REDACTED.includes(secret) && secret.isWellFormed(),
  );
/** Names in the values below, JavaScript's own among them: no secret can be told from those. */
const NAMES =
  'cyclic list self at count error map bytes json toJSON detail text name Failure AggregateError stack message cause errors length';
const around = fc.string({ maxLength: 20 });

function redactorOf(...registered: string[]): Redactor {
  const redactor = new Redactor();
  for (const secret of registered) redactor.register(secret, null);
  return redactor;
}

describe('redaction', () => {
  test.each(Object.entries(SPELLINGS))('no secret survives as %s', (_, spell) => {
    fc.assert(
      fc.property(secrets, around, around, (secret, before, after) => {
        const spelled = spell(secret);
        const text = redactorOf(secret).text(before + spelled + after);
        expect(text).toContain(REDACTED);
        expect(text.includes(spelled) && !REDACTED.includes(spelled)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  test('nor in the base64 of a longer text, such as a header', () => {
    const long = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_:é'), minLength: 8, maxLength: 40 });
    fc.assert(
      fc.property(long, fc.string({ unit: 'binary-ascii', maxLength: 9 }), around, (secret, before, after) => {
        for (const encoding of ['base64', 'base64url'] as const) {
          const header = Buffer.from(`${before}${secret}${after}`).toString(encoding);
          const text = redactorOf(secret).text(`Authorization: Basic ${header}`);
          // What stays decodes to less than the secret, wherever the whole groups begin.
          const pieces = text.slice('Authorization: Basic '.length).split(REDACTED);
          expect(pieces.length).toBeGreaterThan(1);
          for (const piece of pieces) expect(Buffer.from(piece, encoding).toString()).not.toContain(secret);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('nor in any place of a value', () => {
    fc.assert(
      fc.property(secrets, fc.constantFrom(...Object.values(SPELLINGS)), around, (secret, spell, before) => {
        fc.pre(!NAMES.includes(secret) && !NAMES.includes(spell(secret)));
        const text = `${before}${spell(secret)}`;
        class Failure extends Error {
          override name = 'Failure';
          readonly detail = { text };
        }
        const cyclic: Record<string, unknown> = { list: [text, [text]], at: new Date(0), count: 7 };
        cyclic['self'] = cyclic;
        const value = {
          cyclic,
          error: new Failure(text, { cause: new AggregateError([new Error(text)], text) }),
          map: new Map([['key', new Set([text])]]),
          bytes: Buffer.from(text),
          json: { toJSON: () => ({ text }) },
        };
        const redacted = redactorOf(secret).value(value);
        expect(redacted.error).toBeInstanceOf(Failure);
        expect(redacted.cyclic['self']).toBe(redacted.cyclic);
        expect(redacted.cyclic).toMatchObject({ at: new Date(0), count: 7 });
        const left = [...textsOf(redacted)].filter((one) => one.includes(spell(secret)));
        expect(left).toEqual([]);
        // The original is as it was, and the search finds what is there.
        expect([...textsOf(value)].filter((one) => one.includes(text)).length).toBeGreaterThan(6);
      }),
      { numRuns: 60 },
    );
  });

  test('what holds no secret stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abc \n'), maxLength: 100 }), (text) => {
        expect(redactorOf('SECRETS!', '12341234x').text(text)).toBe(text);
      }),
    );
    expect(redactorOf('pass').value({ a: [1, null, undefined, true], b: 'x' })).toEqual({
      a: [1, null, undefined, true],
      b: 'x',
    });
  });

  test('overlapping and touching secrets become one mark', () => {
    expect(redactorOf('abcdefgh', 'efghijkl').text('xabcdefghijkly')).toBe(`x${REDACTED}y`);
    expect(redactorOf('abcdefgh').text('abcdefghabcdefgh')).toBe(REDACTED);
    expect(redactorOf('aaaaaaaa').text('baaaaaaaaaab')).toBe(`b${REDACTED}b`);
    expect(redactorOf('a-secret', 'a-secret-longer').text('a-secret-longer')).toBe(REDACTED);
  });

  test.each(['a', 'the', 'true', '2026', '2026-11-24', 'message', 'warnings', 'Maintenance', '127.0.0.1:3306', 'step'])(
    'the password %j is no reason to blank out words, but is none to quote it either',
    (password) => {
      const redactor = redactorOf(password);
      const plain = `the step ${password} of ${password} was a true message, ${password}: warnings at 10:${password}`;
      expect(redactor.text(plain)).toBe(plain);
      for (const spell of [
        (secret: string) => `'${secret}'`,
        (secret: string) => `"${secret}"`,
        (secret: string) => `\\"${secret}\\"`,
        (secret: string) => `password=${secret}`,
        (secret: string) => `--password=${secret} -h`,
        (secret: string) => `PASSWORD: ${secret}`,
        (secret: string) => `"password":"${secret}"`,
        (secret: string) => `mysql://shop:${secret}@db`,
        (secret: string) => `IDENTIFIED BY '${secret}'`,
      ])
        expect(redactor.text(`with ${spell(password)}`)).toBe(`with ${spell(REDACTED)}`);
    },
  );

  test('what a site chose is looked for in its own texts, and where nobody knows whose they are', () => {
    const redactor = new Redactor();
    redactor.register('shop.example is unchanged', 'blog.example');
    redactor.register('made-by-kedge-of-24-bytes', null);
    const text = 'shop.example is unchanged, made-by-kedge-of-24-bytes';
    expect(redactor.text(text, 'shop.example')).toBe(`shop.example is unchanged, ${REDACTED}`);
    expect(redactor.text(text, 'blog.example')).toBe(`${REDACTED}, ${REDACTED}`);
    expect(redactor.text(text)).toBe(`${REDACTED}, ${REDACTED}`);
    // Two sites may share one; what is everybody's stays so.
    redactor.register('shop.example is unchanged', 'shop.example');
    expect(redactor.text(text, 'shop.example')).toBe(`${REDACTED}, ${REDACTED}`);
    redactor.register('made-by-kedge-of-24-bytes', 'blog.example');
    expect(redactor.text(text, 'news.example')).toBe(`shop.example is unchanged, ${REDACTED}`);
  });

  test("keys, numbers, times and names of errors are the writer's own", () => {
    const value = { message: 'a message', sectionname: 1, at: new Date(0), error: new TypeError('its sectionname') };
    const redacted = redactorOf('sectionname', 'TypeError').value(value);
    expect(Object.keys(redacted)).toEqual(Object.keys(value));
    expect(redacted).toMatchObject({ message: 'a message', sectionname: 1, at: new Date(0) });
    expect(redacted.error).toMatchObject({ name: 'TypeError', message: `its ${REDACTED}` });
  });

  test.each([1023, 1024, 1025, 1030, 10_000, 65_536])('of a secret of %i characters nothing is left', (length) => {
    const secret = Array.from({ length }, (_, at) => String.fromCharCode(33 + ((at * 7919 + (at >> 7)) % 90))).join('');
    const redactor = redactorOf(secret);
    expect(redactor.text(`key: ${secret}.`)).toBe(`key: ${REDACTED}.`);
    expect(redactor.text(`key: ${JSON.stringify(secret)}.`)).toBe(`key: "${REDACTED}".`);
  });

  test('of thousands, the one used last is kept; registering again counts as use', () => {
    const redactor = redactorOf('first-secret');
    for (let count = 0; count < 4095; count += 1) redactor.register(`secret-number-${count}`, null);
    redactor.register('first-secret', null);
    redactor.register('one-more-secret', null);
    expect(redactor.text('first-secret one-more-secret')).toBe(`${REDACTED} ${REDACTED}`);
    expect(redactor.text('secret-number-0.')).toBe('secret-number-0.');
  });
});

/** Every text reachable in a value, hidden fields of errors too; bytes as text. */
function* textsOf(value: unknown, seen = new Set<unknown>()): Generator<string> {
  if (typeof value === 'string') yield value;
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Uint8Array) yield Buffer.from(value).toString('utf8');
  else if (value instanceof Map) for (const entry of value) yield* textsOf(entry, seen);
  else if (value instanceof Set) for (const entry of value) yield* textsOf(entry, seen);
  else
    for (const key of Reflect.ownKeys(value)) {
      const part: unknown = Reflect.get(value, key);
      yield* textsOf(typeof part === 'function' && key === 'toJSON' ? (part as () => unknown)() : part, seen);
    }
}
