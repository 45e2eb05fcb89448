import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { version } from '../../package.json';
import { type WorkerProcess, kedge, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, differences, fingerprint } from '../../scripts/lab/fingerprint';
import { KedgeClient } from '../../src/client';
import { backupRecordSchema } from '../../src/contract/backup-record';
import { siteUriSchema } from '../../src/contract/target';
import { backupResultSchema, restoreResultSchema, verifyResultSchema } from '../../src/contract/tasks';
import { taskQueueOf } from '../../src/contract/names';
import { type Lab, type WordPressSite, cli, journalsOf, leftovers, startLab } from '../helpers/e2e';
import { type RunningProcess, startCommand, startHoldingWorker, startOnTerminal } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(180_000);

const SITE = 'gazette.example';
let lab: Lab;
let site: WordPressSite;
let worker: WorkerProcess | null;

beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  site = lab.sites[0] as WordPressSite;
  worker = await startWorkerProcess(lab.environment);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

/** The one document a command prints with --json, which is of this form and nothing more. */
async function documentOf<T>(schema: z.ZodType<T>, ...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await cli(lab, ...args, '--json');
  if (exitCode !== 0) throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return schema.parse(JSON.parse(stdout));
}

const instant = z.iso.datetime();
const task = z.strictObject({
  task: z.string(),
  site: siteUriSchema,
  type: z.enum(['backup', 'restore', 'verify']),
  who: z.string(),
  description: z.string().nullable(),
  started: instant,
  status: z.enum(['running', 'undoing', 'done', 'failed', 'cancelled', 'recovered']),
  step: z.string().nullable(),
  code: z.string().nullable(),
  durationMs: z.int(),
  paused: z.array(
    z.strictObject({
      ...{ step: z.string(), by: z.string().nullable() },
      ...{ why: z.string().nullable(), since: instant.nullable() },
    }),
  ),
});
const tasks = z.strictObject({ tasks: z.array(task) });
const logLine = z.looseObject({
  time: instant,
  level: z.enum(['info', 'warning', 'error']),
  step: z.string(),
  attempt: z.int(),
  message: z.string(),
});
const detached = z.strictObject({ task: z.string(), site: siteUriSchema, detached: z.literal(true) });
const error = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    site: z.string().optional(),
    server: z.string().optional(),
    state: z.string().optional(),
    safetyBackup: z.string().optional(),
  }),
});
const backups = z.strictObject({
  backups: z.array(backupRecordSchema),
  strays: z.array(z.strictObject({ file: z.string(), problem: z.string() })),
});

it('each command prints one document of its form', async () => {
  const account = z.strictObject({ user: z.string(), hosts: z.array(z.string()) });
  await documentOf(z.strictObject({ site: siteUriSchema, database: z.string(), account }), 'sites', 'adopt', SITE);
  const { sites } = await documentOf(
    z.strictObject({
      sites: z.array(
        z.strictObject({
          site: siteUriSchema,
          kind: z.string(),
          root: z.string(),
          paths: z.record(z.string(), z.string()),
          adopted: z.boolean(),
          lastBackup: instant.nullable(),
        }),
      ),
    }),
    'sites',
  );
  expect(sites).toEqual([
    { site: SITE, kind: 'wordpress', root: site.root, paths: {}, adopted: true, lastBackup: null },
  ]);
  const shown = await documentOf(
    z.strictObject({
      site: z.looseObject({ uri: siteUriSchema }),
      database: z.looseObject({ database: z.string(), account, madeByKedge: z.boolean() }),
      kept: z.array(z.unknown()),
      originals: z.array(z.unknown()),
      web: z.string(),
    }),
    ...['sites', 'show', SITE],
  );
  expect(JSON.stringify(shown)).not.toContain(site.password.slice(0, 10));
  await documentOf(z.strictObject({ path: z.literal(lab.configuration), sites: z.literal(1) }), 'config', 'check');
  await documentOf(z.looseObject({ $schema: z.string(), properties: z.looseObject({}) }), 'config', 'schema');

  const made = await documentOf(backupResultSchema, 'backup', SITE, '-m', 'one');
  await documentOf(verifyResultSchema, 'verify', SITE);
  const listed = await documentOf(backups, 'backups', SITE);
  expect(listed.backups.map(({ id }) => id)).toEqual([made.backup.id]);
  await documentOf(backupRecordSchema.extend({ path: z.literal(made.backup.path) }), 'backups', 'show', made.backup.id);
  const restored = await documentOf(restoreResultSchema, 'restore', SITE, 'latest', '--yes');
  expect(restored.restored).toBe(made.backup.id);

  const all = await documentOf(tasks, 'tasks', SITE);
  expect(all.tasks.map(({ type }) => type)).toEqual(['restore', 'verify', 'backup']);
  expect((await documentOf(tasks, 'tasks', '--limit', '1')).tasks).toEqual([all.tasks[0]]);
  const log = await documentOf(z.strictObject({ task: z.string(), lines: z.array(logLine).min(10) }), 'log', SITE);
  expect(log.task).toBe(restored.task);
  const followed = await cli(lab, 'log', '-f', restored.task, '--json');
  const lines = followed.stdout
    .trim()
    .split('\n')
    .map((line) => logLine.parse(JSON.parse(line)));
  expect(lines).toEqual(log.lines);

  const deleted = await documentOf(
    z.strictObject({ deleted: z.array(z.string()) }),
    ...['backups', 'delete', restored.safetyBackup, '--yes'],
  );
  expect(deleted.deleted).toEqual([restored.safetyBackup]);
  const failed = await cli(lab, 'backups', 'show', restored.safetyBackup, '--json');
  expect(error.parse(JSON.parse(failed.stdout)).error.code).toBe('BackupUnknown');
  expect(failed.exitCode).toBe(10);
});

