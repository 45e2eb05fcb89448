import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';

type Name = keyof Activities;

/** What a fake step does instead of its work. */
export type Behaviour =
  /** Fails every time with this error code; the next attempt comes soon, or after so long. */
  | { fails: string; again?: '1 hour' }
  /** Fails this often, then works. */
  | { failsTimes: number; code: string }
  /** Runs until it is cancelled, then takes `settlesAfterMs` to end; by this failure, where one is named. */
  | { blocks: true; settlesAfterMs?: number; endsWith?: string }
  /** It says nothing any more, as if its process were gone. */
  | { dies: true }
  /** So many times, as with a worker that hangs; then it does what it does. */
  | { lostTimes: number }
  /** Returns this. */
  | { returns: unknown }
  /** Returns one after the other; the last one from then on. */
  | { returnsInTurn: readonly unknown[] };

/**
 * Fake activities that record what was called, in order: `name` when it began, `name!` when it failed, `name.` when it
 * ended. They hold the signatures of the real ones.
 */
export class FakeActivities {
  readonly calls: string[] = [];
  readonly arguments = new Map<string, unknown[]>();
  private readonly behaviours = new Map<string, Behaviour>();
  private readonly failures = new Map<string, number>();
  private readonly waiters: { call: string; resolve: () => void }[] = [];
  /** Steps running at this moment. */
  readonly running = new Set<string>();

  set(name: Name, behaviour: Behaviour): this {
    this.behaviours.set(name, behaviour);
    return this;
  }

  clear(name: Name): void {
    this.behaviours.delete(name);
  }

