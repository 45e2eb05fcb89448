import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { currentDatabase, get } from '../../scripts/lab/fingerprint';
import type { ErrorCode } from '../../src/contract/error-codes';
import { KedgeClient, type TaskStatus } from '../../src/client';
import type { BackupResult } from '../../src/contract/tasks';
import { connectClient } from '../../src/temporal/connection';
import { kedgeErrorOf } from '../../src/temporal/failures';
import {
  type JournalView,
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  journalsOf,
  shell,
  withWorkerInProcess,
} from '../helpers/e2e';
import { RestorableLab, failing } from '../helpers/failing-restore';
import { inTheImport, inTheProof } from '../helpers/in-the-import';
import { resetRun } from '../helpers/reset-run';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let restorable: RestorableLab;
let lab: Lab;
let site: WordPressSite;
let backup: BackupResult;

beforeAll(async () => {
  restorable = await RestorableLab.start();
  ({ lab, site, backup } = restorable);
});
afterAll(async () => {
  await lab?.stop();
});

const expectAsBefore = (): Promise<void> => restorable.expectAsBefore();

/* More steps: test/full/failures.test.ts. */
it.each<[string, ReturnType<typeof failing>, ErrorCode, boolean]>([
  ['dumpDatabase', failing('databaseServer', 'dump', 'ProgramFailed'), 'ProgramFailed', false],
  ['tarball', failing('archives', 'pack', 'DiskFull'), 'DiskFull', false],
  ['importDatabase', failing('databaseServer', 'importDump', 'ImportFailed'), 'ImportFailed', true],
  // preflight tests the vhost first.
  ['verify, vhost test', failing('webServer', 'test', 'VhostTestFailed', 2), 'VhostTestFailed', true],
  ['switchSite, second rename', failing('host', 'rename', 'FileRefused', 2, 2), 'FileRefused', true],
  ['probeSite', failing('webServer', 'probe', 'Internal'), 'Internal', true],
])('failing for good at %s: the site is as before', async (_step, fault, code, published) => {
  await restorable.expectUndone(fault, code, published);
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
  const { exitCode, stderr } = await withWorkerInProcess(lab, passing, () =>
    cli(lab, 'restore', site.uri, backup.backup.id, '--yes'),
  );
  expect(exitCode).toBe(0);
  // Whoever waits is told for what, until when, and what he can do.
  expect(stderr).toMatch(
    /"Ask for a page" failed: .*\. It is tried again until \d\d:\d\d:\d\d UTC, when the task undoes; `kedge cancel \S+-restore` ends it now/,
  );
  const { body } = await get(lab.nginx.port, site.uri, '/?p=5');
  expect(body.toString()).not.toContain('changed since');
});

it('a step that does not succeed within the maintenance limit: the site is as before, and on', async () => {
  await restorable.look();
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
  await restorable.look();
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

/** What the newest run on the site ends with. */
async function endOf(client: Client): Promise<unknown> {
  const result = client.workflow.getHandle(`site/${site.uri}`).result();
  return result.catch((error: unknown) => kedgeErrorOf(error, site.uri));
}

/** A server that has taken definitions is not asked again. */
const forgetProofs = (): Promise<void> => rm(join(lab.state, 'proofs'), { recursive: true, force: true });

it.each([
  ['an import', inTheImport],
  ['a proof', inTheProof],
])(
  'reset in Temporal in the midst of %s: the task fails as TaskWasReset and everything is undone',
  async (_, midst) => {
    await forgetProofs();
    const client = await connectClient(lab.environment);
    const reset = async (): Promise<void> => void (await resetRun(client, `site/${site.uri}`));
    await withWorkerInProcess(lab, midst(reset), async () => {
      // Whoever waits is told what somebody did, and the task undoes behind that.
      const told = await cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes');
      expect(told).toMatchObject({
        code: 'TaskWasReset',
        exitCode: 1,
        state: expect.stringMatching(/^its new run/) as unknown,
      });
      await until('the task is closed', () => newest()?.outcome?.code === 'TaskWasReset');
      expect(await endOf(client)).toMatchObject({
        code: 'TaskWasReset',
        message: expect.stringContaining('it was reset in Temporal') as unknown,
        hint: expect.stringContaining(
          `Start the task anew: \`kedge restore ${site.uri} ${backup.backup.id}\``,
        ) as unknown,
        state: 'the site is as it was before',
      });
    });
    await client.connection.close();
    await expectAsBefore();
  },
);

it.each(['last', 'first'] as const)(
  'a restore that has ended, reset to the %s of its workflow tasks: the new run changes nothing, and says what to do',
  async (to) => {
    const client = await connectClient(lab.environment);
    await withWorkerInProcess(
      lab,
      (real) => real,
      async () => {
        await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes');
        await lab.mariadb.query(
          `UPDATE \`${await currentDatabase(site)}\`.wp_posts SET post_title = 'changed since' WHERE ID = 5`,
        );
        await restorable.look();
        await resetRun(client, `site/${site.uri}`, to);
        expect(await endOf(client)).toMatchObject({
          code: 'TaskWasReset',
          hint: expect.stringContaining('Start the task anew') as unknown,
          state: 'the task was over, and the site is as that left it',
        });
      },
    );
    await client.connection.close();
    await expectAsBefore();
  },
);

it('the settings file keeps its mode through a failed restore', async () => {
  expect(shell('stat', '-c', '%a %U', join(site.root, 'wp-config.php')).trim()).toBe('640 www-data');
  expect(await readFile(join(site.root, 'wp-config.php'), 'utf8')).toContain("define('AUTH_KEY', 'kept as it is')");
});
