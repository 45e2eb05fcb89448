import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { EventInterceptor, type WorkerEvent } from '../../src/activities/events';
import { FailureInterceptor } from '../../src/activities/failures';
import { KedgeError } from '../../src/contract/errors';

const TASK = 'gazette.example-20261124.031502-restore';

/** What a worker says when an activity is called, and does this. */
async function said(activityType: string, body: () => unknown, ...args: unknown[]): Promise<WorkerEvent[]> {
  const events: WorkerEvent[] = [];
  const environment = new MockActivityEnvironment(
    { activityType, attempt: 3 },
    {
      logger: new DefaultLogger('ERROR'),
      interceptors: [
        () => ({ inbound: new EventInterceptor((event) => events.push(event)) }),
        () => ({ inbound: new FailureInterceptor((text) => text.replaceAll('hunter2', '***')) }),
      ],
    },
  );
  await environment.run(async (..._all: unknown[]) => body(), ...args).catch(() => undefined);
  return events;
}

const fails = (error: unknown) => (): never => {
  throw error;
};
const of = { task: TASK, site: 'gazette.example' };

test('a task that begins, and how it ends', async () => {
  expect(await said('preflight', () => ({}), { type: 'restore', task: TASK, input: {} })).toEqual([
    { event: 'task begun', ...of },
  ]);
  const closing = { status: 'failed', code: 'DiskFull', message: 'no space left', warnings: ['w'] };
  expect(await said('closeTask', () => null, { task: TASK }, closing)).toEqual([
    { event: 'task ended', ...of, status: 'failed', code: 'DiskFull', message: 'no space left' },
  ]);
  const done = { status: 'done', code: null, message: null, warnings: [] };
  expect(await said('closeTask', () => null, { task: TASK }, done)).toEqual([
    { event: 'task ended', ...of, status: 'done' },
  ]);
});

test('a step that fails, its attempt and why, without secrets; an undo too', async () => {
  const refused = new KedgeError('DatabaseAccessDenied', 'access denied for root with hunter2');
  for (const step of ['dumpDatabase', 'leaveMaintenance'])
    expect(await said(step, fails(refused), { task: TASK })).toEqual([
      {
        event: 'step failed',
        ...of,
        step,
        attempt: 3,
        code: 'DatabaseAccessDenied',
        message: 'access denied for root with ***',
      },
    ]);
  expect(await said('deploy', fails(new TypeError('x is not a function')), { task: TASK })).toMatchObject([
    { event: 'step failed', code: 'Internal' },
  ]);
});

test('nothing of steps that are done, of what is no step, and of what belongs to no task', async () => {
  expect(await said('dumpDatabase', () => ({}), { task: TASK })).toEqual([]);
  expect(await said('awaitLease', fails(new KedgeError('SiteBusy', 'later')), { task: TASK })).toEqual([]);
  expect(await said('listBackups', fails(new KedgeError('SiteUnknown', 'none')), { site: 'x.example' })).toEqual([]);
  expect(await said('dumpDatabase', fails(new Error('no task')), null)).toEqual([]);
});
