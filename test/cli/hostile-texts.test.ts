import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { createColors } from 'picocolors';
import { errorLines } from '../../src/cli/render/errors';
import { findingLines } from '../../src/cli/render/findings';
import { Printer } from '../../src/cli/render/printer';
import { KedgeError } from '../../src/contract/errors';
import { newJournal } from '../../src/core/tasks/journal';
import { runCommand } from '../helpers/command';
import { hostileText, obeyed } from '../helpers/hostile-text';

/**
 * What others write (descriptions, names of files, of those who asked, what programs said) is in every field that takes it;
 * every command that shows it is run, for people and as JSON.
 */

const SITE = 'gazette.example';
const TASK = `${SITE}-20260102.030405-restore`;
const BACKUP = `${SITE}-20260102.030405`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-texts-');
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (path: string): string => join(folder, path);
const text = hostileText();
/** Of a path. */
const name = hostileText(/[\0/\ud800-\udfff]/).map((part) => `x${part}x`);

/** A master whose state is full of them. */
function lay(texts: { free: string; path: string; other: string }): void {
  const { free, path, other } = texts;
  rmSync(folder, { recursive: true });
  for (const part of ['state/tasks', 'state/open', 'state/sites', `backups/${SITE}`])
    mkdirSync(at(part), { recursive: true, mode: 0o700 });
  writeFileSync(
    at('kedge.yaml'),
    stringify({
      master: 'lab',
      backups: at('backups'),
      state: at('state'),
      servers: {
        local: {
          web: { kind: 'nginx', vhosts: at(`vhosts-${path}`), flags: at(`flags-${path}`), test: ['false', free] },
          db: { kind: 'mariadb', socket: at(`socket-${path}`), admin: { user: `u${other}` } },
        },
      },
      sites: {
        [SITE]: {
          kind: 'wordpress',
          server: 'local',
          db: 'local',
          root: at(`site-${path}`),
          owner: 'nobody',
          php: { socket: at(`php-${path}`) },
          vhost: 'managed',
          tls: { certificate: at(`certificate-${path}`), key: at(`key-${path}`) },
        },
      },
    }),
  );
  const journal = newJournal({
    ...{ task: TASK, site: SITE, type: 'restore', who: free, description: other, requestKey: null },
    ...{
      token: '0123456789',
      workflowId: `site/${SITE}`,
      runId: free,
      epoch: 0,
      accepted: null,
      started: '2026-01-02T03:04:05.000Z',
    },
  });
  const outcome = { status: 'failed', ended: '2026-01-02T03:04:06.000Z', code: other, message: free, warnings: [free] };
  writeFileSync(at(`state/tasks/${TASK}.json`), JSON.stringify({ ...journal, step: free, outcome }));
  const line = { time: other, level: 'warning', step: free, message: other, [other]: free };
  writeFileSync(at(`state/tasks/${TASK}.ndjson`), `${JSON.stringify(line)}\n${free}\n`);
  writeFileSync(
    at(`state/sites/${SITE}.json`),
    JSON.stringify({
      version: 1,
      site: SITE,
      current: {
        database: free,
        account: { user: other, hosts: [free] },
        password: 'a password of no matter',
        address: other,
        madeByKedge: false,
      },
      kept: [{ database: other, account: { user: free, hosts: [] }, address: free }],
    }),
  );
  const record = {
    ...{ schema: 1, id: BACKUP, site: SITE, kind: 'wordpress', description: free, trigger: 'request', who: other },
    ...{
      task: free,
      created: '2026-01-02T03:04:05.000Z',
      roots: [],
      dumpBytes: 0,
      codeVersion: free,
      contentMark: null,
    },
    database: {
      charset: free,
      collation: other,
      serverVersion: free,
      tables: [],
      views: [other],
      enabledEvents: [free],
    },
    ...{ archive: `${BACKUP}.tar.zst`, bytes: 1, sha256: '0'.repeat(64), members: 1, warnings: [free, other] },
  };
  writeFileSync(at(`backups/${SITE}/${BACKUP}.json`), JSON.stringify(record));
  writeFileSync(at(`backups/${SITE}/${BACKUP}.tar.zst`), 'x');
  writeFileSync(at(`backups/${SITE}/stray-${path}`), 'x');
  mkdirSync(at(`backups/${path}`));
}

const run = (argv: readonly string[]) =>
  runCommand(argv, { environment: { KEDGE_CONFIG: at('kedge.yaml') }, workingFolder: folder });