  /** Resolves when a step of this name has begun. */
  began(name: Name): Promise<void> {
    if (this.calls.includes(name)) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ call: name, resolve }));
  }

  /** Steps in the order they ended well. */
  get done(): string[] {
    return this.calls.filter((call) => call.endsWith('.')).map((call) => call.slice(0, -1));
  }

  implementation(): Record<Name, (...args: never[]) => Promise<unknown>> {
    const entries = ACTIVITY_NAMES.map((name) => [name, (...args: unknown[]) => this.run(name, args)]);
    return Object.fromEntries(entries) as Record<Name, (...args: never[]) => Promise<unknown>>;
  }

  private async run(name: Name, args: unknown[]): Promise<unknown> {
    this.record(name);
    this.arguments.set(name, args);
    this.running.add(name);
    try {
      const behaviour = this.behaviours.get(name);
      if (behaviour && 'fails' in behaviour) throw failure(behaviour.fails, name, behaviour.again);
      if (behaviour && 'failsTimes' in behaviour) {
        const count = (this.failures.get(name) ?? 0) + 1;
        this.failures.set(name, count);
        if (count <= behaviour.failsTimes) throw failure(behaviour.code, name);
      }
      // No heartbeat of it brings the news: only a worker that stops tells it.
      if (behaviour && 'lostTimes' in behaviour) {
        const count = (this.failures.get(name) ?? 0) + 1;
        this.failures.set(name, count);
        if (count <= behaviour.lostTimes) await Context.current().cancelled;
      }
      if (behaviour && 'dies' in behaviour) await Context.current().cancelled;
      if (behaviour && 'blocks' in behaviour) {
        const context = Context.current();
        const beats = setInterval(() => context.heartbeat(), 100);
        await context.cancelled
          .catch(async (error: unknown) => {
            await new Promise((resolve) => setTimeout(resolve, behaviour.settlesAfterMs ?? 0));
            throw behaviour.endsWith === undefined ? error : failure(behaviour.endsWith, name);
          })
          .finally(() => clearInterval(beats));
      }
      const value = this.valueOf(name, behaviour);
      this.running.delete(name);
      this.record(`${name}.`);
      return value;
    } catch (error) {
      this.running.delete(name);
      this.record(`${name}!`);
      throw error;
    }
  }

  private valueOf(name: Name, behaviour: Behaviour | undefined): unknown {
    if (behaviour && 'returns' in behaviour) return behaviour.returns;
    if (!behaviour || !('returnsInTurn' in behaviour)) return DEFAULTS[name];
    const before = this.done.filter((each) => each === name).length;
    return behaviour.returnsInTurn[Math.min(before, behaviour.returnsInTurn.length - 1)];
  }

  private record(call: string): void {
    this.calls.push(call);
    for (const waiter of [...this.waiters]) {
      if (waiter.call !== call) continue;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}

/** Whether and how often it is tried again is up to the workflow; how long that waits is not what these tests are about. */
function failure(
  type: string,
  name: Name,
  again: '1 hour' | '20 milliseconds' = '20 milliseconds',
): ApplicationFailure {
  return ApplicationFailure.create({ type, message: `${name} failed`, nextRetryDelay: again });
}

/** One worker's activities for tasks on several sites at once: each site has fakes of its own. */
export function activitiesBySite(
  fakes: ReadonlyMap<string, FakeActivities>,
): Record<string, (...args: never[]) => unknown> {
  const siteOf = (args: unknown[]): string => {
    const [first] = args as [{ site?: string; task?: string; input?: { site: string } }];
    return first.input?.site ?? first.site ?? /^(.*)-\d{8}\.\d{6}/.exec(first.task ?? '')?.[1] ?? '';
  };
  const entries = ACTIVITY_NAMES.map((name) => [
    name,
    async (...args: unknown[]) => {
      const fake = fakes.get(siteOf(args));
      if (!fake) throw new Error(`${name} was called for ${siteOf(args)}`);
      return fake.implementation()[name](...(args as never[]));
    },
  ]);
  return Object.fromEntries(entries) as Record<string, (...args: never[]) => unknown>;
}

const nothing = { value: null, warnings: [] };

export const SAFETY_BACKUP_ID = 'example.com-20261124.031500';

/** What each step returns when nothing else is asked of it. The type keeps it in step with the real activities. */
const DEFAULTS: { [N in Name]: Awaited<ReturnType<Activities[N]>> } = {
  findAbandonedTasks: [],
  preflight: {
    value: {
      site: 'example.com',
      description: 'before the update',
      attentionAfterMs: 500,
      backup: 'example.com-20261124.031502',
      hooks: [],
    },
    warnings: [],
  },
  awaitLease: nothing,
  proveDefinitions: nothing,
  enterMaintenance: nothing,
  maintenanceTimeLeft: 0,
  leaveMaintenance: nothing,
  endMaintenance: { value: 1234, warnings: [] },
  fenceWrites: nothing,
  liftFence: nothing,
  dumpDatabase: { value: { bytes: 10 }, warnings: [] },
  syncRemote: { value: { bytes: 0 }, warnings: [] },
  tarball: { value: { bytes: 20 }, warnings: ['a file changed while it was read'] },
  publishBackup: {
    value: {
      id: SAFETY_BACKUP_ID,
      path: '/b',
      bytes: 20,
      sha256: 'f'.repeat(64),
      created: '2026-11-24T03:15:00.000Z',
      description: 'd',
    },
    warnings: [],
  },
  discardUnpublished: nothing,
  discardSpool: nothing,
  deploy: { value: { bytes: 1 }, warnings: [] },
  discardStaged: nothing,
  createDatabase: { value: { database: 'a' }, warnings: [] },
  importDatabase: { value: { bytes: 1 }, warnings: [] },
  createDbUser: { value: { user: 'a' }, warnings: [] },
  discardDatabase: nothing,
  verify: nothing,
  switchSite: nothing,
  switchBack: nothing,
  reloadWebServer: nothing,
  putVhostBack: nothing,
  probeSite: { value: { status: 200 }, warnings: [] },
  commitSwitch: nothing,
  discardPrevious: nothing,
  discardReplacedDatabase: nothing,
  runHook: nothing,
  runLastHook: nothing,
  closeTask: null,
  readJournal: { open: true, committed: false, safetyBackup: null },
  listOpenTasks: [],
  findTaskOfRequest: null,
  findNewestTask: null,
  findOutcome: null,
  describeBackup: 'before the update',
  acceptTurn: null,
  withdrawRequest: null,
  whoHoldsSite: { task: 'other', type: 'backup', who: 'somebody', since: '2026-11-24T03:00:00.000Z' },
  listBackups: { total: 0, backups: [] },
  readTaskLog: { lines: [], next: 0, ended: true },
  deliverNotice: { answer: '200 OK' },
  planBackups: { sites: [], more: false, backup: {}, prune: false, atOnce: 2 },
  pruneSite: { deleted: 0, waits: null },
};

/** What a restore or deploy without hooks does from its commit on, in order. */
export const FROM_THE_COMMIT = [
  'commitSwitch',
  'endMaintenance',
  'discardPrevious',
  'discardReplacedDatabase',
  'discardSpool',
  'closeTask',
] as const satisfies readonly Name[];

/** What preflight finds. */
export const PREFLIGHT = DEFAULTS.preflight;

/** What preflight finds for a site that may be shut for so long. */
export function preflightWithLimit(limitMs: number, answerWithinMs: number): { returns: unknown } {
  const { value, warnings } = DEFAULTS.preflight;
  return { returns: { value: { ...value, maintenance: { limitMs, answerWithinMs } }, warnings } };
}

export const ACTIVITY_NAMES = Object.keys(DEFAULTS) as Name[];
