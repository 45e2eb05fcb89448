import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { currentDatabase } from '../../scripts/lab/fingerprint';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import type { Journal } from '../../src/core/tasks/journal';
import { type Lab, type WordPressSite, cli, cliJson, shell, startLab } from '../helpers/e2e';
import { ROW_WRITERS, type Write, Writers } from '../helpers/writers/writers';
import { until } from '../helpers/until';

jest.setTimeout(90_000);

let lab: Lab;
let site: WordPressSite;
let worker: WorkerProcess;
let quiet: BackupResult;

const uploads = (name: string): string => join(site.root, 'wp-content/uploads', name);

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'], phpSettings: { 'pm.max_children': '3' } });
  site = lab.sites[0] as WordPressSite;
  await Writers.prepare(lab, site);
  // Holds a task in its window until the test has seen what it wants to see.
  const held = 'cd wp-content/uploads && touch fenced && while [ ! -e go ]; do sleep 0.02; done && rm fenced go';
  const configuration = parse(await readFile(lab.configuration, 'utf8')) as { sites: Record<string, object> };
  configuration.sites[site.uri] = { ...configuration.sites[site.uri], hooks: { fenced: ['sh', '-c', held] } };
  await writeFile(lab.configuration, stringify(configuration));
  worker = await startWorkerProcess(lab.environment);
  await cliJson(lab, 'sites', 'adopt', site.uri);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

interface Round<Result> {
  readonly result: Result;
  readonly writes: readonly Write[];
  /** When the maintenance page was first seen, ms. */
  readonly shut: number;
}

/**
 * Runs a task while everything writes. In its window all writers are refused; what came to the web server before, and
 * had not been answered, is sent to its end. `after` looks on until it has seen that the site is written to again.
 */
async function whileAllWrite<Result extends { task: string }>(
  first: number,
  task: () => Promise<Result>,
  after: (writers: Writers) => Promise<void>,
): Promise<Round<Result>> {
  const writers = await Writers.start(lab, site, first);
  let running: Promise<Result> | undefined;
  try {
    const underWay = writers.post('underway', first, join(lab.nginx.address.flags, site.uri));
    await until('a request is under way', () => existsSync(uploads(`underway-${first}.begun`)));
    const sendRest = await writers.postSlowly('slow', first);
    running = task();
    running.catch(() => undefined);
    await Promise.race([until('writes are fenced', () => existsSync(uploads('fenced'))), running]);
    const fenced = Date.now();
    // Those that began before the page came up were let end.
    expect(await underWay).toBe(201);
    expect(await sendRest()).toBe(503);
    await writers.untilEachWrote([...ROW_WRITERS, 'http1', 'http2', 'http3'], fenced, false);
    expect(writers.writes().filter(({ writer, done, at }) => done && at > fenced && writer !== 'files')).toEqual([]);
    writeFileSync(uploads('go'), '');
    const result = await running;
    await after(writers);
    await writers.stop();
    const journal = JSON.parse(readFileSync(join(lab.state, 'tasks', `${result.task}.json`), 'utf8')) as Journal;
    return { result, writes: writers.writes(), shut: Date.parse(journal.maintenance?.seen ?? '') };
  } finally {
    await writers.stop();
    if (existsSync(uploads('fenced'))) writeFileSync(uploads('go'), '');
    await running?.catch(() => undefined);
  }
}

const nameOf = ({ writer, number }: Write): string => `${writer}-${number}`;
const leavesRow = ({ writer }: Write): boolean => writer !== 'files';
const leavesFile = ({ writer }: Write): boolean => !(ROW_WRITERS as readonly string[]).includes(writer);

/** Rows and files that a backup holds. */
function heldBy(id: string): { rows: Set<string>; files: Set<string> } {
  const archive = join(lab.backups, site.uri, `${id}.tar.zst`);
  const dump = shell('tar', '-xO', '-I', 'zstd', '-f', archive, './database.sql');
  return {
    rows: new Set([...dump.matchAll(/\('([a-z]+\d?)',(\d+)\)/g)].map(([, writer, number]) => `${writer}-${number}`)),
    files: new Set(
      shell('tar', '-t', '-I', 'zstd', '-f', archive)
        .split('\n')
        .map((path) => /^\.\/wp-content\/uploads\/(.*)\.bin$/.exec(path)?.[1] ?? ''),
    ),
  };
}

