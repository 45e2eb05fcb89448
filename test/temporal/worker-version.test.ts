import { readFileSync } from 'node:fs';
import type { WorkflowHandle } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection } from '@temporalio/worker';
import { taskQueueOf } from '../../src/contract/names';
import { runChecks } from '../../src/core/doctor/run-checks';
import { TEMPORAL_CHECKS } from '../../src/temporal/checks';
import { describeQueue, workerPolls } from '../../src/temporal/pollers';
import { TaskWorkers } from '../../src/temporal/task-workers';
import { WorkerVersioning, deploymentOf, workerVersionOf } from '../../src/temporal/worker-version';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { FakeActivities } from '../helpers/fake-activities';
import { testOperation } from '../helpers/operation';
import { until } from '../helpers/until';
import { WORKFLOW_BUNDLE, startWorkflowEnvironment } from '../helpers/workflow-environment';

const NAMESPACE = 'default';
let environment: TestWorkflowEnvironment;
const started: StartedWorker[] = [];
let masters = 0;
/** Each test has a master of its own; its name has what deployments may not have in theirs. */
let master: string;

beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(() => environment?.teardown());
beforeEach(() => {
  masters += 1;
  master = `backup${masters}.example`;
});
afterEach(async () => {
  for (const worker of started.splice(0)) await worker.stop();
});

interface StartedWorker {
  readonly versioning: WorkerVersioning;
  /** What an administrator is told. */
  readonly said: string[];
  stop(): Promise<void>;
}

/** A worker of the master that polls, on the built workflow bundle. Null: one without a version. */
async function startWorker(build: string | null, fake: FakeActivities): Promise<StartedWorker> {
  const version = build === null ? null : versionOf(build);
  // The SDK lets two workers of one version on one queue be only where each has its own.
  const connection = await NativeConnection.connect({ address: environment.address });
  const worker = await TaskWorkers.create({
    ...{ connection, namespace: NAMESPACE, taskQueue: taskQueueOf(master), version },
    workflowBundle: { code: readFileSync(WORKFLOW_BUNDLE, 'utf8') },
    activities: fake.implementation(),
    interceptors: {},
    identity: `worker ${build}`,
  });
  const running = worker.run();
  const said: string[] = [];
  const one: StartedWorker = {
    versioning: versioningOf(version, said),
    said,
    async stop() {
      worker.shutDown();
      await running;
      await connection.close().catch(() => undefined);
    },
  };
  started.push(one);
  return one;
}

function versionOf(build: string): WorkerDeploymentVersion {
  return { deploymentName: deploymentOf(master), buildId: build };
}

function versioningOf(
  version: WorkerDeploymentVersion | null,
  said: string[] = [],
  limitMs = 60_000,
): WorkerVersioning {
  return new WorkerVersioning(
    environment.client,
    { namespace: NAMESPACE, master, version },
    (text) => said.push(text),
    limitMs,
  );
}

const makeCurrent = (worker: StartedWorker): Promise<void> =>
  worker.versioning.makeCurrent(new AbortController().signal);

/** A restore under way: it is at `deploy`, which ends in whichever worker has it next. */
async function restoreUnderWay(fake: FakeActivities): Promise<WorkflowHandle> {
  fake.set('deploy', { lostTimes: 1 });
  const handle = await environment.client.workflow.start('restore', {
    workflowId: `site/${master}`,
    taskQueue: taskQueueOf(master),
    args: [{ site: master, backup: `${master}-20261124.031502` }],
  });
  await fake.began('deploy');
  return handle;
}

/** What doctor says of the worker. */
async function complaints(): Promise<string[]> {
  const checks = TEMPORAL_CHECKS.filter(({ check }) => check === 'temporal-worker');
  const subject = {
    ...{ client: environment.client, namespace: NAMESPACE, taskQueue: taskQueueOf(master) },
    ...{ address: '127.0.0.1:1', tls: false, sites: [], master, schedules: [] },
  };
  const open = checks.map(({ after: _after, ...check }) => check);
  return (await runChecks(open, subject, {}, testOperation())).map(({ message }) => message);
}

const currentBuild = async (): Promise<string | null> =>
  (await describeQueue(environment.client, NAMESPACE, taskQueueOf(master))).current?.buildId ?? null;

it('a restore that the old version began goes on under the new one, which has made itself current, once the old one ends', async () => {
  const fake = new FakeActivities();
  const old = await startWorker('old', fake);
  await makeCurrent(old);
  const restore = await restoreUnderWay(fake);
  const next = await startWorker('new', fake);
  await makeCurrent(next);
  await old.stop();
  expect(await restore.result()).toMatchObject({ restored: `${master}-20261124.031502` });
  const { raw } = await restore.describe();
  expect(raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId).toBe('new');
});

it('while the new one has not made itself current nobody is given the restore, and doctor says so', async () => {
  const fake = new FakeActivities();
  const old = await startWorker('old', fake);
  await makeCurrent(old);
  const restore = await restoreUnderWay(fake);
  const next = await startWorker('new', fake);
  await until('the new one polls', async () =>
    (await describeQueue(environment.client, NAMESPACE, taskQueueOf(master))).pollers.some(
      ({ version }) => version?.buildId === 'new',
    ),
  );
  await old.stop();
  await until('the old one is gone', async () => fake.running.size === 0);
  // Temporal lists the dead one for a while: it calls itself by no process here.
  expect(await currentBuild()).toBe('old');
  expect((await restore.describe()).status.name).toBe('RUNNING');
  await makeCurrent(next);
  expect(await restore.result()).toMatchObject({ restored: expect.any(String) as unknown });
});

