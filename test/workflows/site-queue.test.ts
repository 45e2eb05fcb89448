import type { SubmitRequest } from '../../src/contract/tasks';
import { MAXIMUM_WAITING, SiteQueue } from '../../src/workflows/steps/site-queue';

const SITE = 'example.com';
const NOW = new Date('2026-11-24T03:15:02.500Z');
const ID = `${SITE}-20261124.031502-verify`;
const OTHER = { task: 'other', type: 'backup', who: 'somebody', since: '2026-11-24T03:00:00.000Z' };

function request(input: { requestKey?: string; who?: string } = {}, waitTurn = true): SubmitRequest {
  return { type: 'verify', input: { site: SITE, ...input }, waitTurn };
}

const kept = (task: string, updateId: string, requestKey?: string) => ({
  ...{ task, updateId, submitted: NOW.toISOString() },
  request: request(requestKey === undefined ? {} : { requestKey }),
});

function tasksOf(queue: SiteQueue): string[] {
  return queue.state.waiting.map(({ task }) => task);
}

it('the first that came is the next, and each has an id of its own', () => {
  const queue = new SiteQueue(SITE, []);
  expect([queue.add(request(), NOW).task, queue.add(request(), NOW).task]).toEqual([ID, `${ID}_1`]);
  expect([queue.next()?.task, queue.next()?.task, queue.next()]).toEqual([ID, `${ID}_1`, undefined]);
});

it('ids stay in order when the clock goes back, behind those of earlier queues too', () => {
  const queue = new SiteQueue(SITE, []);
  queue.idsFrom(new Date('2026-11-24T04:00:00.000Z').getTime());
  expect(queue.add(request(), NOW).task).toBe(`${SITE}-20261124.040000-verify`);
  queue.idsFrom(new Date('2026-11-24T03:30:00.000Z').getTime());
  expect(queue.add(request(), NOW).task).toBe(`${SITE}-20261124.040000-verify_1`);
});

it('another queue gives no id again: it is to begin in another second, but need not wait for a clock that went back', () => {
  const queue = new SiteQueue(SITE, []);
  expect(queue.idsTakenFor(NOW)).toBeLessThanOrEqual(0);
  queue.add(request(), NOW);
  expect(queue.idsTakenFor(NOW)).toBe(500);
  expect(queue.idsTakenFor(new Date(NOW.getTime() + 500))).toBe(0);
  expect(queue.idsTakenFor(new Date(NOW.getTime() - 3_600_000))).toBe(1000);
});

it('the site is held by who runs, else by who is being started, else by who is next', () => {
  const queue = new SiteQueue(SITE, []);
  expect(queue.holder).toBeNull();
  const first = queue.add(request({ who: 'anna' }), NOW);
  const second = queue.add(request(), NOW);
  expect(queue.holder).toEqual({ task: first.task, type: 'verify', who: 'anna', since: NOW.toISOString() });
  queue.start(queue.next() ?? second);
  expect([queue.holder?.task, queue.running]).toEqual([first.task, null]);
  queue.started('run');
  expect([queue.holder?.task, queue.running]).toEqual([first.task, first]);
  queue.end(first);
  expect(queue.holder).toMatchObject({ task: second.task, who: 'unknown' });
});

it('a task that does not wait is decided once it runs, has ended, or was refused', () => {
  const queue = new SiteQueue(SITE, []);
  const runs = queue.add(request({}, false), NOW);
  const refused = queue.add(request({ requestKey: 'one' }, false), NOW);
  expect([queue.isDecided(runs), queue.isDecided(refused)]).toEqual([false, false]);
  queue.start(queue.next() ?? refused);
  expect(queue.isDecided(runs)).toBe(false);
  queue.started('run');
  expect(queue.isDecided(runs)).toBe(true);
  queue.end(runs);
  expect([queue.isDecided(runs), queue.refusalOf(runs)]).toEqual([true, null]);

  queue.start(queue.next() ?? runs);
  queue.started(null);
  expect([queue.isDecided(refused), queue.running, queue.taskOfKey('one')]).toEqual([false, null, refused.task]);
  queue.refuse(refused, OTHER);
  expect([queue.isDecided(refused), queue.refusalOf(refused)]).toEqual([true, OTHER]);
  // Whoever asks again with its key asks for another task.
  expect(queue.taskOfKey('one')).toBeUndefined();
});

it('what could not be started is the next again, before those that came later', () => {
  const queue = new SiteQueue(SITE, []);
  const first = queue.add(request(), NOW);
  const second = queue.add(request(), NOW);
  queue.start(queue.next() ?? second);
  queue.started(null);
  queue.putBack(first);
  expect(tasksOf(queue)).toEqual([first.task, second.task]);
});

