import { KedgeError } from '../../src/contract/errors';
import { bringSiteOnline } from '../../src/operations/bring-site-online';
import { testOperation } from '../helpers/operation';
import { type ShutElsewhere, withShutElsewhere } from '../helpers/shut-elsewhere';
import { UNREACHABLE } from '../helpers/silent-host';

/* With tasks, servers and Temporal there: test/e2e/break-glass.test.ts. */

const TAKE_OVER = { by: 'anna', why: 'the link is down' };
const unreachable = new KedgeError('HostUnreachable', 'web1 cannot be reached', { server: 'web1' });

const bring = ({ parts, site }: ShutElsewhere, tell: (message: string) => void = () => undefined) =>
  bringSiteOnline(
    {
      ...{ ...parts, redact: <T>(value: T) => value, states: {} as never },
      // Who owns the site is asked of its machine.
      resolveTarget: () => Promise.reject(unreachable),
    },
    { master: 'lab' },
    () => Promise.reject(new Error('Temporal is away')),
    site,
    TAKE_OVER,
    testOperation(),
    tell,
  );

it('what was taken over is told although the machine does not answer', () =>
  withShutElsewhere(async (shut) => {
    shut.web.silence = UNREACHABLE;
    const told: string[] = [];
    const { tasks, found, problems } = await bring(shut, (message) => told.push(message));
    expect(tasks).toEqual([{ task: shut.task, problems: [expect.stringContaining('what runs on web1')] }]);
    expect(found).toEqual([]);
    expect(problems).toEqual([
      ...(tasks[0]?.problems ?? []),
      'what else keeps shop.example from its visitors cannot be looked at: web1 cannot be reached',
    ]);
    expect(told).toEqual([expect.stringContaining('Temporal is away')]);
    expect(shut.state().isFenced).toBe(false);
  }));

it('with no task open nothing was done, and the command fails', () =>
  withShutElsewhere(async (shut) => {
    await shut.parts.journals.close(shut.task, {
      ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
    });
    await expect(bring(shut)).rejects.toBe(unreachable);
  }));
