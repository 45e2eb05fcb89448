import { abandonTask } from '../../../src/core/recovery/abandon';
import { bringOnline } from '../../../src/core/recovery/bring-online';
import type { Host } from '../../../src/core/hosts/host';
import { testOperation } from '../../helpers/operation';
import { withShutElsewhere } from '../../helpers/shut-elsewhere';
import { ANSWERS, UNREACHABLE } from '../../helpers/silent-host';

/* A web server that is another machine and does not answer: what is to be put back elsewhere is put back, and no more. */

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

afterEach(() => {
  jest.useRealTimers();
});

it('the account is unlocked and the task may only undo; the rest is done once the machine answers', () =>
  withShutElsewhere(async ({ parts, site, task, web, state }) => {
    web.silence = UNREACHABLE;
    expect(await bringOnline(parts, site, TAKE_OVER, testOperation())).toEqual([
      { task, problems: [LEFT_UNREACHED], left: LEFT_THERE },
    ]);
    expect(state()).toEqual({ ...SHUT, isFenced: false });
    // What an administrator locks from then on stays locked.
    expect((await parts.journals.get(task)).fence?.lowered).toBe(true);
    expect(await parts.epochs.current(site)).toBe(1);
    expect((await parts.journals.get(task)).givenBack).toBeNull();

    web.silence = ANSWERS;
    expect(await bringOnline(parts, site, TAKE_OVER, testOperation())).toEqual([{ task, problems: [], left: null }]);
    expect(state()).toEqual(BACK);
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
    const bringing = bringOnline(parts, site, TAKE_OVER, testOperation());
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
    const [brought] = await bringOnline(parts, site, TAKE_OVER, testOperation());
    expect(brought).toEqual({
      task,
      problems: [
        expect.stringContaining('the folders from before: web1 cannot be reached'),
        expect.stringContaining('the end of maintenance: a call of'),
      ],
      left: { ...LEFT_THERE, parts: ['the folders from before'] },
    });
    expect(state()).toEqual({ ...SHUT, isFenced: false });
    web.silence = ANSWERS;
    expect((await bringOnline(parts, site, TAKE_OVER, testOperation()))[0]?.problems).toEqual([]);
    expect(state()).toEqual(BACK);
  }));

it('what does not end on the master itself is no reason to go on without it', () =>
  withShutElsewhere(async ({ parts, site, state }) => {
    const [master] = parts.siteAtWork({} as never).hosts();
    jest.spyOn(master as Host, 'endProcesses').mockRejectedValue(new Error('process 7 does not end'));
    await expect(bringOnline(parts, site, TAKE_OVER, testOperation())).rejects.toThrow('process 7');
    expect(state()).toEqual({ ...SHUT, isFenced: true });
    expect(await parts.epochs.current(site)).toBe(0);
  }));

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
