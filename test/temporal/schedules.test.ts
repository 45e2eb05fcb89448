import { type ScheduleDescription, ScheduleOverlapPolicy } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { PlanRequest } from '../../src/activities/fleet';
import type { PlannedBackups } from '../../src/contract/fleet';
import { taskQueueOf } from '../../src/contract/names';
import type { WantedSchedule } from '../../src/contract/schedules';
import { MasterSchedules, type ScheduleDifference } from '../../src/temporal/schedules';
import { cronOf } from '../helpers/cron';
import { until } from '../helpers/until';
import { startWorkflowEnvironment, withWorker } from '../helpers/workflow-environment';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startWorkflowEnvironment();
});
afterAll(() => environment?.teardown());

let masters = 0;
/** A master of its own for each test: its schedules are nobody else's. */
function newMaster(): { name: string; schedules: MasterSchedules } {
  const name = `m${(masters += 1)}`;
  return { name, schedules: new MasterSchedules(environment.client, name) };
}

const wanted = (
  name: string,
  changes: Partial<Omit<WantedSchedule, 'cron'>> & { cron?: string } = {},
): WantedSchedule => {
  const { cron = '15 3 * * *', ...rest } = changes;
  return { name, timeZone: 'UTC', jitterMs: 0, cron: cronOf(cron), ...rest };
};

async function apply(schedules: MasterSchedules, all: readonly WantedSchedule[]): Promise<ScheduleDifference[]> {
  const differences = await schedules.compare(all);
  for (const difference of differences) await schedules.apply(difference, all);
  return differences;
}

async function describeId(id: string): Promise<ScheduleDescription> {
  return environment.client.schedule.getHandle(id).describe();
}

/** Lists follow a moment later. */
async function untilListed(schedules: MasterSchedules, ...names: string[]): Promise<void> {
  await until(`${names.join(', ')} are listed`, async () => {
    const own = (await schedules.own()).map(({ scheduleId }) => schedules.nameOf(scheduleId));
    return JSON.stringify(own) === JSON.stringify(names);
  });
}

it('makes what is missing, changes what differs, field by field, takes away what is gone; and twice does nothing', async () => {
  const { name, schedules } = newMaster();
  const first = [
    wanted('nightly', { timeZone: 'Europe/Berlin', jitterMs: 1_800_000 }),
    wanted('weekly', { cron: '@weekly' }),
    // Cron takes the one or the other day: Temporal alone would have meant both at once.
    wanted('either', { cron: '30 4 1 * mon-fri' }),
  ];
  expect(await apply(schedules, first)).toEqual(
    ['either', 'nightly', 'weekly'].map((one) => ({ name: one, change: 'new', fields: [] })),
  );
  expect(await schedules.compare(first)).toEqual([]);
  expect(await apply(schedules, first)).toEqual([]);
  const made = await describeId(`kedge/${name}/nightly`);
  expect(made).toMatchObject({
    action: {
      ...{ workflowType: 'backupAll', workflowId: `schedule/${name}/nightly`, taskQueue: taskQueueOf(name) },
      args: [{ schedule: 'nightly', who: 'schedule nightly' }],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: 6 * 3_600_000, pauseOnFailure: false },
    state: { paused: false, note: expect.stringContaining('kedge schedules apply') as string },
  });
  // 03:15 in Berlin, at most half an hour later.
  for (const time of made.info.nextActionTimes) {
    const local = time.toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' });
    expect(local >= '03:15:00' && local <= '03:45:00').toBe(true);
  }
  const days = (await describeId(`kedge/${name}/either`)).info.nextActionTimes;
  expect(days.every((time) => time.getUTCDate() === 1 || (time.getUTCDay() > 0 && time.getUTCDay() < 6))).toBe(true);
  expect(days.some((time) => time.getUTCDate() !== 1)).toBe(true);

  await untilListed(schedules, 'either', 'nightly', 'weekly');
  const second = [wanted('nightly', { cron: '30 2 * * *' }), wanted('either', { cron: '30 4 1 * mon-fri' })];
  expect(await apply(schedules, second)).toEqual([
    {
      name: 'nightly',
      change: 'changed',
      fields: [
        { field: 'cron', from: '15 3 * * *', to: '30 2 * * *' },
        { field: 'timeZone', from: 'Europe/Berlin', to: 'UTC' },
        { field: 'jitter', from: '30m', to: '0s' },
      ],
    },
    { name: 'weekly', change: 'gone', fields: [] },
  ]);
  expect(await apply(schedules, second)).toEqual([]);
  await untilListed(schedules, 'either', 'nightly');
});

