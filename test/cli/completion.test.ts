import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { stringify } from 'yaml';
import { KEDGE } from '../../scripts/demo/kedge';
import { main } from '../../src/cli/main';
import { completionSchema, completionScriptSchema } from '../../src/contract/documents';
import type { BackupRecord } from '../../src/contract/backup-record';

jest.setTimeout(120_000);

const BACKUP = 'gazette.example-20260102.030405';
let folder: string;
let environment: Record<string, string>;

/** A configuration with two sites, one of which has a backup. */
beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/kc');
  const site = { kind: 'wordpress', server: 'local', db: 'local', owner: 'nobody', php: { socket: '/run/x.sock' } };
  await writeFile(
    join(folder, 'kedge.yaml'),
    stringify({
      master: 'lab',
      backups: join(folder, 'backups'),
      state: join(folder, 'state'),
      servers: {
        local: {
          web: { kind: 'nginx', vhosts: '/etc/nginx/kedge.d', flags: '/var/lib/kedge-web' },
          db: { kind: 'mariadb', socket: '/run/x.sock', admin: { user: 'root' } },
        },
      },
      sites: {
        'gazette.example': { ...site, root: '/srv/gazette' },
        'garden.example': { ...site, root: '/srv/garden' },
      },
    }),
  );
  const record: BackupRecord = {
    schema: 1,
    id: BACKUP,
    site: 'gazette.example',
    kind: 'wordpress',
    description: 'before\n the\u001b update',
    trigger: 'request',
    who: 'test',
    task: 'none',
    created: '2026-01-02T03:04:05.000Z',
    roots: [],
    dumpBytes: 0,
    database: { charset: '', collation: '', serverVersion: '', tables: [], views: [], enabledEvents: [] },
    codeVersion: null,
    contentMark: null,
    archive: `${BACKUP}.tar.zst`,
    bytes: 1,
    sha256: '0'.repeat(64),
    members: 1,
    warnings: [],
  };
  const catalogue = join(folder, 'backups/gazette.example');
  await mkdir(catalogue, { recursive: true });
  await writeFile(join(catalogue, `${BACKUP}.json`), JSON.stringify(record));
  await writeFile(join(catalogue, `${BACKUP}.tar.zst`), 'x');
  await mkdir(join(folder, 'bin'));
  await chmod(KEDGE, 0o755);
  await symlink(KEDGE, join(folder, 'bin/kedge'));
  await mkdir(join(folder, 'files'));
  await writeFile(join(folder, 'files/some file.yaml'), '');
  environment = { KEDGE_CONFIG: join(folder, 'kedge.yaml') };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function answer(words: readonly string[], env = environment): Promise<{ exitCode: number; said: string }> {
  return run(['complete', '--', ...words], env);
}

async function run(argv: readonly string[], env = environment): Promise<{ exitCode: number; said: string }> {
  const stdout = new PassThrough();
  let said = '';
  stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exitCode = await main(argv, {
    stdin: Readable.from([]),
    stdout,
    stderr: new PassThrough().resume(),
    environment: env,
    workingFolder: '/',
    isTerminal: false,
  });
  return { exitCode, said };
}

it.each([
  [['ba'], ['backup', 'backups']],
  [['backups', 'ch'], ['check']],
  [
    ['backups', 'ga'],
    ['gazette.example', 'garden.example'],
  ],
  [['sites', ''], expect.arrayContaining(['show', 'online', 'adopt']) as string[]],
  [['restore', 'gaz'], ['gazette.example']],
  [['provision-restore', 'gaz'], ['gazette.example']],
  [
    ['restore', '--yes', 'gazette.example', ''],
    ['latest', BACKUP],
  ],
  [['restore', 'garden.example', ''], ['latest']],
  [['restore', 'gazette.example', '--dr'], ['--dry-run']],
  [['restore', 'gazette.example', 'latest', ''], []],
  [['--json', 'restore', 'gar'], ['garden.example']],
  [['--config', '/nowhere', 'restore', 'gar'], []],
  [['backups', 'show', ''], [BACKUP]],
  [['backups', 'delete', BACKUP, 'gaz'], [BACKUP]],
  [['backups', 'check', '--site', 'gar'], ['garden.example']],
  [['backups', 'check', '--site=gar'], ['--site=garden.example']],
  [['backup', '-m', 'gaz'], []],
  [['backup', '-m', 'why', 'gaz'], ['gazette.example']],
  [['backup', '--', '--j'], []],
  [['log', 'gaz'], ['gazette.example']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['--config', ''], [':files']],
  [['deploy', 'arch'], [':files']],
  [['deploy', 'archive.tar.zst', 'gaz'], ['gazette.example']],
  [['nonsense', ''], []],
  [['complet'], ['completion']],
  [[], expect.arrayContaining(['backup', 'init', 'restore']) as string[]],
])('%j', async (words, expected) => {
  const { exitCode, said } = await answer(words);
  const values = said.split('\n').filter(Boolean);
  expect(values.map((line) => line.split('\t')[0])).toEqual(expected);
  expect(exitCode).toBe(0);
});