it('says much or little, without colours where nobody looks', async () => {
  expect(await cli(lab, '--version')).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
  const plain = await cli(lab, 'verify', SITE);
  expect(plain.stdout).toBe(`${SITE} answers 200: all is well\n`);
  expect(plain.stderr).toMatch(/^✓ Check everything that can be known before +\d/m);
  expect(`${plain.stdout}${plain.stderr}`).not.toContain('\u001b');
  const quiet = await cli(lab, 'verify', SITE, '-q');
  expect(quiet).toMatchObject({ exitCode: 0, stdout: plain.stdout, stderr: '' });
  const failing = await cli(lab, 'backups', 'show', 'x', '-v');
  expect(failing.stderr).toMatch(/^error: .*\n {2}hint: .*\nKedgeError: [^]*\n {4}at /);
  const coloured = startOnTerminal(lab, ['backups', 'show', 'x']);
  expect(await coloured.end()).toBe(10);
  expect(coloured.stdout).toContain('\u001b[31merror:');
  const bare = startOnTerminal(lab, ['backups', 'show', 'x'], { NO_COLOR: '1' });
  expect(await bare.end()).toBe(10);
  expect(bare.stdout).not.toContain('\u001b');
});

it('a backup with warnings is done, and ends with exit code 3', async () => {
  await lab.mariadb.query(`CREATE TABLE \`${await currentDatabaseOf()}\`.wp_old (id INT) ENGINE=MyISAM`);
  const { exitCode, stdout, stderr } = await cli(lab, 'backup', SITE, '-m', 'with a warning', '--json');
  expect(exitCode).toBe(3);
  const { warnings, backup } = backupResultSchema.parse(JSON.parse(stdout));
  expect(warnings.join()).toContain('wp_old');
  expect(stderr).toMatch(/^warning: .*wp_old/m);
  // What was said of a table is said once, also every night; the record of each backup says it.
  const next = await documentOf(backupResultSchema, 'backup', SITE, '-m', 'the night after');
  expect(next.warnings).toEqual([]);
  const record = await documentOf(z.looseObject({ warnings: z.array(z.string()) }), 'backups', 'show', next.backup.id);
  expect(record.warnings.join()).toContain('wp_old');
  expect((await cli(lab, 'backups', 'delete', next.backup.id, '--yes', '-q')).exitCode).toBe(0);
  await lab.mariadb.query(`DROP TABLE \`${await currentDatabaseOf()}\`.wp_old`);
  expect((await cli(lab, 'backups', 'delete', backup.id, '--yes', '-q')).exitCode).toBe(0);
});

