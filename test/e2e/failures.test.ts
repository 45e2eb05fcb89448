import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { type ErrorCode } from '../../src/contract/error-codes';
import { KedgeError } from '../../src/contract/errors';
import { SAFETY_DESCRIPTION } from '../../src/contract/names';
import type { BackupResult } from '../../src/contract/tasks';
import { KedgeClient, type TaskStatus } from '../../src/client';
import { connectClient } from '../../src/temporal/connection';
import {
  type JournalView,
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  journalsOf,
  leftovers,
  shell,
  startLab,
  until,
  withWorkerInProcess,
} from '../helpers/e2e';
import { inTheImport } from '../helpers/in-the-import';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let backup: BackupResult;
let before: Fingerprint;
let leftBefore: Record<string, string[]>;

const asIs = (dependencies: ActivityDependencies): ActivityDependencies => dependencies;

beforeAll(async () => {
  lab = await startLab({ below: null, sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  await cliJson(lab, 'sites', 'adopt', site.uri);
  backup = await withWorkerInProcess(lab, asIs, () => cliJson<BackupResult>(lab, 'backup', site.uri));
  // What the site is now is not what the backup holds.
  await lab.mariadb.query(`UPDATE \`${site.database}\`.wp_posts SET post_title = 'changed since' WHERE ID = 5`);
  shell('mkdir', '-p', join(lab.folder, 'srv/.kedge'));
  shell('chmod', '700', join(lab.folder, 'srv/.kedge'));
  shell('mkdir', '-p', join(lab.state, 'spool'));
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  leftBefore = await leftovers(lab);
});
afterAll(async () => {
  await lab?.stop();
});

/** Fails the n-th call of a method of one of the parts, for good. */
function failing(
  part: 'databaseServer' | 'archives' | 'kindOf' | 'webHost' | 'webServer',
  method: string,
  code: ErrorCode,
  from = 1,
  to = Number.POSITIVE_INFINITY,
) {
  let calls = 0;
  const wrap = <T extends object>(real: T): T =>
    new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== method) return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        return async (...args: unknown[]): Promise<unknown> => {
          calls += 1;
          if (calls >= from && calls <= to) throw new KedgeError(code, `${method} was made to fail`);
          return (await Reflect.apply(value, target, args)) as unknown;
        };
      },
    });
  return (real: ActivityDependencies): ActivityDependencies => ({
    ...real,
    ...(part === 'archives' ? { archives: wrap(real.archives) } : {}),
    ...(part === 'databaseServer'
      ? { databaseServer: async (address) => wrap(await real.databaseServer(address)) }
      : {}),
    ...(part === 'kindOf' ? { kindOf: (target) => wrap(real.kindOf(target)) } : {}),
    ...(part === 'webHost' ? { webHost: (target) => wrap(real.webHost(target)) } : {}),
    ...(part === 'webServer' ? { webServer: (address) => wrap(real.webServer(address)) } : {}),
  });
}

async function expectAsBefore(): Promise<void> {
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
  expect(await leftovers(lab)).toEqual(leftBefore);
}