it('before it has made itself current a worker that polls counts as none', async () => {
  const worker = await startWorker('first', new FakeActivities());
  await until('it polls', async () => (await complaints()).some((text) => text.includes('worker first')));
  expect(await complaints()).toEqual([
    `no worker takes tasks from kedge/${master}: they go to workers without a version, of which none runs, and worker first is given none`,
  ]);
  expect(await workerPolls(environment.client, NAMESPACE, taskQueueOf(master))).toBe(false);
  await makeCurrent(worker);
  expect(await complaints()).toEqual([]);
  expect(await workerPolls(environment.client, NAMESPACE, taskQueueOf(master))).toBe(true);
});

it('two workers of one version, which begin at once, serve together, and one of them alone', async () => {
  const fake = new FakeActivities();
  const [one, other] = await Promise.all([startWorker('same', fake), startWorker('same', fake)]);
  await Promise.all([makeCurrent(one), makeCurrent(other)]);
  expect(await currentBuild()).toBe('same');
  const restore = await restoreUnderWay(fake);
  await one.stop();
  // Whichever of them had it.
  await makeCurrent(other);
  const third = await startWorker('same', fake);
  await makeCurrent(third);
  await other.stop();
  expect(await restore.result()).toMatchObject({ restored: expect.any(String) as unknown });
});

it('going back: the older one that starts later has the tasks, and the newer one says once that it has none', async () => {
  const newer = await startWorker('newer', new FakeActivities());
  await makeCurrent(newer);
  await newer.versioning.look();
  expect(newer.said).toEqual([]);
  const older = await startWorker('older', new FakeActivities());
  await makeCurrent(older);
  await newer.versioning.look();
  await newer.versioning.look();
  expect(newer.said).toEqual([
    'this worker (version newer) is given no tasks any more: Temporal gives them to version older. Start the worker that is to have them again, and end the other',
  ]);
  await older.versioning.look();
  expect(older.said).toEqual([]);
});

it('with versions switched off again a worker takes the tasks back from those that had one, and before it from none', async () => {
  const fake = new FakeActivities();
  const without = await startWorker(null, fake);
  await makeCurrent(without);
  const first = await restoreUnderWay(fake);
  const versioned = await startWorker('versioned', fake);
  await makeCurrent(versioned);
  await without.stop();
  // What began without versions goes on with them.
  expect(await first.result()).toMatchObject({ restored: expect.any(String) as unknown });

  const again = new FakeActivities();
  const next = await startWorker('versioned', again);
  await versioned.stop();
  const second = await restoreUnderWay(again);
  const back = await startWorker(null, again);
  await makeCurrent(back);
  await next.stop();
  expect(await second.result()).toMatchObject({ restored: expect.any(String) as unknown });
  expect(await currentBuild()).toBeNull();
});

it('a version of which nobody polls is refused after a while, with why', async () => {
  await expect(
    versioningOf(versionOf('absent'), [], 300).makeCurrent(new AbortController().signal),
  ).rejects.toMatchObject({
    code: 'WorkerVersionRefused',
    message: expect.stringMatching(
      /^Temporal does not give the tasks of namespace default to this worker \(version absent\): ./,
    ),
  });
  // Nobody waits for a worker that is told to end.
  await versioningOf(versionOf('absent')).makeCurrent(AbortSignal.abort());
});

it('where a namespace has versions switched off that is said at once', async () => {
  const other = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await findTemporalCli() },
      extraArgs: ['--dynamic-config-value', 'system.enableDeploymentVersions=false'],
      log: { format: 'json', level: 'error' },
    },
  });
  try {
    const versioning = new WorkerVersioning(
      other.client,
      { namespace: NAMESPACE, master, version: versionOf('new') },
      () => undefined,
    );
    await expect(versioning.makeCurrent(new AbortController().signal)).rejects.toMatchObject({
      code: 'WorkerVersionRefused',
      message: expect.stringContaining('Worker Deployment Versions are disabled on this namespace') as unknown,
    });
    // Without versions it is none of a worker's business.
    const without = { namespace: NAMESPACE, master, version: null };
    await new WorkerVersioning(other.client, without, () => undefined).makeCurrent(new AbortController().signal);
  } finally {
    await other.teardown();
  }
});

it('the version is the release and what its workflows are; masters keep apart', () => {
  const version = workerVersionOf('backup1', '1.2.3', 'code');
  expect(version).toEqual({
    deploymentName: 'kedge/backup1',
    buildId: expect.stringMatching(/^1\.2\.3-[0-9a-f]{12}$/) as unknown,
  });
  expect(workerVersionOf('backup1', '1.2.3', 'code')).toEqual(version);
  expect(workerVersionOf('backup1', '1.2.3', 'other code').buildId).not.toBe(version.buildId);
  expect(workerVersionOf('backup1', '1.2.4', 'code').buildId).not.toBe(version.buildId);
  expect(deploymentOf('a.b')).toBe('kedge/a_b');
  expect(deploymentOf('a-b')).toBe('kedge/a-b');
});
