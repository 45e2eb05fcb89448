import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import {
  type BackupResult,
  type RestoreResult,
  backupResultSchema,
  restoreResultSchema,
} from '../../src/contract/tasks';
import { differences, fingerprint } from '../lab/fingerprint';
import { type Lab, startLab } from '../lab/lab';
import { placeOnMachines } from '../lab/placed-lab';
import { breakWordPress } from '../lab/wordpress';
import { type WorkerProcess, kedge, startWorkerProcess } from './kedge';
import { type Row, tableOf } from './table';

interface DemoOptions {
  keep?: boolean;
  crash?: boolean;
  remote?: boolean;
  json?: boolean;
}

/** The document of --json, filled in as the demo goes on. */
interface DemoDocument {
  ok: boolean;
  backup: BackupResult | null;
  restore: RestoreResult | null;
  compared: { pages: number; files: number; tables: number } | null;
}

const SITE = 'gazette.example';
const DESCRIPTION = 'before the update';

const options = new Command('npm run demo --')
  .description('Saves a real WordPress, breaks it, and brings it back, on private servers.')
  .option('--keep', 'leave everything running afterwards, until Ctrl-C')
  .option('--crash', 'kill the worker in the middle of the import, and start it again')
  .option('--remote', 'the web server is a machine of its own, reached by SSH (needs root, and network namespaces)')
  .option('--json', 'print one last document on standard output')
  .parse()
  .opts<DemoOptions>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const stops: (() => Promise<void>)[] = [];
const interrupt = new AbortController();
const { signal } = interrupt;

async function stopAll(): Promise<void> {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
}

async function demo(document: DemoDocument): Promise<void> {
  const rows: Row[] = [];
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<[T, Row]> => {
    const began = Date.now();
    const value = await work();
    const row: Row = { step, ms: Date.now() - began };
    rows.push(row);
    return [value, row];
  };

  const below = join(process.cwd(), 'var/demo');
  const [lab] = await timed('build', () =>
    startLab({
      ...{ below, sites: [SITE], onProgress: (what: string) => say(`starting ${what}`), signal },
    }),
  );
  stops.push(() => lab.stop());
  const placed = options.remote ? await moveToMachines(lab) : lab;
  const [site] = placed.sites;
  if (!site) throw new Error('the lab has no site');
  say(`everything lives in ${lab.folder}; Temporal Web UI: ${lab.temporal.uiAddress}`);
  const look = () => fingerprint(site, lab.nginx.port, placed.mariadb);
  let worker = await startWorkerProcess(lab.environment);
  // Nothing of this lab is needed any more after Ctrl-C, so the steps of a running task are not waited for.
  stops.push(() => (signal.aborted ? worker.kill() : worker.stop()));

  await run(lab, ['sites', 'adopt', SITE]);
  const saved = await look();

  say(`\n$ kedge backup ${SITE} -m "${DESCRIPTION}"`);
  const [backup, backupRow] = await timed('backup', async () =>
    backupResultSchema.parse(await run(lab, ['backup', SITE, '-m', DESCRIPTION, '--json'])),
  );
  document.backup = backup;
  backupRow.bytes = backup.backup.bytes;

  say('\nbreaking the site: posts and uploads deleted, a table dropped, wp-config spoiled');
  await breakWordPress(site, placed.mariadb);
  const broken = differences(saved, await look());
  say(`${broken.length} pages, files and tables differ now`);

  say(`\n$ kedge backups ${SITE}`);
  say((await kedge(['backups', SITE], lab.environment, undefined, signal)).stdout.trimEnd());

  say(`\n$ kedge restore ${SITE} ${backup.backup.id} --yes`);
  const [restore, restoreRow] = await timed('restore', async () => {
    const restoring = run(lab, ['restore', SITE, backup.backup.id, '--yes', '--json']);
    // Awaited below; a failure while the crash is prepared is not unhandled.
    restoring.catch(() => undefined);
    if (options.crash) worker = await crashInImport(placed, worker);
    return restoreResultSchema.parse(await restoring);
  });
  document.restore = restore;
  restoreRow.downtimeMs = restore.downtimeMs;

  const [restored] = await timed('compare', look);
  const left = differences(saved, restored);
  for (const line of left) say(`differs: ${line}`);
  const count = (part: 'pages' | 'files' | 'tables'): number => Object.keys(restored[part]).length;
  const compared = { pages: count('pages'), files: count('files'), tables: count('tables') };
  document.compared = compared;
  document.ok = left.length === 0 && broken.length > 0;

  say('');
  for (const line of tableOf(rows)) say(line);
  const verdict = document.ok ? 'restored equals saved' : 'RESTORED DIFFERS FROM SAVED';
  say(`\n${verdict}: ${compared.pages} pages, ${compared.files} files, ${compared.tables} tables`);
  if (options.keep) {
    printDocument(document);
    await keepRunning(lab);
  }
}

