import { mkdtempSync, rmSync } from 'node:fs';
import { abandonTask } from '../../../src/core/recovery/abandon';
import { bringOnline } from '../../../src/core/recovery/bring-online';
import type { Host } from '../../../src/core/hosts/host';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { startLockHolder } from '../../helpers/held-lock';
import { newTask } from '../../helpers/new-task';
import { testOperation } from '../../helpers/operation';
import { withShutElsewhere } from '../../helpers/shut-elsewhere';
import { ANSWERS, UNREACHABLE } from '../../helpers/silent-host';
import { until } from '../../helpers/until';

/* A web server that is another machine and does not answer: what is to be put back elsewhere is put back, and no more. */

jest.setTimeout(30_000);

const TAKE_OVER = { by: 'anna', why: 'the link is down' };
const LEFT = 'the folders from before, the end of maintenance: what runs on web1 for the task could not be ended: ';
const LEFT_UNREACHED = `${LEFT}web1 cannot be reached: the test cut its link`;
const LEFT_THERE = {
  server: 'web1',
  parts: ['the folders from before', 'the end of maintenance'],
  error: expect.objectContaining({ code: 'HostUnreachable' }) as Error,
};
const SHUT = { folder: ['restored.php'], isShut: true };
const BACK = { folder: ['of-before.php'], isShut: false, isFenced: false };

const DONE = { problems: [], left: null, onlyWaits: false };

/** With its problems as texts. */
const bring = async (...given: Parameters<typeof bringOnline>) =>
  (await bringOnline(...given)).map(({ problems, ...one }) => ({ ...one, problems: problems.map(({ text }) => text) }));

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

it('the account is unlocked and the task may only undo; the rest is done once the machine answers', () =>
  withShutElsewhere(async ({ parts, site, task, web, state }) => {
    web.silence = UNREACHABLE;
    expect(await bring(parts, site, TAKE_OVER, testOperation())).toEqual([
      { task, problems: [LEFT_UNREACHED], left: LEFT_THERE, onlyWaits: true },
    ]);
    expect(state()).toEqual({ ...SHUT, isFenced: false });
    // What an administrator locks from then on stays locked.
    expect((await parts.journals.get(task)).fence?.lowered).toBe(true);
    expect(await parts.epochs.current(site)).toBe(1);
    expect((await parts.journals.get(task)).givenBack).toBeNull();

    web.silence = ANSWERS;
    expect(await bring(parts, site, TAKE_OVER, testOperation())).toEqual([{ task, ...DONE }]);
    expect(state()).toEqual(BACK);
    // Nothing was there any more that a takeover would end.
    expect(await parts.epochs.current(site)).toBe(1);
    expect((await parts.journals.get(task)).givenBack).not.toBeNull();
  }));

it('a machine of which nothing comes is waited for for a minute', () =>
  withShutElsewhere(async ({ parts, site, task, web, state }) => {
    let isAsked = false;
    web.silence = () => {
      isAsked = true;
      return 'hangs';
    };
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
    const bringing = bring(parts, site, TAKE_OVER, testOperation());
    while (!isAsked) await new Promise((resolve) => setImmediate(resolve));
    jest.advanceTimersByTime(60_000);
    jest.useRealTimers();
    expect(await bringing).toMatchObject([
      { task, problems: [`${LEFT}not done within 60 s`], left: { server: 'web1' } },
    ]);
    expect(state()).toEqual({ ...SHUT, isFenced: false });
  }));

it('a machine that is lost only while the folders were to be switched back is not shown as it is', () =>
  withShutElsewhere(async ({ parts, site, task, web, state }) => {
    web.silence = (method) => (method === 'rename' ? 'unreachable' : null);
    const [brought] = await bring(parts, site, TAKE_OVER, testOperation());
    expect(brought).toEqual({
      task,
      problems: [
        expect.stringContaining('the folders from before: web1 cannot be reached'),
        expect.stringContaining('the end of maintenance: a call of'),
      ],
      left: { ...LEFT_THERE, parts: ['the folders from before'] },
      onlyWaits: false,
    });
    expect(state()).toEqual({ ...SHUT, isFenced: false });
    web.silence = ANSWERS;
    expect((await bring(parts, site, TAKE_OVER, testOperation()))[0]?.problems).toEqual([]);
    expect(state()).toEqual(BACK);
  }));

