import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KedgeError } from '../../../src/contract/errors';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Epochs } from '../../../src/core/tasks/epochs';
import { JOURNAL } from '../../../src/core/tasks/journal';
import { Journals } from '../../../src/core/tasks/journals';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { Watchdog, type WatchdogParts } from '../../../src/core/recovery/watchdog';
import type { OnlineParts } from '../../../src/core/recovery/bring-online';
import { testOperation } from '../../helpers/operation';
import { type ShutElsewhere, withShutElsewhere } from '../../helpers/shut-elsewhere';
import { ANSWERS } from '../../helpers/silent-host';

/* What it does for a site: test/e2e/break-glass.test.ts. */
it('leaves a task of a newer Kedge alone, however long its site is shut, and looks after the others', async () => {
  const folder = mkdtempSync('/var/tmp/kedge-watchdog-');
  try {
    cpSync(join(__dirname, '../../fixtures/documents-on-disk/2026-11-25'), folder, { recursive: true });
    const task = 'gazette.example-20261125.061502-restore';
    const path = join(folder, `state/tasks/${task}.json`);
    const text = readFileSync(path, 'utf8');
    const newer = JSON.stringify({ ...(JSON.parse(text) as object), version: JOURNAL.version + 1 });
    const host = createLocalHost({ name: 'master' });
    const revoked: string[] = [];
    const parts = {
      locks: new SiteLocks(join(folder, 'state/locks'), host),
      journals: new Journals(join(folder, 'state/tasks'), join(folder, 'state/open'), host, () => undefined),
      epochs: new Epochs(join(folder, 'state/epochs'), host),
      revoke: async (of: string) => revoked.push(of),
      // Nothing of the site is there.
      siteAtWork: () => ({ hosts: () => [host] }),
    } as unknown as WatchdogParts;
    const look = async (): Promise<void> => {
      const watchdog = new Watchdog(parts, async () => false);
      await watchdog.look(() => testOperation());
      await watchdog.settled();
    };
    writeFileSync(path, newer);
    await look();
    expect([revoked, readFileSync(path, 'utf8')]).toEqual([[], newer]);
    expect(await parts.epochs.current('gazette.example')).toBe(1);
    writeFileSync(path, text);
    await look();
    expect(revoked).toEqual([task]);
    expect(await parts.epochs.current('gazette.example')).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('a machine that stays away', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** Looks once a minute, by a clock that a test sets. */
  function watching(parts: OnlineParts) {
    const revoked: string[] = [];
    const operation = testOperation();
    const revoke = async (task: string): Promise<number> => revoked.push(task);
    const watchdog = new Watchdog({ ...parts, revoke }, async () => false);
    let minutes = 0;
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + minutes * 61_000);
    const look = async (): Promise<void> => {
      minutes += 1;
      await watchdog.look(() => operation);
      await watchdog.settled();
    };
    return { revoked, operation, look };
  }

  /** The machine cannot be reached, for another reason each time. Returns how often it was asked. */
  const cut = ({ web }: ShutElsewhere): (() => number) => {
    let times = 0;
    web.silence = () => {
      times += 1;
      return new KedgeError('HostUnreachable', `web1 was asked ${times} times`);
    };
    return () => times;
  };

  it('has its task taken over once, and is then only looked for; it is told once, and all is done once it answers', () =>
    withShutElsewhere(async (shut) => {
      const { parts, site, task, web, state } = shut;
      const { revoked, operation, look } = watching(parts);
      const asked = cut(shut);
      const hold = jest.spyOn(SiteLocks.prototype, 'hold');
      await look();
      expect(state()).toMatchObject({ isShut: true, isFenced: false });
      hold.mockClear();
      for (let minute = 1; minute < 5; minute += 1) await look();
      expect(asked()).toBe(5);
      expect(revoked).toEqual([task]);
      expect(hold).not.toHaveBeenCalled();
      expect(await parts.epochs.current(site)).toBe(1);
      expect(operation.warnings).toEqual([
        expect.stringMatching(/^shop\.example could not be given back .*web1 was asked 1 times$/),
      ]);
      web.silence = ANSWERS;
      await look();
      expect(state()).toEqual({ folder: ['of-before.php'], isShut: false, isFenced: false });
      expect([revoked, await parts.epochs.current(site)]).toEqual([[task], 1]);
    }));

  it('is no reason to let be what else is in the way: that is tried anew, and what hangs is told to end again', () =>
    withShutElsewhere(async (shut) => {
      const { parts, site, task, state } = shut;
      const { revoked, look } = watching(parts);
      cut(shut);
      const atWork = parts.siteAtWork({} as never);
      const reached = atWork.databaseServer.bind(atWork);
      const server = jest.spyOn(atWork, 'databaseServer').mockRejectedValue(new Error('the database is away'));
      for (let minute = 0; minute < 2; minute += 1) await look();
      expect([revoked, state().isFenced]).toEqual([[task, task], true]);
      server.mockImplementation(reached);
      await look();
      expect(state()).toMatchObject({ isShut: true, isFenced: false });
      await look();
      expect([revoked, await parts.epochs.current(site)]).toEqual([[task, task, task], 1]);
    }));
});