async function live(): Promise<{ rows: Set<string>; files: Set<string> }> {
  const rows = await lab.mariadb.query(`SELECT writer, number FROM ${await currentDatabase(site)}.wp_desk`);
  return {
    rows: new Set(rows.split('\n').map((row) => row.replace('\t', '-'))),
    files: new Set(readdirSync(uploads('')).map((name) => name.replace(/\.bin$/, ''))),
  };
}

function lacking(writes: readonly Write[], held: Set<string>): string[] {
  return writes.map(nameOf).filter((name) => !held.has(name));
}

/** Databases that were made on the server. */
const databasesMade = async (): Promise<number> =>
  Number((await lab.mariadb.query("SHOW GLOBAL STATUS LIKE 'Com_create_db'")).trim().split('\t')[1]);

it('backup --quiesce: what was acknowledged before the window is in the backup, and the site lacks nothing', async () => {
  const made = await databasesMade();
  const { result, writes, shut } = await whileAllWrite(
    100_000,
    () => cliJson<BackupResult>(lab, 'backup', site.uri, '--quiesce'),
    (writers) => writers.untilEachWrote(['http1', 'http2', 'http3', ...ROW_WRITERS, 'files'], Date.now()),
  );
  quiet = result;
  // Definitions are proved before the window, and no more within it.
  expect((await cli(lab, 'log', result.task)).stdout).toMatch(/proveDefinitions: done[^]*enterMaintenance: began/);
  expect(await databasesMade()).toBe(made + 1);
  // The files of scripts are not held, and tar sees them come.
  expect(result.warnings.filter((warning) => !/ that changed while they were read/.test(warning))).toEqual([]);
  const done = writes.filter((write) => write.done);
  const before = done.filter(({ at, writer }) => at < shut || writer === 'underway');
  expect(new Set(before.map(({ writer }) => writer)).size).toBe(8);
  const backup = heldBy(result.backup.id);
  expect(lacking(before.filter(leavesRow), backup.rows)).toEqual([]);
  expect(lacking(before.filter(leavesFile), backup.files)).toEqual([]);
  // Row and file of one entry are in it both, or neither.
  const visited = [...backup.rows].filter((name) => /^(http|underway|slow)/.test(name));
  expect(visited.filter((name) => !backup.files.has(name))).toEqual([]);
  const now = await live();
  expect(lacking(done.filter(leavesRow), now.rows)).toEqual([]);
  expect(lacking(done.filter(leavesFile), now.files)).toEqual([]);
  for (const name of readdirSync(uploads('')).filter((found) => found.startsWith('files-'))) rmSync(uploads(name));
});

it('restore: what was acknowledged is in the safety backup or in the restored site; files of scripts that are too late are named', async () => {
  const { result, writes, shut } = await whileAllWrite(
    200_000,
    () => cliJson<RestoreResult>(lab, 'restore', site.uri, quiet.backup.id, '--yes'),
    async (writers) => {
      const restored = Date.now();
      await writers.untilEachWrote(['http1', 'http2', 'http3', 'cron', 'script', 'files'], restored);
      // It goes on with the login it began with, which stays locked.
      await writers.untilEachWrote(['daemon'], restored, false);
    },
  );
  const done = writes.filter((write) => write.done);
  const before = done.filter(({ at, writer }) => at < shut || writer === 'underway');
  expect(new Set(before.map(({ writer }) => writer)).size).toBe(8);
  const safety = heldBy(result.safetyBackup);
  expect(lacking(before.filter(leavesRow), safety.rows)).toEqual([]);
  expect(lacking(before.filter(leavesFile), safety.files)).toEqual([]);

  const now = await live();
  expect(lacking(done.filter(leavesRow), new Set([...safety.rows, ...now.rows]))).toEqual([]);
  const lost = lacking(done.filter(leavesFile), new Set([...safety.files, ...now.files]));
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.filter((name) => !name.startsWith('files-'))).toEqual([]);
  const told = result.warnings.find((warning) => warning.includes('that were written while the restore ran'));
  const [, count = '', named = ''] = / \((\d+)\): (.*?)( and \d+ more)?$/.exec(told ?? '') ?? [];
  expect(named).toMatch(/^(wp-content\/uploads\/files-\d+\.bin(, |$)){1,20}$/);
  expect(Number(count)).toBeGreaterThanOrEqual(lost.length);
  // All of them are in the log.
  const log = await cliJson<{ lines: { message: string }[] }>(lab, 'log', result.task);
  const logged = log.lines.map(({ message }) => message).join('\n');
  expect(lost.filter((name) => !logged.includes(name))).toEqual([]);
});