const COMMANDS = (free: string): string[][] => [
  ['sites'],
  ['sites', 'show', SITE],
  ['sites', 'adopt', SITE],
  ['sites', 'online', SITE],
  ['sites', free],
  ['tasks'],
  ['log', SITE],
  ['log', '-f', TASK],
  ['log', free],
  ['cancel', TASK],
  ['abandon', '--yes', TASK],
  ['backups'],
  ['backups', SITE],
  ['backups', free],
  ['backups', 'check'],
  ['backups', 'check', free],
  ['restore', SITE, free],
  ['restore', SITE, BACKUP, '--dry-run'],
  ['backup', free],
  ['verify', free, '-v'],
  ['deploy', SITE, free],
  ['config', 'check'],
  ['--config', free, 'sites'],
  [`--${free}`],
  [free],
  ['complete', '--', 'restore', SITE, ''],
  ['complete', '--', 'log', ''],
  ['complete', '--', free],
];

/** Lines of the product's own are told apart by line breaks, candidates from what they are by a tab. */
function assertShown(argv: readonly string[], said: { stdout: string; stderr: string }): void {
  for (const stream of [said.stdout, said.stderr]) {
    const raw = argv[0] === 'complete' ? stream.replaceAll('\t', '') : stream;
    expect([argv, obeyed(raw.replaceAll('\n', ''))]).toEqual([argv, null]);
  }
  if (argv.includes('--json') && !argv.includes('-f') && said.stdout !== '') JSON.parse(said.stdout);
}

it('no command lets the terminal obey what others wrote', async () => {
  await fc.assert(
    fc.asyncProperty(text, name, text, async (free, path, other) => {
      lay({ free, path, other });
      for (const command of COMMANDS(free)) {
        for (const options of [[], ['--json']]) {
          const argv = [...options, ...command];
          if (argv.some((word) => word.includes('\0'))) continue;
          assertShown(argv, await run(argv));
        }
      }
    }),
    // Each takes all commands, twice.
    { numRuns: 2 },
  );
});

it('nor doctor', async () => {
  lay({
    free: '\u001b[31mfree\u009b\u202e\nx',
    path: 'x\u001b]0;t\u0007\u202ey\nerror: z',
    other: '\u2028\u0085\u007f',
  });
  for (const argv of [['doctor'], ['doctor', '--json']]) {
    const said = await run(argv);
    assertShown(argv, said);
    expect(said.stdout).toContain('\\u001b]0;t');
    expect(said.stdout).not.toMatch(/^error: z/m);
  }
});

it('a line of the log stays one line, and a candidate one word', async () => {
  lay({ free: 'a\nb', path: 'p', other: 'c\u001b[1md' });
  const { stdout } = await run(['log', SITE]);
  expect(stdout.split('\n')).toEqual([
    expect.stringContaining('a\\nb: c\\u001b[1md'),
    expect.stringContaining('cannot be read: a'),
    expect.stringContaining('cannot be read: b'),
    '',
  ]);
  writeFileSync(at('state/tasks/$(id).json'), '{}');
  expect((await run(['complete', '--', 'log', ''])).stdout).not.toContain('$(');
});

it('on a terminal nothing but the colours of Kedge is obeyed', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      let said = '';
      const stream = new Writable({
        write(chunk: Buffer, _encoding, done) {
          said += chunk.toString();
          done();
        },
      });
      const io = {
        ...{ stdin: Readable.from([]), stdout: stream, stderr: stream, environment: {}, workingFolder: '/' },
        isTerminal: true,
      };
      const printer = new Printer(io, { verbose: true });
      const error = new KedgeError('Internal', one, { hint: other, state: one, site: other });
      printer.note(one);
      printer.detail(one);
      printer.warn(one);
      printer.done(one);
      printer.failed(one);
      printer.failure(error);
      printer.failure(new Error(one));
      printer.failure(one);
      printer.result({}, [
        one,
        ...printer.table(
          [one],
          [
            [one, other],
            [other, one],
          ],
        ),
      ]);
      const findings = [
        { check: one, level: 'error' as const, message: one, hint: other, site: other },
        { check: 'x', level: 'warning' as const, message: other, hint: one, server: one },
      ];
      for (const grouped of [true, false])
        printer.colouredResult({}, findingLines(findings, { grouped, colors: createColors(true) }));
      printer.colouredResult({}, errorLines(error, createColors(true)));
      const own = said.replace(/\u001b\[(?:1|22|31|32|33|39)m/g, '').replaceAll('\n', '');
      expect(obeyed(own)).toBeNull();
      expect(said).toContain('\u001b[31m');
      if (!one.includes('\u001b[31m')) return;
      expect(own).toContain('\\u001b[31m');
    }),
  );
});
