import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import type { SiteLocation } from '../../../src/contract/target';
import { flushObjectCache } from '../../../src/core/sites/object-cache';
import { testOperation } from '../../helpers/operation';
import { OWNER, startWebLab, type WebLab } from '../web/web-lab';

/* A site takes part in what its PHP answers to Kedge's scripts: it may print anything in their place, before or behind. */

const FORGER = `/var/tmp/kedge-forger-${process.pid}.php`;
const SAID = `/var/tmp/kedge-forged-${process.pid}.txt`;

let lab: WebLab;
let site: SiteLocation;
beforeAll(async () => {
  // Prints what a file says, with the mark of the answer where that says @@, and ends.
  await writeFile(
    FORGER,
    `<?php echo str_replace('@@', $_SERVER['KEDGE_ANSWER'] ?? '', file_get_contents('${SAID}')); exit;`,
  );
  await chmod(FORGER, 0o644);
  lab = await startWebLab([{ name: 'site', owner: OWNER, settings: { auto_prepend_file: FORGER } }]);
  site = await lab.makeSite('forger.example');
});
afterAll(async () => {
  await Promise.all([FORGER, SAID].map((path) => rm(path, { force: true })));
  await lab?.stop();
});

async function answering(text: string | Buffer) {
  await writeFile(SAID, text);
  const refreshed = await lab.web.refreshPhp(site, testOperation());
  const flushed = await flushObjectCache(
    lab.web,
    site,
    {
      store: 'redis',
      servers: [{ address: 'tcp://127.0.0.1:1', database: 0, user: null, password: null }],
      prefixes: ['shop:'],
      tablePrefix: 'wp_',
      multisite: false,
    },
    testOperation(),
  );
  return { refreshed, flushed };
}

const NO_ANSWER = 'PHP does not run what Kedge asks it to';
/** Text of one line, short, and nothing in it that a terminal would obey. */
const harmless = /^[\x20-\x7e]{0,400}$/;

test.each<[string, string | Buffer]>([
  ['nothing', ''],
  ['no JSON', '@@{'],
  ['more workers than a server has', `@@{"invalidated":1,"workers":[${'7,'.repeat(5000)}7]}`],
  ['another mark', '00000000000000000000000000000000{"invalidated":1}'],
  ['a mark without its line', 'x@@{"invalidated":1}'],
  ['a number that is none', '@@{"invalidated":-1}'],
  ['a number that overflows', '@@{"invalidated":1e400}'],
  ['more than is known', '@@{"invalidated":1,"removed":1,"left":0}'],
  ['a prototype', '@@{"__proto__":{"invalidated":1}}'],
  ['a list', '@@[{"invalidated":1}]'],
  ['a reason of its own', '@@{"kept":"\\u001b]0;owned\\u0007"}'],
  ['JSON that is nested deep', `@@${'['.repeat(30_000)}${']'.repeat(30_000)}`],
  ['bytes that are no text', Buffer.from([0x40, 0x40, 0xff, 0xfe, 0x00, 0x0a])],
])('%s is no answer', async (_what, text) => {
  const { refreshed, flushed } = await answering(text);
  expect(refreshed).toEqual({ state: 'kept', why: NO_ANSWER });
  expect(flushed).toEqual({ removed: 0, problem: NO_ANSWER });
});

test('an answer of more than 64 kB is given up', async () => {
  const { refreshed, flushed } = await answering(`@@{"problem":"${'x'.repeat(70_000)}"}`);
  expect(refreshed).toEqual({ state: 'no answer', why: expect.stringContaining('larger than 65536 bytes') as string });
  expect(flushed).toEqual({ removed: 0, problem: expect.stringContaining('larger than 65536 bytes') as string });
});

test('what a forged answer may claim is a number, or a reason that no terminal obeys', async () => {
  const escapes = '\u001b[2J\u001b]8;;http://evil.example\u0007\r\n{"level":"error"}\u009b31m\u202e\u2066';
  const { flushed } = await answering(`@@${JSON.stringify({ problem: escapes.slice(0, 150) })}`);
  expect(flushed.removed).toBe(0);
  expect(flushed.problem).toMatch(harmless);
  expect(await answering('@@{"removed":5,"left":0}')).toMatchObject({
    refreshed: { state: 'kept', why: NO_ANSWER },
    flushed: { removed: 5, problem: null },
  });
  expect(await answering('@@{"invalidated":3,"workers":[]}')).toMatchObject({
    refreshed: { state: 'refreshed', scripts: 3 },
  });
  // Workers that are none answer nothing, and nobody waits for them.
  expect(await answering(`@@{"invalidated":3,"workers":[${'1,'.repeat(500)}2]}`)).toMatchObject({
    refreshed: { state: 'refreshed', scripts: 3, busy: 2 },
  });
});

test('whatever it prints, the answer is one of those Kedge knows', async () => {
  const value = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('{"off":true}', '{"kept":"disable_functions"}'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('', '@@', '\n', '\n@@'), value), { maxLength: 4 }),
      async (lines) => {
        const { refreshed, flushed } = await answering(lines.map((parts) => parts.join('')).join(''));
        expect(['refreshed', 'off', 'kept', 'no answer']).toContain(refreshed.state);
        if ('why' in refreshed) expect(refreshed.why).toMatch(harmless);
        expect(flushed.removed).toBeGreaterThanOrEqual(0);
        expect(flushed.problem ?? '').toMatch(harmless);
      },
    ),
    { numRuns: 60 },
  );
});

test('no script of Kedge is left where PHP found it', async () => {
  await answering('@@{"invalidated":1}');
  const left = await readdir(join(lab.nginx.address.flags, `${site.uri}.probe`)).catch(() => []);
  expect(left).toEqual([]);
});