it('what does not end on the master itself is no reason to go on without it', () =>
  withShutElsewhere(async ({ parts, site, state }) => {
    const [master] = parts.siteAtWork({} as never).hosts();
    jest.spyOn(master as Host, 'endProcesses').mockRejectedValue(new Error('process 7 does not end'));
    await expect(bring(parts, site, TAKE_OVER, testOperation())).rejects.toThrow('process 7');
    expect(state()).toEqual({ ...SHUT, isFenced: true });
    expect(await parts.epochs.current(site)).toBe(0);
  }));

it('a task that has ended while the lock was waited for is not taken over, nor one that has begun since', () =>
  withShutElsewhere(async ({ parts, site, task, state }) => {
    const { locks, journals, epochs } = parts;
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const current = epochs.current.bind(epochs);
    jest.spyOn(epochs, 'current').mockImplementation(async (of) => {
      asked();
      return current(of);
    });
    let bringing: ReturnType<typeof bringOnline> | undefined;
    await locks.hold(site, testOperation(), async () => {
      bringing = bringOnline(parts, site, TAKE_OVER, testOperation());
      await isAsked;
      await journals.close(task, {
        ...{ status: 'recovered', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
      });
      await journals.begin(newTask({ site, task: `${site}-20261124.040000-backup`, type: 'backup' }));
    });
    expect(await bringing).toEqual([]);
    expect(await current(site)).toBe(0);
    expect(state()).toEqual({ ...SHUT, isFenced: true });
  }));

it('a task that ends while its machine is waited for is neither taken over nor given up', () =>
  withShutElsewhere(async ({ parts, site, task, web, state }) => {
    const { journals, epochs } = parts;
    const journal = await journals.get(task);
    web.silence = UNREACHABLE;
    const [master] = parts.siteAtWork({} as never).hosts();
    jest.spyOn(master as Host, 'endProcesses').mockImplementation(async () => {
      await journals.close(task, {
        ...{ status: 'recovered', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
      });
      return 0;
    });
    await expect(
      abandonTask(parts, journal, { ...TAKE_OVER, machineIsGone: true }, testOperation()),
    ).rejects.toMatchObject({ code: 'TaskUnknown', message: `${task} has ended meanwhile: recovered` });
    expect([await epochs.current(site), state()]).toEqual([0, { ...SHUT, isFenced: true }]);
  }));

it.each([
  ['does not reach the machine', UNREACHABLE, 0, 'waiting for it'],
  ['reaches the machine', ANSWERS, 'SIGKILL', 'it is ended'],
] as const)('who %s meets a process that has the lock for long', (_who, silence, ended, said) =>
  withShutElsewhere(async ({ parts, site, web, state }) => {
    const folder = mkdtempSync('/var/tmp/kedge-locks-');
    const told: string[] = [];
    const [master] = parts.siteAtWork({} as never).hosts();
    const locks = new SiteLocks(folder, master as MasterHost, {
      ...{ patienceMs: 0, hungAfterMs: 600_000, tell: (message: string) => told.push(message) },
    });
    const holder = startLockHolder(folder, site);
    try {
      await holder.said('held');
      web.silence = silence;
      const bringing = bringOnline({ ...parts, locks }, site, TAKE_OVER, testOperation());
      await until('the holder is spoken of', () => told.length > 0);
      expect(told).toEqual([expect.stringContaining(said)]);
      if (ended === 0) holder.child.stdin.write('let go\n');
      expect(await holder.ended).toBe(ended);
      await bringing;
      expect(state().isFenced).toBe(false);
    } finally {
      holder.child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

it('a task can be given up although its machine is gone for good; what is left there is named', () =>
  withShutElsewhere(async ({ parts, task, web, state, staging, spool }) => {
    web.silence = UNREACHABLE;
    const journal = await parts.journals.get(task);
    // Its folders would be put back once it answers: by somebody who still knows of them.
    const give = (machineIsGone: boolean) =>
      abandonTask(parts, journal, { ...TAKE_OVER, machineIsGone }, testOperation());
    await expect(give(false)).rejects.toMatchObject({
      code: 'HostUnreachable',
      server: 'web1',
      hint: expect.stringContaining('--machine-gone') as string,
    });
    expect((await parts.journals.get(task)).outcome).toBeNull();
    expect(await give(true)).toEqual({
      problems: [LEFT_UNREACHED],
      leftovers: [
        ...['', '.back', '.previous'].map((ending) => `the folder ${staging}${ending} on web1`),
        `the folder ${spool}`,
      ],
    });
    expect((await parts.journals.get(task)).outcome?.status).toBe('abandoned');
    expect(await parts.journals.openTasks()).toEqual([]);
    expect(state()).toEqual({ ...SHUT, isFenced: false });
  }));