/** The lab as it is found on the machines that its site and its databases are moved to. */
async function moveToMachines(lab: Lab): Promise<Lab> {
  say(
    'moving the site to a machine of its own, web1, with nginx and PHP, and its database to another, db1, with MariaDB;',
  );
  say('on both sshd, and kedge-host with its rules');
  const placed = await placeOnMachines(lab, { web: 'web1', database: 'db1' }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`no machines can be made: root, network namespaces and openssh-server are needed (${why})`);
  });
  stops.push(() => placed.stop());
  return placed.there;
}

/** Runs a command of the product, shows what it says, and returns its JSON document. */
async function run(lab: Lab, args: string[]): Promise<unknown> {
  const show = (line: string): void => void (signal.aborted || say(`  ${line}`));
  const { exitCode, stdout, stderr } = await kedge(args, lab.environment, show, signal);
  signal.throwIfAborted();
  // 3 is done with warnings: the broken site has a view whose table is gone.
  if (exitCode !== 0 && exitCode !== 3)
    throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return args.includes('--json') ? (JSON.parse(stdout) as unknown) : null;
}

/** Waits until the import of the running restore has begun, kills the worker there, and starts another. */
async function crashInImport(lab: Lab, worker: WorkerProcess): Promise<WorkerProcess> {
  const deadline = Date.now() + 120_000;
  while (!(await importRuns(lab))) {
    if (Date.now() > deadline) throw new Error('the import never began');
    await delay(5, undefined, { signal });
  }
  await worker.kill();
  say('  *** worker killed (kill -9) in the middle of the import; starting another');
  return startWorkerProcess(lab.environment);
}

const journalSchema = z.object({
  created: z.object({ importBegan: z.boolean(), databases: z.array(z.string()) }).nullable(),
  outcome: z.unknown(),
});

async function importRuns(lab: Lab): Promise<boolean> {
  const tasks = join(lab.state, 'tasks');
  for (const name of await readdir(tasks)) {
    if (!name.endsWith('-restore.json')) continue;
    const { created } = journalSchema.parse(JSON.parse(await readFile(join(tasks, name), 'utf8')));
    const database = created?.importBegan ? created.databases.at(-1) : undefined;
    if (database === undefined) continue;
    const tables = await lab.mariadb.query(
      `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='${database}'`,
    );
    return Number(tables) > 0;
  }
  return false;
}

let printed = false;

/** Once: at the end, or before everything is kept running. */
function printDocument(document: DemoDocument): void {
  if (options.json && !printed) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  printed = true;
}

let endKeeping: (() => void) | null = null;

async function keepRunning(lab: Lab): Promise<void> {
  say(`\nkept running, until Ctrl-C. Temporal Web UI: ${lab.temporal.uiAddress}`);
  say(`the site: curl -H 'Host: ${SITE}:${lab.nginx.port}' http://127.0.0.1:${lab.nginx.port}/`);
  say('the commands, in another terminal here:');
  say(`  export KEDGE_CONFIG=${lab.configuration} TEMPORAL_ADDRESS=${lab.temporal.address}`);
  say(`  dist/src/cli/main.js backups ${SITE}`);
  await new Promise<void>((resolve) => (endKeeping = resolve));
}

function onSignal(): void {
  if (endKeeping) return endKeeping();
  if (signal.aborted) return;
  say('stopping');
  interrupt.abort(new Error('interrupted'));
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

async function main(): Promise<void> {
  const document: DemoDocument = { ok: false, backup: null, restore: null, compared: null };
  try {
    await demo(document);
    process.exitCode = document.ok ? 0 : 1;
  } catch (error) {
    process.exitCode = signal.aborted ? 130 : 1;
    if (!signal.aborted) say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await stopAll();
    printDocument(document);
  }
}

void main();
