import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { backupResultSchema, restoreResultSchema } from '../../src/contract/tasks';
import { bytesText, durationText } from '../../src/cli/render/units';
import { differences, fingerprint } from '../lab/fingerprint';
import { type Lab, startLab } from '../lab/lab';
import { breakWordPress } from '../lab/wordpress';
import { type WorkerProcess, kedge, startWorkerProcess } from './kedge';

interface DemoOptions {
  keep?: boolean;
  crash?: boolean;
  json?: boolean;
}

interface Row {
  step: string;
  ms: number;
  bytes?: number;
  downtimeMs?: number;
}

const SITE = 'gazette.example';
const DESCRIPTION = 'before the update';

const options = new Command('npm run demo --')
  .description('Saves a real WordPress, breaks it, and brings it back, on private servers.')
  .option('--keep', 'leave everything running afterwards, until Ctrl-C')
  .option('--crash', 'kill the worker in the middle of the import, and start it again')
  .option('--json', 'print one last document on standard output')
  .parse()
  .opts<DemoOptions>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const stops: (() => Promise<void>)[] = [];

async function stopAll(): Promise<void> {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
}

async function demo(): Promise<boolean> {
  const rows: Row[] = [];
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<[T, Row]> => {
    const began = Date.now();
    const value = await work();
    const row: Row = { step, ms: Date.now() - began };
    rows.push(row);
    return [value, row];
  };

  const [lab] = await timed('build', () =>
    startLab({ below: join(process.cwd(), 'var/demo'), sites: [SITE], onProgress: (what) => say(`starting ${what}`) }),
  );
  stops.push(() => lab.stop());
  const site = lab.sites[0];
  if (!site) throw new Error('the lab has no site');
  say(`everything lives in ${lab.folder}; Temporal Web UI: ${lab.temporal.uiAddress}`);
  let worker = await startWorkerProcess(lab.environment);
  stops.push(() => worker.stop());

  await run(lab, ['sites', 'adopt', SITE]);
  const saved = await fingerprint(site, lab.nginx.port, lab.mariadb);

  say(`\n$ kedge backup ${SITE} -m "${DESCRIPTION}"`);
  const [backup, backupRow] = await timed('backup', async () =>
    backupResultSchema.parse(await run(lab, ['backup', SITE, '-m', DESCRIPTION, '--json'])),
  );
  backupRow.bytes = backup.backup.bytes;

  say('\nbreaking the site: posts and uploads deleted, a table dropped, wp-config spoiled');
  await timed('break', () => breakWordPress(site, lab.mariadb));
  const broken = differences(saved, await fingerprint(site, lab.nginx.port, lab.mariadb));
  say(`${broken.length} pages, files and tables differ now`);

  say(`\n$ kedge backups ${SITE}`);
  say((await kedge(['backups', SITE], lab.environment)).stdout.trimEnd());

  say(`\n$ kedge restore ${SITE} ${backup.backup.id} --yes`);
  const [restore, restoreRow] = await timed('restore', async () => {
    const restoring = run(lab, ['restore', SITE, backup.backup.id, '--yes', '--json']);
    if (options.crash) worker = await crashInImport(lab, worker);
    return restoreResultSchema.parse(await restoring);
  });
  restoreRow.downtimeMs = restore.downtimeMs;

  const [restored] = await timed('compare', () => fingerprint(site, lab.nginx.port, lab.mariadb));
  const left = differences(saved, restored);
  for (const line of left) say(`differs: ${line}`);
  const count = (part: 'pages' | 'files' | 'tables'): number => Object.keys(restored[part]).length;

  say('');
  for (const row of rows) {
    const size = row.bytes === undefined ? '' : bytesText(row.bytes);
    const downtime = row.downtimeMs === undefined ? '' : `${durationText(row.downtimeMs)} in maintenance`;
    say(`${row.step.padEnd(10)} ${durationText(row.ms).padStart(10)}  ${size.padEnd(10)} ${downtime}`.trimEnd());
  }
  const ok = left.length === 0 && broken.length > 0;
  say(
    `\n${ok ? 'restored equals saved' : 'RESTORED DIFFERS FROM SAVED'}: ${count('pages')} pages, ${count('files')} files, ${count('tables')} tables`,
  );
  say(`Temporal Web UI: ${lab.temporal.uiAddress}`);
  if (options.json) {
    const compared = { pages: count('pages'), files: count('files'), tables: count('tables') };
    process.stdout.write(`${JSON.stringify({ ok, backup, restore, compared }, null, 2)}\n`);
  }
  if (options.keep) {
    say(
      `\nkept running: site at http://${SITE}:${lab.nginx.port}/ (on 127.0.0.1); Ctrl-C ends it. In another terminal:`,
    );
    say(`  export KEDGE_CONFIG=${lab.configuration} TEMPORAL_ADDRESS=${lab.temporal.address}`);
    await new Promise<void>((resolve) => (endKeeping = resolve));
  }
  return ok;
}

/** Runs a command of the product, shows what it says, and returns its JSON document. */
async function run(lab: Lab, args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await kedge(args, lab.environment, (line) => say(`  ${line}`));
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
    await delay(5);
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

let endKeeping: (() => void) | null = null;
let interrupted = false;

function onSignal(): void {
  if (endKeeping) return endKeeping();
  if (interrupted) return;
  interrupted = true;
  say('stopping');
  void stopAll().finally(() => process.exit(130));
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

async function main(): Promise<void> {
  try {
    process.exitCode = (await demo()) ? 0 : 1;
  } catch (error) {
    if (interrupted) return;
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  } finally {
    await stopAll();
  }
}

void main();