it('a description is one line of plain text', async () => {
  const { said } = await answer(['backups', 'show', '']);
  expect(said).toBe(`${BACKUP}\t2026-01-02 03:04:05 UTC - before the update\n`);
});

it('as JSON', async () => {
  const answered = await run(['complete', '--json', '--', 'restore', 'gar']);
  expect(completionSchema.parse(JSON.parse(answered.said))).toEqual({
    candidates: [{ value: 'garden.example', description: 'wordpress in /srv/garden' }],
    files: false,
  });
  const script = await run(['completion', 'fish', '--json']);
  const plain = await run(['completion', 'fish']);
  expect(completionScriptSchema.parse(JSON.parse(script.said))).toEqual({ shell: 'fish', script: plain.said });
  expect((await run(['completion', 'tcsh'])).exitCode).toBe(2);
});

it('without a configuration there are no names, and no error', async () => {
  expect(await answer(['restore', ''], { KEDGE_CONFIG: '/nowhere' })).toEqual({ exitCode: 0, said: '' });
});

const shellEnvironment = (): NodeJS.ProcessEnv => ({
  ...environment,
  PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
  HOME: folder,
  TERM: 'dumb',
  LANG: 'C.UTF-8',
});
const has = (shell: string): boolean =>
  ['/bin', '/usr/bin', '/usr/local/bin'].some((path) => existsSync(join(path, shell)));

/** A shell on a terminal: what is typed, until the line looks as expected. */
async function typed(argv: readonly string[], setup: string, keys: string, expected: string): Promise<void> {
  const line = argv.join(' ');
  const child: ChildProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', 'script', '--quiet', '--return', '--command', `exec ${line}`, '/dev/null'],
    {
      env: { ...shellEnvironment(), SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: join(folder, 'files'),
    },
  );
  let said = '';
  let seen: () => void = () => undefined;
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    seen();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`never seen: ${text}, but ${JSON.stringify(said)}`)), 60_000);
      seen = () => {
        if (!said.includes(text)) return;
        clearTimeout(deadline);
        resolve();
      };
      seen();
    });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    child.stdin?.write(`${setup}; echo rea''dy\n`);
    await until('ready');
    said = '';
    child.stdin?.write(keys);
    await until(expected);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

describe('bash', () => {
  /** What the completion function answers for a line with the cursor at its end, words split as readline splits them. */
  function replies(line: string): string[] {
    const words = line.split(/(?<=[\s:=])|(?=[:=])/).map((word) => word.trim());
    const split = words.filter((word, index) => word !== '' || index === words.length - 1);
    const quoted = split.map((word) => `'${word}'`).join(' ');
    const script = `source <(kedge completion bash); COMP_WORDS=(${quoted}${/\s$/.test(line) ? " ''" : ''})
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}
      _kedge; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['--norc', '-uc', script], { env: shellEnvironment(), cwd: join(folder, 'files') })
      .toString()
      .split('\n')
      .filter(Boolean);
  }

  it.each([
    ['kedge restore g', ['gazette.example', 'garden.example']],
    ['kedge backups check --site=ga', ['gazette.example', 'garden.example']],
    ['kedge --config so', ['some file.yaml']],
  ])('%s', (line, expected) => {
    expect(replies(line)).toEqual(expected);
  });

  it('at the prompt', async () => {
    await typed(
      ['bash', '--norc', '-i'],
      'source <(kedge completion bash)',
      'kedge restore gaz\t',
      'kedge restore gazette.example ',
    );
  });
});

(has('zsh') ? describe : describe.skip)('zsh (skipped where it is not installed)', () => {
  it.each([
    ['kedge restore gaz\t', 'kedge restore gazette.example '],
    ['kedge backups check --site=gaz\t', '--site=gazette.example'],
    ['kedge verif\t', 'kedge verify '],
  ])('at the prompt: %j', async (keys, expected) => {
    const setup = 'unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source <(kedge completion zsh)';
    await typed(['zsh', '-f', '-i'], setup, keys, expected);
  });
});

(has('fish') ? describe : describe.skip)('fish (skipped where it is not installed)', () => {
  it.each([
    ['kedge restore g', 'garden.example\twordpress in /srv/garden\ngazette.example\twordpress in /srv/gazette\n'],
    ['kedge backups show ', `${BACKUP}\t2026-01-02 03:04:05 UTC - before the update\n`],
    ['kedge --config so', expect.stringContaining('some file.yaml') as string],
  ])('%s', async (line, expected) => {
    const script = `kedge completion fish | source; complete -C ${JSON.stringify(line)}`;
    const said = execFileSync('fish', ['--no-config', '-c', script], {
      env: shellEnvironment(),
      cwd: join(folder, 'files'),
    });
    expect(said.toString()).toEqual(expected);
  });
});
