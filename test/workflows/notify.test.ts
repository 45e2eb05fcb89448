import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { noticeWorkflowId } from '../../src/contract/names';
import type { Delivery } from '../../src/contract/notices';
import { startNotify } from '../../src/temporal/notify';
import { someNotice } from '../helpers/notices';
import { TASK_QUEUE, startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

/** What a receiver does when it is told, by its name: throws, or answers. */
type Behaviour = (attempt: number) => string;

let environment: TestWorkflowEnvironment;
let stop: () => void;
let working: Promise<void>;
const behaviours = new Map<string, Behaviour>();
const asked: string[] = [];

beforeAll(async () => {
  environment = await startWorkflowEnvironment();
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const attempts = new Map<string, number>();
  const deliverNotice = async ({ notice, receiver }: Delivery): Promise<object> => {
    asked.push(`${notice} ${receiver}`);
    const attempt = (attempts.get(receiver) ?? 0) + 1;
    attempts.set(receiver, attempt);
    return { answer: behaviours.get(receiver)?.(attempt) ?? '200 OK' };
  };
  working = withWorker(environment, { deliverNotice }, () => stopped);
});
afterAll(async () => {
  stop?.();
  await working;
  await environment?.teardown();
});

const refusal = (type: string): ApplicationFailure =>
  ApplicationFailure.create({ type, message: `refused as ${type}`, nextRetryDelay: '20 milliseconds' });

const idOf = (digit: string): string => digit.repeat(24);
const handleOf = (id: string): WorkflowHandle => environment.client.workflow.getHandle(noticeWorkflowId(id));
const start = (id: string, ...receivers: string[]): Promise<void> =>
  startNotify(environment.client, TASK_QUEUE, someNotice({ id }), receivers);
const times = (id: string, receiver: string): number => asked.filter((one) => one === `${id} ${receiver}`).length;

it.concurrent('tells each receiver; one that refuses is asked again, and none waits for it', async () => {
  const id = idOf('1');
  behaviours.set('flaky', (attempt) => {
    if (attempt <= 3) throw refusal('NoticeUndelivered');
    return 'at last';
  });
  await start(id, 'pager', 'flaky');
  expect(await handleOf(id).result()).toEqual({ pager: '200 OK', flaky: 'at last' });
  expect([times(id, 'pager'), times(id, 'flaky')]).toEqual([1, 4]);
  const { searchAttributes } = await handleOf(id).describe();
  expect(searchAttributes['KedgeSite']).toEqual(['gazette.example']);
});

it.concurrent('is started once, however often it is asked for, after its end too', async () => {
  const id = idOf('2');
  await Promise.all([start(id, 'one'), start(id, 'one')]);
  await handleOf(id).result();
  const { runId } = await handleOf(id).describe();
  await start(id, 'one');
  expect(await handleOf(id).describe()).toMatchObject({ runId });
  expect(times(id, 'one')).toBe(1);
});

it.concurrent('says who did not take it, when all were asked', async () => {
  const id = idOf('3');
  behaviours.set('forged', () => {
    throw refusal('InputInvalid');
  });
  await start(id, 'forged', 'other');
  const error = await handleOf(id)
    .result()
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WorkflowFailedError);
  expect((error as WorkflowFailedError).cause).toMatchObject({
    type: 'NoticeUndelivered',
    message: 'not all took the notice: forged: refused as InputInvalid',
  });
  expect([times(id, 'forged'), times(id, 'other')]).toEqual([1, 1]);
});

it.concurrent.each([
  ['no object', [17]],
  ['no id', [{ notice: 'x', receivers: [] }]],
  ['no list of names', [{ notice: idOf('4'), receivers: [{}] }]],
  ['another id than its own', [{ notice: idOf('4'), receivers: [] }]],
])('input that is %s fails it, and leaves nothing stuck', async (what, args) => {
  const workflowId = `notice/forged-${what.replaceAll(' ', '-')}`;
  const run = environment.client.workflow.execute('notify', { workflowId, taskQueue: TASK_QUEUE, args });
  await expect(run).rejects.toMatchObject({
    cause: { type: expect.stringMatching(/^(InputInvalid|WorkflowIdRefused)$/) },
  });
});

it.concurrent('ends when it is cancelled', async () => {
  const id = idOf('5');
  behaviours.set('away', () => {
    throw refusal('NoticeUndelivered');
  });
  await start(id, 'away');
  const handle = handleOf(id);
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
});
