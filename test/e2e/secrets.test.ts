import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import type { Client } from '@temporalio/client';
import { type WorkerProcess, kedge, startWorkerProcess } from '../../scripts/demo/kedge';
import { freePort } from '../../scripts/lab/free-port';
import { findTemporalCli } from '../../scripts/lab/temporal';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { connectClient } from '../../src/temporal/connection';
import { startDevServer } from '../../src/temporal/dev-server';
import { type Canary, type Place, leaks, spellings, textsOf } from '../helpers/canaries';
import { type Lab, type Outcome, type WordPressSite, shell, startLab } from '../helpers/e2e';
import { forgeBackup } from '../helpers/forge-backup';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

/** Every sort of character that some spelling changes. */
const ADMIN_PASSWORD = `adm-${randomBytes(8).toString('hex')}"'\\ %&+</ü#`;
const WRONG_PASSWORD = `bad-${randomBytes(8).toString('hex')}"'$ %ß`;

let lab: Lab;
let site: WordPressSite;
let worker: WorkerProcess;
let client: Client;
let sampler: Sampler;
const said: Place[] = [];
let canaries: Canary[] = [];
let samples: Place[] = [];

/** The process that looks at all others; see process-sampler.ts. */
class Sampler {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: Interface;
  private looks = 0;

  constructor(state: string) {
    const helpers = join(__dirname, '../helpers');
    const script = ['-r', join(helpers, 'run-typescript.js'), join(helpers, 'process-sampler.ts'), state];
    this.child = spawn(process.execPath, script);
    this.lines = createInterface({ input: this.child.stdout });
  }

  /** Resolves when it has looked at every process that runs now. */
  async look(): Promise<void> {
    const name = String((this.looks += 1));
    const looked = this.next<{ looked: string }>();
    this.child.stdin.write(`${name}\n`);
    expect(await looked).toEqual({ looked: name });
  }

  async end(): Promise<{ samples: string[]; passwords: string[] }> {
    const seen = this.next<{ samples: string[]; passwords: string[] }>();
    this.child.stdin.end();
    return seen;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      this.child.once('exit', () => reject(new Error('the sampler ended')));
      this.lines.once('line', (line) => resolve(JSON.parse(line) as T));
    });
  }
}

beforeAll(async () => {
  lab = await startLab({ sites: ['vault.example'], adminPassword: ADMIN_PASSWORD, leaksOnPurpose: true });
  site = lab.sites[0] as WordPressSite;
  worker = await startWorkerProcess(lab.environment, (text) => said.push({ name: 'output of the worker', text }));
  client = await connectClient(lab.environment);
  sampler = new Sampler(lab.state);
  await sampler.look();
});
afterAll(async () => {
  sampler?.kill();
  await client?.connection.close();
  await worker?.stop();
  await lab?.stop();
});

/** Runs a command and remembers all it says. */
async function run(...args: string[]): Promise<Outcome> {
  const outcome = await kedge(args, lab.environment);
  for (const stream of ['stdout', 'stderr'] as const)
    said.push({ name: `${stream} of kedge ${args.join(' ')}`, text: outcome[stream] });
  return outcome;
}