it('who gives up is forgotten with the key; the others keep their places', () => {
  const queue = new SiteQueue(SITE, []);
  const first = queue.add(request({ requestKey: 'one' }), NOW);
  const second = queue.add(request(), NOW);
  expect(queue.ticket(first.task)).toEqual({ task: first.task, workflowId: `site/${SITE}`, waiting: true });
  expect(queue.giveUp(first.task)).toBe(first);
  expect([queue.giveUp(first.task), queue.taskOfKey('one'), tasksOf(queue)]).toEqual([null, undefined, [second.task]]);
  expect(queue.ticket(first.task).waiting).toBe(false);
});

describe('a request that was kept because no worker answered', () => {
  it('stands for its submit, which is not answered late', () => {
    const queue = new SiteQueue(SITE, []);
    queue.keep(kept(ID, 'update'));
    expect(queue.state.waiting).toEqual([{ task: ID, request: request(), submitted: NOW.toISOString(), kept: true }]);
    expect([queue.isWithdrawn('update'), queue.isWithdrawn('other')]).toEqual([true, false]);
  });

  it('is nothing where the submit was answered after all', () => {
    const queue = new SiteQueue(SITE, []);
    queue.answer('update');
    queue.keep(kept(ID, 'update'));
    expect([queue.isEmpty, queue.isWithdrawn('update')]).toEqual([true, false]);
  });

  it('is kept once: neither under an id nor with a key that is known', () => {
    const queue = new SiteQueue(SITE, []);
    queue.keep(kept(ID, 'first', 'one'));
    queue.keep(kept(ID, 'second'));
    queue.keep(kept(`${ID}_1`, 'third', 'one'));
    expect(tasksOf(queue)).toEqual([ID]);
    expect(queue.isWithdrawn('third')).toBe(true);
    expect(queue.add(request(), NOW).task).toBe(`${ID}_1`);
  });

  it('finds no place in a queue that is full', () => {
    const queue = new SiteQueue(SITE, []);
    for (let count = 0; count < MAXIMUM_WAITING; count += 1) queue.add(request(), NOW);
    expect(queue.isFull).toBe(true);
    queue.keep(kept(`${SITE}-20261124.031500-verify`, 'update'));
    expect(queue.state.waiting).toHaveLength(MAXIMUM_WAITING);
  });
});

it('the next run has those that wait, their keys and ids, and neither who ran nor who was refused', () => {
  const before = new SiteQueue(SITE, []);
  const first = before.add(request(), NOW);
  const second = before.add(request({ requestKey: 'two' }), NOW);
  before.start(before.next() ?? second);
  before.started('run');
  const queue = new SiteQueue(SITE, before.state.waiting);
  expect([queue.running, queue.taskOfKey('two'), tasksOf(queue)]).toEqual([null, second.task, [second.task]]);
  expect(queue.isDecided(first)).toBe(false);
  // What the run before still changes is nothing to this one.
  before.add(request(), NOW);
  expect(tasksOf(queue)).toEqual([second.task]);
});

describe('workflows that have asked', () => {
  const asked = { workflowId: 'nightly', runId: 'run-1' };
  const other = { workflowId: 'weekly', runId: 'run-2' };

  it('are known by their run, as long as their task has not ended', () => {
    const queue = new SiteQueue(SITE, []);
    const { task } = queue.add(request(), NOW, asked);
    expect([queue.taskOfRequester(asked), queue.taskOfRequester(other)]).toEqual([task, undefined]);
    expect(queue.join(task, other)).toBe(true);
    const queued = queue.next();
    if (!queued) throw new Error('nothing waits');
    queue.start(queued);
    expect(queue.taskOfRequester(other)).toBe(task);
    queue.started('run');
    expect([queue.taskOfRequester(asked), queue.runningRun]).toEqual([task, 'run']);
    expect(queued.requesters).toEqual([asked, other]);
    queue.end(queued);
    expect([queue.taskOfRequester(asked), queue.join(task, asked), queue.runningRun]).toEqual([undefined, false, null]);
  });

  it('are told once each, and so many of them', () => {
    const queue = new SiteQueue(SITE, []);
    const { task, requesters } = queue.add(request(), NOW, asked);
    expect(requesters).toEqual([asked]);
    const joined = Array.from({ length: 9 }, (_, n) => queue.join(task, { workflowId: 'w', runId: `r${n % 8}` }));
    expect(joined).toEqual([true, true, true, true, false, false, false, false, true]);
    expect(queue.state.waiting[0]?.requesters).toHaveLength(5);
  });

  it('that gave their turn up get no second one when they asked again at that moment', () => {
    const queue = new SiteQueue(SITE, []);
    const { task } = queue.add(request(), NOW, asked);
    expect(queue.givenUpOf(asked)).toBeUndefined();
    queue.giveUp(task);
    expect([queue.givenUpOf(asked), queue.givenUpOf(other), queue.taskOfRequester(asked)]).toEqual([
      task,
      undefined,
      undefined,
    ]);
  });
});