it("on a terminal a restore shows the list 'Date/time - Reason', newest first, and restores what was chosen", async () => {
  await documentOf(backupResultSchema, 'backup', SITE, '-m', 'two');
  await lab.mariadb.query(`CREATE TABLE \`${await currentDatabaseOf()}\`.wp_added (id INT)`);
  const restoring = startOnTerminal(lab, ['restore', SITE]);
  await restoring.said(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC - two[^]*UTC - one/);
  restoring.child.stdin?.write('\u001b[B\r');
  await restoring.said(/Replace gazette\.example by its state of .* - one\?/);
  restoring.child.stdin?.write('y\r');
  expect(await restoring.end()).toBe(0);
  const { backups: listed } = await documentOf(backups, 'backups', SITE);
  const one = listed.find(({ description }) => description === 'one');
  expect(restoring.stdout).toContain(`Restored ${SITE} to ${one?.id}`);
  expect(await lab.mariadb.query(`SHOW TABLES FROM \`${await currentDatabaseOf()}\` LIKE 'wp_added'`)).toBe('');

  // The safety backup is the newest, and what nobody wants to go back to who says latest.
  expect(listed[0]?.trigger).toBe('restore');
  expect((await cli(lab, 'backups', SITE)).stdout).toMatch(
    new RegExp(`^${listed[0]?.id} .* safety backup\n${listed[1]?.id} .*[^p]$`, 'm'),
  );
  const plan = await documentOf(z.looseObject({ backup: z.string() }), 'restore', SITE, 'latest', '--dry-run');
  expect(plan.backup).toBe(listed.find(({ description }) => description === 'two')?.id);
  const again = startOnTerminal(lab, ['restore', SITE]);
  await again.said(/UTC - two[^]*UTC - one[^]*safety backups, of states that were replaced:[^]*Generated before/);
  again.child.kill('SIGINT');
  await again.end();
});

it('a backup that the server would not take back is told apart in every list, and is never the latest', async () => {
  const database = await currentDatabaseOf();
  await lab.mariadb.query(
    `CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (a INT); CREATE VIEW \`${database}\`.wp_peeks AS SELECT * FROM elsewhere.t`,
  );
  const { backups: good } = await documentOf(backups, 'backups', SITE);
  const made = await cli(lab, 'backup', SITE, '-m', 'of no use', '--json');
  const { warnings, backup } = backupResultSchema.parse(JSON.parse(made.stdout));
  expect({ exitCode: made.exitCode, unproven: backup.unproven }).toEqual({ exitCode: 3, unproven: true });
  expect(warnings[0]).toMatch(/^this backup could not be restored here: .*denied/);

  const marked = backups.extend({ backups: z.array(backupRecordSchema.extend({ unproven: z.boolean().optional() })) });
  const listed = await documentOf(marked, 'backups', SITE);
  expect(listed.backups.map(({ id, unproven }) => [id, unproven])).toEqual([
    [backup.id, true],
    ...good.map(({ id }) => [id, undefined]),
  ]);
  expect((await cli(lab, 'backups', SITE)).stdout).toMatch(
    new RegExp(`^${backup.id} .* - of no use \\(could not be restored here\\)`, 'm'),
  );
  const client = await KedgeClient.connect('lab', lab.environment);
  try {
    const { backups: told } = await client.listBackups({ site: SITE, limit: 2 });
    expect(told.map(({ unproven }) => unproven)).toEqual([true, undefined]);
  } finally {
    await client.close();
  }

  const latest = await cli(lab, 'restore', SITE, 'latest', '--dry-run', '--json');
  expect(latest.stderr).toContain(`${backup.id} is passed over: the database server did not take its definitions`);
  const asked = good.filter(({ trigger }) => trigger !== 'restore');
  expect(z.looseObject({ backup: z.string() }).parse(JSON.parse(latest.stdout)).backup).toBe(asked[0]?.id);
  const byId = await cli(lab, 'restore', SITE, backup.id, '--dry-run', '--json');
  expect(error.parse(JSON.parse(byId.stdout)).error.code).toBe('DumpIncompatible');
  await cli(lab, 'backups', 'delete', ...asked.map(({ id }) => id), '--yes');
  const none = await cli(lab, 'restore', SITE, 'latest', '--yes', '--json');
  expect(error.parse(JSON.parse(none.stdout)).error).toMatchObject({
    code: 'BackupUnknown',
    message: `there is no good backup of ${SITE} that somebody asked for`,
  });
  await lab.mariadb.query(`DROP VIEW \`${database}\`.wp_peeks; DROP DATABASE elsewhere`);
});