it.each<[string, ReturnType<typeof failing>, ErrorCode, boolean]>([
  ['dumpDatabase', failing('databaseServer', 'dump', 'ProgramFailed'), 'ProgramFailed', false],
  ['tarball', failing('archives', 'pack', 'DiskFull'), 'DiskFull', false],
  ['deploy', failing('archives', 'extract', 'ArchiveInvalid'), 'ArchiveInvalid', true],
  ['importDatabase', failing('databaseServer', 'importDump', 'ImportFailed'), 'ImportFailed', true],
  ['createDbUser', failing('databaseServer', 'copyAccountOptions', 'DatabaseRefused'), 'DatabaseRefused', true],
  ['verify', failing('kindOf', 'writeSettings', 'SettingsInvalid'), 'SettingsInvalid', true],
  // preflight tests the vhost first.
  ['verify, vhost test', failing('webServer', 'test', 'VhostTestFailed', 2), 'VhostTestFailed', true],
  ['switchSite, second rename', failing('webHost', 'rename', 'FileRefused', 2, 2), 'FileRefused', true],
  ['reloadWebServer', failing('webServer', 'writeVhost', 'VhostTestFailed'), 'VhostTestFailed', true],
  ['probeSite', failing('webServer', 'probe', 'Internal'), 'Internal', true],
])('failing for good at %s: the site is as before', async (_step, fault, code, published) => {
  const known = new Set(
    (await cliJson<{ backups: { id: string }[] }>(lab, 'backups', site.uri)).backups.map(({ id }) => id),
  );
  const failure = await withWorkerInProcess(lab, fault, () =>
    cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  expect(failure).toMatchObject({
    code,
    exitCode: failure.exitCode,
    site: site.uri,
    state: 'the site is as it was before',
  });
  expect(failure.exitCode).toBe(1);
  await expectAsBefore();
  const { backups } = await cliJson<{ backups: { id: string; description: string }[] }>(lab, 'backups', site.uri);
  const made = backups.filter(({ id }) => !known.has(id));
  expect(made.map(({ description }) => description)).toEqual(published ? [SAFETY_DESCRIPTION] : []);
  if (published) expect(failure.safetyBackup).toBe(made[0]?.id);
});

const newest = (): JournalView | undefined => journalsOf(lab, 'restore').at(-1);

it('its bytes are seen while it imports; cancelled there: the client is gone, the site is as before, exit code 130', async () => {
  const client = await connectClient(lab.environment);
  const kedge = new KedgeClient(client, 'lab');
  const cancel = inTheImport(async (_server, _dump, _database, _user, _password, operation) => {
    operation.progress({ bytes: 1234 });
    const running = (): Promise<TaskStatus> => kedge.task(site.uri, newest()?.task ?? '').status();
    await until('the heartbeat brings its bytes', async () => {
      const { steps } = await running();
      return steps.some(({ step, progress }) => step === 'importDatabase' && progress.bytes === 1234);
    });
    await cliJson(lab, 'cancel', site.uri);
    await until('the cancellation arrives', () => operation.signal.aborted);
  });
  const failure = await withWorkerInProcess(lab, cancel, () =>
    cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  await client.connection.close();
  expect(failure).toMatchObject({ code: 'Cancelled', exitCode: 130 });
  await expectAsBefore();
});

it('a step that fails twice, then works: the restore succeeds', async () => {
  const passing = failing('webServer', 'probe', 'ProbeFailed', 1, 2);
  const { exitCode } = await withWorkerInProcess(lab, passing, () =>
    cli(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  expect(exitCode).toBe(0);
  const { body } = await get(lab.nginx.port, site.uri, '/?p=5');
  expect(body.toString()).not.toContain('changed since');
});

it('a step that does not succeed within the maintenance limit: the site is as before, and on', async () => {
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  leftBefore = await leftovers(lab);
  const configuration = await readFile(lab.configuration, 'utf8');
  await writeFile(
    lab.configuration,
    configuration.replace('vhost: managed', 'vhost: managed\n    maintenanceLimit: 6s'),
  );
  const failure = await withWorkerInProcess(lab, failing('webServer', 'probe', 'ProbeFailed'), () =>
    cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  await writeFile(lab.configuration, configuration);
  expect(failure).toMatchObject({
    code: 'MaintenanceLimitReached',
    exitCode: 1,
    state: 'the site is as it was before',
  });
  await expectAsBefore();
});

it('terminated in Temporal while a step goes on acting: recovery waits for it, then puts the site back', async () => {
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  leftBefore = await leftovers(lab);
  const client = await connectClient(lab.environment);
  const undone = (): boolean =>
    /"event":"done".*"step":"discardDatabase"/.test(
      readFileSync(join(lab.state, 'tasks', `${newest()?.task}.ndjson`), 'utf8'),
    );
  const linger = inTheImport(async (server, _dump, database, _user, _password, { signal }) => {
    await client.workflow.getHandle(`site/${site.uri}`).terminate('pressed in the test');
    // A statement that was on its way when the attempt was given up.
    await until('the attempt is told, or undo went past it', () => signal.aborted || undone());
    await server.createDatabase(database, 'utf8mb4', 'utf8mb4_general_ci');
  });
  await withWorkerInProcess(lab, linger, async () => {
    const failure = await cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes');
    expect(failure).toMatchObject({ code: 'TaskTerminated', exitCode: 1 });
    await until('the task is closed', () => newest()?.outcome?.status === 'recovered');
    // The workflow of the recovery ends a moment later.
    await cliJson(lab, 'verify', site.uri, '--wait-turn');
  });
  await client.connection.close();
  await expectAsBefore();
});

it('reset in Temporal: the task fails as TaskWasReset and everything is undone', async () => {
  const client = await connectClient(lab.environment);
  const reset = async (): Promise<void> => {
    const { workflowId, runId, raw } = await client.workflow.getHandle(`site/${site.uri}`).describe();
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace: 'default',
      execution: { workflowId, runId },
    });
    const completed = history?.events?.filter((event) => event.workflowTaskCompletedEventAttributes).at(-1)?.eventId;
    await client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId, runId },
      reason: 'pressed in the test',
      requestId: `reset-${raw.workflowExecutionInfo?.execution?.runId}`,
      workflowTaskFinishEventId: completed ?? null,
    });
  };
  await withWorkerInProcess(lab, inTheImport(reset), async () => {
    await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
    await until('the task is closed', () => newest()?.outcome?.code === 'TaskWasReset');
  });
  await client.connection.close();
  await expectAsBefore();
});

it('the settings file keeps its mode through a failed restore', async () => {
  expect(shell('stat', '-c', '%a %U', join(site.root, 'wp-config.php')).trim()).toBe('640 www-data');
  expect(await readFile(join(site.root, 'wp-config.php'), 'utf8')).toContain("define('AUTH_KEY', 'kept as it is')");
});
