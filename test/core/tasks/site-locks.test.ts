import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { type LockHolder, startLockHolder } from '../../helpers/held-lock';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';

jest.setTimeout(60_000);

const host = createLocalHost({ name: 'lab' });
const SITE = 'example.com';

/** A folder of locks of its own, for tests that run side by side. */
class Locks {
  readonly folder = mkdtempSync('/var/tmp/kedge-locks-');
  readonly of = new SiteLocks(this.folder, host, { hungAfterMs: 1_000 });
  private readonly holders: LockHolder[] = [];

  /** Another process that takes the lock. */
  start(): LockHolder {
    const holder = startLockHolder(this.folder, SITE);
    this.holders.push(holder);
    return holder;
  }

  async held(): Promise<LockHolder> {
    const holder = this.start();
    await holder.said('held');
    return holder;
  }

  hasActed(): boolean {
    return existsSync(join(this.folder, `${SITE}.acted`));
  }

  /** Takes the lock, and tells whether the holder had done its work by then. */
  take(tell: string[] = [], wait = {}): Promise<boolean> {
    return this.of.hold(SITE, testOperation(), async () => this.hasActed(), {
      tell: (message) => tell.push(message),
      ...wait,
    });
  }

  end(): void {
    for (const { child } of this.holders) child.kill('SIGKILL');
    removePrivateFolder(this.folder);
  }
}

const withLocks = (test: (locks: Locks) => Promise<void>) => async (): Promise<void> => {
  const locks = new Locks();
  try {
    await test(locks);
  } finally {
    locks.end();
  }
};

it.concurrent(
  'a holder that runs is waited for, however long it takes',
  withLocks(async (locks) => {
    const holder = await locks.held();
    const told: string[] = [];
    const taken = locks.take(told);
    await until('the holder is named', () => told.length > 0);
    expect(told).toEqual([
      `process ${holder.child.pid} on lab has the lock ${join(locks.folder, `${SITE}.lock`)}: waiting for it`,
    ]);
    // Longer than one that shows no sign of life would be let live.
    await delay(2_500);
    expect(holder.child.exitCode).toBeNull();
    holder.child.stdin.write('let go\n');
    expect(await taken).toBe(true);
    expect(await holder.ended).toBe(0);
  }),
);

for (const [what, hang] of [
  ['is stopped', ({ child }) => child.kill('SIGSTOP')],
  ['runs in circles', ({ child }) => child.stdin.write('loop\n')],
] satisfies [string, (holder: LockHolder) => void][])
  it.concurrent(
    `a holder that ${what} is ended: what it was about to do is never done`,
    withLocks(async (locks) => {
      const holder = await locks.held();
      hang(holder);
      holder.child.stdin.write('let go\n');
      const told: string[] = [];
      expect(await locks.take(told)).toBe(false);
      expect(told.at(-1)).toContain(`process ${holder.child.pid} on lab, which has the lock`);
      holder.child.kill('SIGCONT');
      expect(await holder.ended).toBe('SIGKILL');
      expect(locks.hasActed()).toBe(false);
    }),
  );

it.concurrent(
  'nobody but its holder gives the lock up: programs of the holder can be ended, as a successor does first',
  withLocks(async (locks) => {
    const holder = await locks.held();
    await host.endProcesses(`holder${holder.child.pid}`);
    const told: string[] = [];
    let taken = false;
    const taking = locks.take(told).then((acted) => {
      taken = true;
      return acted;
    });
    await until('the holder is named', () => told.length > 0);
    expect(taken).toBe(false);
    holder.child.kill('SIGKILL');
    expect(await taking).toBe(false);
  }),
);

it.concurrent(
  'who waits for the lock, stopped, keeps nobody',
  withLocks(async (locks) => {
    let waiting: LockHolder | undefined;
    await locks.of.hold(SITE, testOperation(), async () => {
      waiting = locks.start();
      await waiting.said('has the lock');
      waiting.child.kill('SIGSTOP');
    });
    expect(await locks.take()).toBe(false);
    waiting?.child.kill('SIGCONT');
    expect(locks.hasActed()).toBe(false);
  }),
);

it.concurrent(
  'patience that was given ends, also with a holder that runs',
  withLocks(async (locks) => {
    const holder = await locks.held();
    expect(await locks.take([], { patienceMs: 500 })).toBe(false);
    expect(await holder.ended).toBe('SIGKILL');
  }),
);

it.concurrent(
  'its own work is waited for, and never ended',
  withLocks(async (locks) => {
    const order: string[] = [];
    let second: Promise<unknown> = Promise.resolve();
    await locks.of.hold(SITE, testOperation(), async ({ signal }) => {
      second = locks.of.hold(SITE, testOperation(), async () => order.push('second'), { patienceMs: 1 });
      await delay(1_500);
      order.push('first');
      signal.addEventListener('abort', () => order.push('turn over'));
    });
    await second;
    expect(order).toEqual(['first', 'turn over', 'second']);
  }),
);

it.concurrent(
  'every turn of a site has the name of the site at its database servers, and no other site has it',
  withLocks(async (locks) => {
    const nameOf = (site: string): Promise<string> => locks.of.hold(site, testOperation(), async ({ name }) => name);
    const [one, again, other] = [await nameOf(SITE), await nameOf(SITE), await nameOf('other.example')];
    expect(one).toMatch(/^[0-9a-f]{32}$/);
    expect(again).toBe(one);
    expect(other).not.toBe(one);
  }),
);