it('what somebody changed in Temporal is a difference, and is put back; a pause is not, and stays', async () => {
  const { name, schedules } = newMaster();
  const all = [wanted('nightly')];
  await apply(schedules, all);
  const handle = environment.client.schedule.getHandle(`kedge/${name}/nightly`);
  await handle.pause('holidays');
  expect(await schedules.compare(all)).toEqual([]);
  await handle.update(({ spec, action, state }) => ({
    action: { ...action, args: [{ schedule: 'another' }], taskQueue: 'kedge/elsewhere' },
    spec: { ...spec, intervals: [{ every: '1 hour' }] },
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: '1 year', pauseOnFailure: true },
    state: { ...state, remainingActions: 3 },
  }));
  const [difference] = await schedules.compare(all);
  expect(difference?.fields.map(({ field }) => field)).toEqual([
    ...['further times', 'overlap', 'catch-up window', 'pause on failure', 'runs left', 'task queue', 'input'],
  ]);
  await apply(schedules, all);
  expect(await schedules.compare(all)).toEqual([]);
  expect((await handle.describe()).state).toMatchObject({ paused: true, note: 'holidays' });
  await apply(schedules, [wanted('nightly', { cron: '@daily' })]);
  expect((await handle.describe()).state).toMatchObject({ paused: true, note: 'holidays' });
  // Times alone, set by hand, under the old text.
  await handle.update(({ spec, action, policies, state }) => ({
    ...{ action, policies, state },
    spec: { ...spec, calendars: (spec.calendars ?? []).map((calendar) => ({ ...calendar, hour: 12 })) },
  }));
  expect(await schedules.compare([wanted('nightly', { cron: '@daily' })])).toEqual([
    { name: 'nightly', change: 'changed', fields: [{ field: 'cron', from: 'set by hand', to: '@daily' }] },
  ]);
});

it('schedules of other masters, and of people, are neither told nor touched', async () => {
  const { name, schedules } = newMaster();
  const neighbour = new MasterSchedules(environment.client, `${name}.b`);
  await apply(neighbour, [wanted('nightly')]);
  const mine = { spec: { intervals: [{ every: '1 day' }] }, state: { note: 'of a person' } };
  const action = { type: 'startWorkflow', workflowType: 'theirs', taskQueue: 'theirs' } as const;
  const theirs = [`kedge/${name}/report`, `kedge/${name}/nightly`, 'report'];
  for (const scheduleId of theirs) await environment.client.schedule.create({ scheduleId, action, ...mine });
  await until('they are listed', async () => {
    const listed: string[] = [];
    for await (const { scheduleId } of environment.client.schedule.list()) listed.push(scheduleId);
    return theirs.every((id) => listed.includes(id));
  });
  expect(await schedules.compare([])).toEqual([]);
  expect(await schedules.own()).toEqual([]);
  const all = [wanted('nightly')];
  const attempts = (['new', 'changed', 'gone'] as const).map(
    (change) => () => schedules.apply({ name: 'nightly', change, fields: [] }, all),
  );
  for (const attempt of [() => schedules.compare(all), ...attempts])
    await expect(attempt()).rejects.toMatchObject({
      code: 'ConfigurationInvalid',
      message: `the schedule kedge/${name}/nightly in Temporal was not made by Kedge`,
    });
  for (const id of theirs)
    expect(await describeId(id)).toMatchObject({ action: { workflowType: 'theirs' }, state: { note: 'of a person' } });
  expect(await neighbour.compare([wanted('nightly')])).toEqual([]);
});

it('a time zone that this Temporal does not know is told, and nothing is made', async () => {
  const { schedules } = newMaster();
  const all = [wanted('nightly', { timeZone: 'Mars/Phobos' })];
  await expect(apply(schedules, all)).rejects.toMatchObject({
    code: 'ConfigurationInvalid',
    message: expect.stringMatching(/does not take the schedule nightly: .*Mars\/Phobos/) as string,
  });
  expect(await schedules.get('nightly')).toBeUndefined();
});

it('a schedule starts backups; how its last run ended is told', async () => {
  const { name, schedules } = newMaster();
  const all = [wanted('nightly'), wanted('broken')];
  await apply(schedules, all);
  const planBackups = async ({ input }: PlanRequest): Promise<PlannedBackups> => {
    if (input.schedule === 'broken')
      throw ApplicationFailure.create({ type: 'ConfigurationInvalid', message: 'there is no schedule broken' });
    return { sites: [], more: false, backup: {}, prune: false, atOnce: 2 };
  };
  const last = async (one: string) => schedules.lastRun((await schedules.get(one)) as ScheduleDescription);
  expect(await last('nightly')).toBeNull();
  const trigger = async (one: string): Promise<void> => {
    const handle = environment.client.schedule.getHandle(`kedge/${name}/${one}`);
    const before = (await handle.describe()).info.numActionsTaken;
    await handle.trigger();
    await until('it was taken', async () => (await handle.describe()).info.recentActions.length > before);
  };
  await trigger('nightly');
  expect(await last('nightly')).toMatchObject({ outcome: 'running', result: null, error: null });
  const hasEnded = async (one: string): Promise<boolean> => (await last(one))?.outcome !== 'running';
  const work = async (): Promise<void> => {
    await until('it has ended', () => hasEnded('nightly'));
    await trigger('broken');
    await until('it has failed', () => hasEnded('broken'));
  };
  await withWorker(environment, { planBackups }, work, taskQueueOf(name));
  expect(await last('nightly')).toMatchObject({
    ...{ outcome: 'done', result: { sites: 0, failures: [] }, error: null },
    workflowId: expect.stringMatching(new RegExp(`^schedule/${name}/nightly-20`)) as string,
  });
  expect(await last('broken')).toMatchObject({
    ...{ outcome: 'failed', result: null },
    error: { code: 'ConfigurationInvalid', message: 'there is no schedule broken' },
  });
});