async function currentDatabaseOf(): Promise<string> {
  const shown = await documentOf(
    z.looseObject({ database: z.looseObject({ database: z.string() }) }),
    'sites',
    'show',
    SITE,
  );
  return shown.database.database;
}

describe('a service in a package of its own', () => {
  it('compiles against the types, runs tasks, and is told typed errors', async () => {
    const folder = join(lab.folder, 'service');
    await mkdir(join(folder, 'node_modules'), { recursive: true });
    const project = join(__dirname, '../..');
    await symlink(project, join(folder, 'node_modules/kedge'));
    await writeFile(join(folder, 'package.json'), '{ "name": "service", "type": "commonjs" }');
    await writeFile(join(folder, 'service.ts'), SERVICE);
    const run = promisify(execFile);
    const options = [
      '--strict',
      // Temporal's own declarations lack those of a package they import.
      '--skipLibCheck',
      '--target',
      'es2023',
      '--module',
      'node20',
      '--types',
      'node',
      '--typeRoots',
      join(project, 'node_modules/@types'),
    ];
    const tsc = join(project, 'node_modules/.bin/tsc');
    await run(tsc, [...options, 'service.ts'], { cwd: folder }).catch((error: { stdout: string }) => {
      throw new Error(error.stdout);
    });
    const { stdout } = await run(process.execPath, ['service.js'], {
      cwd: folder,
      env: { ...process.env, ...lab.environment },
    });
    const told = z
      .strictObject({
        id: z.string(),
        newest: z.string(),
        steps: z.array(z.string()),
        refused: z.unknown(),
        ended: z.string(),
      })
      .parse(JSON.parse(stdout));
    expect(told.newest).toBe(told.id);
    expect(told.steps).toEqual(expect.arrayContaining(['preflight', 'dumpDatabase', 'tarball', 'publishBackup']));
    expect(told.refused).toEqual(['SiteUnknown', 10, true]);
    expect(['Cancelled', 'done']).toContain(told.ended);
    // A page waits for lines: no workflow a look.
    const { temporal } = await KedgeClient.connect('lab', lab.environment);
    const pages = await temporal.workflow.count("WorkflowType = 'readTaskLog'");
    await temporal.connection.close();
    expect(pages.count).toBeGreaterThan(0);
    expect(pages.count).toBeLessThan(7);
    // What does not belong there is found by the compiler.
    await writeFile(join(folder, 'wrong.ts'), SERVICE.replace("description: 'by a service'", 'description: 5'));
    await expect(run(tsc, [...options, '--noEmit', 'wrong.ts'], { cwd: folder })).rejects.toMatchObject({
      stdout: expect.stringContaining("'number' is not assignable to type 'string'") as unknown,
    });
  });

  it('may start a workflow by Temporal alone', async () => {
    const { temporal } = await KedgeClient.connect('lab', lab.environment);
    try {
      const result: unknown = await temporal.workflow.execute('backup', {
        workflowId: `site/${SITE}`,
        taskQueue: taskQueueOf('lab'),
        args: [{ site: SITE, description: 'by hand' }],
      });
      expect(backupResultSchema.parse(result).backup.description).toBe('by hand');
    } finally {
      await temporal.connection.close();
    }
  });
});

const SERVICE = `import { ERROR_CODES, KedgeClient, KedgeError, type BackupResult, type TaskHandle } from 'kedge';

async function main(): Promise<void> {
  const kedge = await KedgeClient.connect('lab');
  const task: TaskHandle<BackupResult> = await kedge.backup({ site: '${SITE}', description: 'by a service' });
  const steps = new Set<string>();
  for await (const line of task.log()) steps.add(String(line['step']));
  const { backup } = await task.result();
  const { backups } = await kedge.listBackups({ site: '${SITE}', limit: 1 });
  const refused = await kedge
    .backup({ site: 'nowhere.example' })
    .then((other) => other.result())
    .catch((error: unknown) => (error instanceof KedgeError ? [error.code, ERROR_CODES[error.code].exit, error.permanent] : String(error)));
  const cancelled = await kedge.backup({ site: '${SITE}' });
  await cancelled.cancel();
  const ended = await cancelled.result().then(
    () => 'done',
    (error: unknown) => (error instanceof KedgeError ? error.code : String(error)),
  );
  console.log(JSON.stringify({ id: backup.id, newest: backups[0]?.id, steps: [...steps], refused, ended }));
  await kedge.close();
}

void main();
`;