async function runJson<T>(...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await run(...args, '--json');
  if (exitCode !== 0) throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Settings with another password, while `work` runs. */
async function withSettings(change: (settings: string) => string, work: () => Promise<void>): Promise<void> {
  const path = join(site.root, 'wp-config.php');
  const before = await readFile(path, 'latin1');
  await writeFile(path, change(before), 'latin1');
  await work();
  await writeFile(path, before, 'latin1');
}

function currentPassword(): string {
  const state = JSON.parse(readFileSync(join(lab.state, 'sites', `${site.uri}.json`), 'utf8')) as {
    current: { password: string };
  };
  return state.current.password;
}

it('a site is adopted, saved, restored, and a restore fails and is undone, all under watch', async () => {
  const php = (text: string): string => text.replace(/[\\']/g, '\\$&');
  const wrong = (settings: string): string =>
    settings.replace(/define\('DB_PASSWORD'.*/, () => `define('DB_PASSWORD', '${php(WRONG_PASSWORD)}');`);
  await withSettings(wrong, async () => {
    expect((await run('sites', 'adopt', site.uri, '--json', '-v')).exitCode).toBe(1);
  });
  // A parse error that PHP describes by the text it stumbles over.
  const broken = (settings: string): string =>
    settings.replace(/define\('DB_PASSWORD'.*/, (line) => `${line} define('DB_PASSWORD' '${php(WRONG_PASSWORD)}');`);
  await withSettings(broken, async () => {
    expect((await run('sites', 'adopt', site.uri, '--json', '-v')).exitCode).toBe(1);
  });
  // The whole connection where the name of the user belongs: refused by name, and nothing of it is told.
  const url = `mysql://${site.user}:${encodeURIComponent(WRONG_PASSWORD)}@127.0.0.1/${site.database}`;
  for (const [constant, part] of [
    ['DB_USER', 'user'],
    ['DB_NAME', 'database'],
    ['DB_HOST', 'address'],
  ]) {
    const asUrl = (settings: string): string =>
      settings.replace(
        new RegExp(`^define\\(\\s*['"]${constant}['"].*`, 'm'),
        () => `define('${constant}', '${php(url)}');`,
      );
    await withSettings(asUrl, async () => {
      const { exitCode, stdout } = await run('sites', 'adopt', site.uri, '--json', '-v');
      expect([exitCode, stdout]).toEqual([1, expect.stringContaining(`the ${part} of the database in the settings`)]);
      expect(stdout).toContain('looks like a URL');
    });
  }
  await runJson('sites', 'adopt', site.uri);
  const { backup } = await runJson<BackupResult>('backup', site.uri, '--quiesce');
  await withSettings(broken, async () => {
    expect((await run('backup', site.uri, '-v')).exitCode).toBe(3);
  });
  await runJson<RestoreResult>('restore', site.uri, backup.id, '--yes');
  expect(currentPassword()).toMatch(/^[0-9a-f]{48}$/);
  await run('verify', site.uri, '-v');

  // The server's answer quotes the statement it does not understand, password and all.
  const hostile = await forgeBackup(lab, site.uri, backup.id, {
    sql: `CREATE TABLE kedge_odd (a INT) SELEKT '${currentPassword()}';`,
  });
  const failed = await run('restore', site.uri, hostile, '--yes', '--json');
  expect(failed.exitCode).toBe(1);
  const { error } = JSON.parse(failed.stdout) as { error: { code: string; message: string } };
  expect(error).toMatchObject({
    code: 'ImportFailed',
    message: expect.stringMatching(/SQL syntax.* near .*'\[redacted\]'/) as string,
  });

  await run('sites', 'show', site.uri);
  await run('backups', 'show', hostile);
  await run('tasks', site.uri, '--json');
  const { stdout } = await run('log', site.uri);
  expect(stdout).toMatch(/importDatabase.*\[redacted\]/);
});

it('what is found by the sampler tells of every program, and of the passwords Kedge made', async () => {
  // A leak of each kind, for as long as it takes to be seen.
  const planted = spawn('sh', ['-c', 'echo runs; read -r _', 'planted-argument-4711'], {
    env: { PLANTED: 'planted-variable-4711' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  // A program that was only just started has no arguments yet.
  await once(planted.stdout, 'data');
  await sampler.look();
  planted.stdin.end();
  const seen = await sampler.end();
  samples = seen.samples.map((text) => ({ name: text.startsWith('cmdline') ? 'argv' : 'environment', text }));
  const planting = (secret: string): string[] => leaks(samples, [{ name: 'planted', secret }]);
  expect(planting('planted-argument-4711')).toContain('argv: planted (plain)');
  expect(planting('planted-variable-4711')).toContain('environment: planted (plain)');

  const programs = seen.samples.filter((text) => text.startsWith('cmdline')).map((text) => text.slice(8).split('\0'));
  for (const program of ['bwrap', 'mariadb-dump', 'mariadb', 'tar', 'php', 'zstd', 'nginx'])
    expect(programs.some((argv) => argv[0]?.split('/').at(-1)?.startsWith(program))).toBe(true);
  expect(seen.samples.some((text) => text.includes('KEDGE_MARK='))).toBe(true);

  // That of each import, and that of the account when it was complete.
  expect(seen.passwords.length).toBeGreaterThanOrEqual(3);
  expect(seen.passwords).toContain(currentPassword());
  canaries = [
    { name: 'password of the site', secret: site.password },
    { name: 'password of the admin', secret: ADMIN_PASSWORD },
    { name: 'wrong password of the site', secret: WRONG_PASSWORD },
    ...seen.passwords.map((secret, index) => ({ name: `generated password ${index + 1}`, secret })),
  ];
});

/** Where passwords have their place, relative to the lab's folder. */
const OWN_PLACES = [
  /^admin\.password$/,
  /^srv\/[^/]+\/wp-config\.php$/,
  /^state\/sites\/[^/]+\.json$/,
  /^state\/tasks\/[^/]+\.json$/,
];

/** All files below the lab's folder but those that may hold passwords: logs, records, vhosts, Temporal's database … */
function files(): Place[] {
  if (canaries.length === 0) throw new Error('the passwords are not known');
  const patterns = join('/var/tmp', `kedge-patterns-${process.pid}`);
  const wanted = canaries.flatMap(({ secret }) => Object.values(spellings(secret)));
  writeFileSync(patterns, `${[...new Set(wanted)].join('\n')}\n`, { mode: 0o600 });
  try {
    return execFileSync('grep', ['-rlaFf', patterns, '--devices=skip', '--', lab.folder], {
      env: { ...process.env, LC_ALL: 'C' },
    })
      .toString('latin1')
      .split('\n')
      .filter((path) => path !== '' && !OWN_PLACES.some((own) => own.test(relative(lab.folder, path))))
      .map((path) => ({ name: relative(lab.folder, path), text: readFileSync(Buffer.from(path, 'latin1'), 'latin1') }));
  } finally {
    rmSync(patterns);
  }
}

/** Journals without the fields that hold a password. */
function journals(): Place[] {
  const tasks = join(lab.state, 'tasks');
  return readdirSync(tasks)
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      name: `journal ${name}`,
      text: JSON.stringify(JSON.parse(readFileSync(join(tasks, name), 'utf8')), (key, value: unknown) =>
        key === 'password' && typeof value === 'string' ? undefined : value,
      ),
    }));
}

/** Records inside the archives. */
function packedRecords(): Place[] {
  const folder = join(lab.backups, site.uri);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tar.zst'))
    .map((name) => ({
      name: `record in ${name}`,
      text: shell(
        ...(['tar', '-xO', '--use-compress-program=zstd', '-f', join(folder, name)] as [string, ...string[]]),
        '--occurrence=1',
        './.kedge/backup.json',
      ),
    }));
}

/** All that Temporal tells of each run: events with payloads decoded, memo, attributes, summaries, current details. */
async function histories(): Promise<Place[]> {
  const places: Place[] = [];
  for await (const { workflowId, runId, type } of client.workflow.list()) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const history = await handle.fetchHistory();
    const { raw } = await handle.describe();
    const metadata = type === 'planted' ? null : await handle.query('__temporal_workflow_metadata');
    places.push({ name: `history of ${type} ${workflowId}`, text: textsOf([history, raw, metadata]) });
  }
  return places;
}

async function everyPlace(): Promise<Place[]> {
  return [...samples, ...said, ...files(), ...journals(), ...packedRecords(), ...(await histories())];
}

it('no password is anywhere but in its place', async () => {
  const places = await everyPlace();
  // That the search looked where it should.
  const names = places.map(({ name }) => name.replace(/ .*/, ''));
  for (const kind of ['argv', 'environment', 'stdout', 'stderr', 'journal', 'record', 'history'])
    expect(names).toContain(kind);
  const looked = places.filter(({ name }) => name.startsWith('history of'));
  expect(looked.map(({ name }) => name).join()).toMatch(/restore .*turns|turns .*restore/);
  expect(looked.some(({ text }) => text.includes('Dump the database') && text.includes('importDatabase'))).toBe(true);
  expect(leaks(places, canaries)).toEqual([]);
});

it('what holds a password is open to the worker alone', () => {
  const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
  for (const folder of ['', 'sites', 'tasks', 'open', 'spool']) expect(mode(join(lab.state, folder))).toBe('700');
  for (const folder of ['sites', 'tasks']) {
    const path = join(lab.state, folder);
    expect(readdirSync(path).length).toBeGreaterThan(0);
    for (const name of readdirSync(path)) expect(`${name} ${mode(join(path, name))}`).toBe(`${name} 600`);
  }
  const backups = join(lab.backups, site.uri);
  expect(mode(backups)).toBe('700');
  for (const name of readdirSync(backups)) expect(`${name} ${mode(join(backups, name))}`).toBe(`${name} 600`);
});

describe('a planted leak is found', () => {
  const secret = (): string => ADMIN_PASSWORD;

  it('in a task log, a record, a vhost, the log of a server, the spool', () => {
    const planted: [path: string, spell: (text: string) => string][] = [
      ['state/tasks/planted.ndjson', (text) => JSON.stringify({ message: text })],
      ['backups/vault.example/planted.json', (text) => encodeURIComponent(text)],
      ['vhosts/planted.conf.off', (text) => `# ${text}`],
      ['mariadb/planted.log', (text) => `near '${text.replaceAll("'", "''")}'`],
      ['state/spool/planted', (text) => Buffer.from(`x${text}`).toString('base64')],
    ];
    for (const [path, spell] of planted) {
      mkdirSync(join(lab.folder, path, '..'), { recursive: true });
      writeFileSync(join(lab.folder, path), spell(secret()));
    }
    const found = leaks(files(), canaries).join('\n');
    for (const [path] of planted) {
      expect(found).toContain(`${path}: password of the admin`);
      rmSync(join(lab.folder, path));
    }
  });

  it('in a journal', () => {
    const path = join(lab.state, 'tasks', 'planted.json');
    writeFileSync(path, JSON.stringify({ outcome: { message: secret() } }));
    expect(leaks(journals(), canaries).join('\n')).toContain('journal planted.json: password of the admin');
    rmSync(path);
  });

  it('in the record of an archive', () => {
    const folder = join(lab.folder, 'planted');
    mkdirSync(join(folder, '.kedge'), { recursive: true });
    writeFileSync(join(folder, '.kedge/backup.json'), secret());
    const archive = join(lab.backups, site.uri, 'planted.tar.zst');
    shell('tar', '-c', '--use-compress-program=zstd', '-f', archive, '-C', folder, './.kedge/backup.json');
    rmSync(folder, { recursive: true });
    expect(leaks(packedRecords(), canaries).join('\n')).toContain('record in planted.tar.zst: password of the admin');
    rmSync(archive);
  });

  it('in what a command says', async () => {
    const { stdout } = await kedge(['backups', `${secret()}.example`, '--json'], lab.environment);
    expect(leaks([{ name: 'stdout', text: stdout }], canaries).join('\n')).toContain('stdout: password of the admin');
  });

  it('in the arguments, the memo, the summary of a workflow', async () => {
    const planted = {
      args: { args: [{ note: Buffer.from(secret()).toString('base64') }] },
      memo: { memo: { note: secret() } },
      summary: { staticSummary: secret() },
    };
    const handles = await Promise.all(
      Object.entries(planted).map(([where, options]) =>
        client.workflow.start('planted', {
          args: [],
          ...options,
          workflowId: `planted-${where}`,
          taskQueue: 'planted',
        }),
      ),
    );
    // Temporal lists them a moment after they began.
    await until('all three are listed', async () => {
      let listed = 0;
      for await (const { type } of client.workflow.list()) if (type === 'planted') listed += 1;
      return listed === handles.length;
    });
    const found = leaks(await histories(), canaries).join('\n');
    for (const where of Object.keys(planted))
      expect(found).toContain(`history of planted planted-${where}: password of the`);
    for (const handle of handles) await handle.terminate();
  });
});

it('a secret in the environment of Kedge does not go on to the Temporal server it starts', async () => {
  process.env['KEDGE_TEST_SECRET'] = 'inherited-canary-4711';
  const server = await startDevServer({
    executable: await findTemporalCli(),
    databaseFile: null,
    port: await freePort(),
    uiPort: null,
    environment: {},
  });
  try {
    const environment = readFileSync(`/proc/${server.process.pid}/environ`, 'latin1');
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('inherited-canary-4711');
  } finally {
    delete process.env['KEDGE_TEST_SECRET'];
    await server.stop();
  }
});