describe('while a task runs', () => {
  let holding: RunningProcess;
  let before: Fingerprint;
  let leftBefore: Record<string, string[]>;
  beforeAll(async () => {
    await worker?.stop();
    worker = null;
    holding = await startHoldingWorker(lab);
    before = await fingerprint(site, lab.nginx.port, lab.mariadb);
    leftBefore = await leftovers(lab);
  });
  afterAll(async () => {
    await holding.end('SIGTERM');
  });
  beforeEach(() => {
    holding.stderr = '';
  });

  it('Ctrl-C without a terminal cancels: exit code 130, the site as before', async () => {
    const command = startCommand(lab, ['backup', SITE, '--quiesce', '--json']);
    await holding.said('holding');
    command.signal('SIGINT');
    expect(await command.end()).toBe(130);
    expect(error.parse(JSON.parse(command.stdout)).error).toMatchObject({ code: 'Cancelled', site: SITE });
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    expect(await leftovers(lab)).toEqual(leftBefore);
  });

  it('SIGTERM detaches; the log is followed to the end; cancel ends the task', async () => {
    const command = startCommand(lab, ['backup', SITE, '--json']);
    await holding.said('holding');
    await command.said('Dump the database');
    command.signal('SIGTERM');
    expect(await command.end()).toBe(0);
    const left = detached.parse(JSON.parse(command.stdout));
    expect((await documentOf(tasks, 'tasks', SITE)).tasks[0]).toMatchObject({
      task: left.task,
      status: 'running',
      step: 'tarball',
    });

    const follow = startCommand(lab, ['log', '-f', SITE, '--json']);
    await follow.said('"step":"tarball"');
    await documentOf(z.strictObject({ task: z.literal(left.task), cancelling: z.literal(true) }), 'cancel', SITE);
    expect(await follow.end()).toBe(0);
    const lines = follow.stdout
      .trim()
      .split('\n')
      .map((line) => logLine.parse(JSON.parse(line)));
    expect(lines.at(-1)).toMatchObject({ step: 'closeTask', message: expect.stringContaining('cancelled') as unknown });
    expect(await leftovers(lab)).toEqual(leftBefore);
  });

  it('Ctrl-C on a terminal asks: wait, then detach; and the task goes on', async () => {
    const command = startOnTerminal(lab, ['backup', SITE]);
    await holding.said('holding');
    command.child.stdin?.write('\u0003');
    await command.said('What now?');
    command.child.stdin?.write('\r');
    await command.said('goes on; see');
    expect(await command.end()).toBe(0);
    const running = journalsOf(lab).find(({ outcome }) => outcome === null);
    holding.signal('SIGUSR1');
    await until('the task has ended', () => {
      const journal = journalsOf(lab).find((one) => one.task === running?.task);
      return journal?.outcome?.status === 'done';
    });
  });

  it('the first Ctrl-C of a restore on a terminal asks as well: cancel', async () => {
    const command = startOnTerminal(lab, ['restore', SITE, 'latest']);
    await command.said('A new backup is made first.');
    command.child.stdin?.write('y\r');
    await holding.said('holding');
    command.child.stdin?.write('\u0003');
    await command.said('What now?');
    command.child.stdin?.write('\u001b[B\r');
    expect(await command.end()).toBe(130);
    expect(command.stdout).toMatch(/Undo:[^]*Unlock the account of the site[^]*Put maintenance back as it was/);
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  });

  it('Ctrl-C at the question of a restore: nothing was done, exit code 130', async () => {
    const command = startOnTerminal(lab, ['restore', SITE, 'latest']);
    await command.said('A new backup is made first.');
    command.child.stdin?.write('\u0003');
    expect(await command.end()).toBe(130);
    expect(command.stdout).toContain('nothing was done');
  });

  it('--detach prints the task and returns', async () => {
    const left = await documentOf(detached, 'backup', SITE, '--detach');
    await holding.said('holding');
    holding.signal('SIGUSR1');
    const followed = await kedge(['log', '-f', left.task], lab.environment);
    expect(followed.exitCode).toBe(0);
    expect(followed.stdout).toMatch(/closeTask: done\n$/);
  });
});
