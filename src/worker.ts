import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { version as release } from '../package.json';
import { createActivities } from './activities';
import { Attempts } from './activities/attempts';
import type { ActivityDependencies } from './activities/dependencies';
import { EventInterceptor, type WorkerEvent } from './activities/events';
import { FailureInterceptor } from './activities/failures';
import { lives } from './activities/step';
import { type CompositionOptions, type MasterParts, createParts } from './composition';
import type { Configuration } from './config/schema';
import { KedgeError } from './contract/errors';
import { taskQueueOf } from './contract/names';
import { printable } from './contract/printable';
import type { Lookout } from './core/notices/lookout';
import type { Log, Operation } from './core/operation';
import { forgetOldTasks } from './core/tasks/retention';
import type { Problem } from './core/recovery/problem';
import { Reminders } from './core/recovery/reminders';
import { Watchdog } from './core/recovery/watchdog';
import { createLookout } from './lookout';
import { connectClient } from './temporal/connection';
import { LeftAlone } from './temporal/left-alone';
import { outcomeOf } from './temporal/outcome';
import { pausedSteps } from './temporal/pauses';
import { workerIdentity } from './temporal/pollers';
import { recoverOpenTasks } from './temporal/recovery';
import { isStuck, runStateOf, temporalAnswers, whoRuns } from './temporal/running';
import { installRuntime } from './temporal/runtime';
import { SdkMetrics } from './temporal/sdk-metrics';
import { checkSearchAttributes } from './temporal/search-attributes';
import { TaskWorkers } from './temporal/task-workers';
import { connectWorker } from './temporal/worker-connection';
import { WorkerVersioning, workerVersionOf } from './temporal/worker-version';
import { WORKFLOW_BUNDLE } from './temporal/workflow-bundle';
import { WorkerMetrics } from './worker-metrics';

export interface WorkerOptions {
  configuration: Configuration;
  /** Read again whenever something is asked of it. */
  configurationPath: string;
  environment: Record<string, string | undefined>;
  /** Called when the worker takes tasks. */
  onReady?: () => void;
  /** Called when a task begins or ends, and when a step fails. */
  onEvent?: (event: WorkerEvent) => void;
  /** Called with what an administrator is to know meanwhile, a sentence each. */
  onNotice?: (text: string) => void;
  /** Ends the worker: steps that do not end soon are handed over. */
  signal: AbortSignal;
  /** How many steps of each kind run at one time. Default: what {@link TaskWorkers} takes. */
  places?: number;
  /** Tests put faults around the parts. */
  decorate?: (dependencies: ActivityDependencies) => ActivityDependencies;
}

/**
 * Runs the worker of a master until it is told to stop. Whatever fails meanwhile ends it: steps are handed over first, then
 * all that was opened is closed, and the error is that of what failed first.
 * @throws KedgeError TemporalUnreachable, ConfigurationInvalid, WorkerVersionRefused; ConfigurationChanged once the file names another master or state
 *   folder, and no task is open that this worker has to end
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { master, metrics: measured, worker: how } = options.configuration;
  const sdk = measured === undefined ? null : new SdkMetrics();
  installRuntime(sdk);
  const opened = new Opened();
  try {
    const client: Client = await connectClient(options.environment);
    opened.add(() => client.connection.close());
    const { connection, namespace } = await connectWorker(options.environment);
    opened.add(() => connection.close());
    await checkSearchAttributes(client.connection, namespace);
    const dependencies = createDependencies(options, client);
    opened.add(() => dependencies.close());
    opened.add(() => dependencies.stopSweeping());
    const taskQueue = taskQueueOf(master);
    const code = await readFile(WORKFLOW_BUNDLE, 'utf8');
    const version = how.versioning ? workerVersionOf(master, release, code) : null;
    const tell = tellerOf(options);
    const workers = await TaskWorkers.create({
      connection,
      namespace,
      taskQueue,
      workflowBundle: { code },
      version,
      activities: createActivities(options.decorate?.(dependencies) ?? dependencies),
      identity: workerIdentity(master),
      interceptors: {
        // The first stands outside of the second.
        activity: [
          () => ({ inbound: new EventInterceptor(options.onEvent ?? (() => undefined)) }),
          () => ({ inbound: new FailureInterceptor((text, site) => dependencies.redact(text, site)) }),
        ],
      },
      ...(options.places === undefined ? {} : { places: options.places }),
    });
    const running = workers.run();
    const shutDown = (): void => workers.shutDown();
    opened.add(async () => {
      shutDown();
      // What it ended with is told by whoever waits for it.
      await running.catch(() => undefined);
    });
    options.signal.addEventListener('abort', shutDown, { once: true });
    const watching = watch(dependencies, client);
    opened.add(() => watching.stop());
    let outdated: KedgeError | null = null;
    if (measured) {
      const about = { master, version: release };
      const metrics = new WorkerMetrics({ listen: measured.listen, about, parts: dependencies, sdk, tell });
      opened.add(() => metrics.close());
    }
    const comparing = compareConfiguration(dependencies, tell, (error) => {
      outdated = error;
      shutDown();
    });
    opened.add(() => comparing.stop());
    const versioning = new WorkerVersioning(client, { namespace, master, version }, tell);
    const starting = (async () => {
      // Before anything says that this worker takes tasks: until then nobody gives it any.
      await versioning.makeCurrent(options.signal);
      const leftAlone = new LeftAlone(
        dependencies.journals,
        {
          isStuck: (workflowId, runId) => isStuck(client, workflowId, runId),
          pausedSteps: (workflowId, runId) => pausedSteps(client, workflowId, runId),
        },
        {
          tell: (text) => tell(printable(dependencies.redact(text))),
          log: (task, step, text) => dependencies.logs.of(task, step, 1).warn(text, { event: 'paused' }),
        },
      );
      const recover = async (): Promise<void> => {
        await leftAlone.look();
        await recoverOpenTasks(client, taskQueue, {
          open: () => dependencies.journals.open(),
          lives: (journal) => lives(dependencies, journal),
        });
        await versioning.look();
      };
      await recover();
      const recovering = repeat(
        'the recovery',
        { everyMs: RECOVERY_INTERVAL_MS, atOnce: false, dependencies },
        recover,
      );
      opened.add(() => recovering.stop());
      const sweeping = sweepHourly(dependencies);
      opened.add(() => sweeping.stop());
      const noticing = notice(dependencies);
      opened.add(() => noticing.stop());
      options.onReady?.();
      if (options.signal.aborted) shutDown();
    })();
    // The worker may fail before all of it has begun.
    await Promise.race([running, starting]);
    await running;
    if (outdated !== null) throw outdated as KedgeError;
  } finally {
    await opened.close();
  }
}

/** What was opened, closed in the opposite order. What cannot be closed is a warning: it must not hide why everything ends. */
class Opened {
  private readonly closers: (() => Promise<void>)[] = [];
  private closed = false;

  /** What is opened after the end is closed at once. */
  add(close: () => Promise<void>): void {
    if (this.closed) void attempt(close);
    else this.closers.push(close);
  }

  async close(): Promise<void> {
    this.closed = true;
    for (let close = this.closers.pop(); close; close = this.closers.pop()) await attempt(close);
  }
}

async function attempt(close: () => Promise<void>): Promise<void> {
  await close().catch((error: unknown) => process.emitWarning(`closing failed: ${String(error)}`, 'KedgeWorker'));
}

/** What activities act through: the master's parts, and Temporal. */
function createDependencies(
  options: CompositionOptions & Pick<WorkerOptions, 'onNotice'>,
  client: Client,
): ActivityDependencies &
  Pick<MasterParts, 'sweeper' | 'requestRecords' | 'configuration' | 'close'> & {
    stopSweeping(): Promise<void>;
    lookout: Lookout;
  } {
  const parts = createParts(options);
  const afterTasks = new AfterTasks(parts);
  const lookout = createLookout(parts, options.configuration.master, client, tellerOf(options));
  return {
    ...parts,
    lookout,
    afterTask: (task) => {
      afterTasks.sweep(task);
      void lookout.look();
    },
    stopSweeping: () => afterTasks.stop(),
    attempts: new Attempts(),
    runStateOf: (workflowId, runId) => runStateOf(client, workflowId, runId),
    outcomeOf: (site, runId) => outcomeOf(client, site, runId),
    whoRuns: (workflowId) => whoRuns(client, workflowId),
    pauseOf: async (workflowId, runId, activityId) => {
      const asking = client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => pausedSteps(client, workflowId, runId));
      const steps = await asking.catch(() => []);
      return steps.find((step) => step.activityId === activityId)?.pause ?? null;
    },
    attentionAfterMs: 60_000,
  };
}

/** Looks for what receivers are told of: now, and every minute, besides after each task. */
function notice(dependencies: ReturnType<typeof createDependencies>): Repeated {
  return repeat('the look for notices', { everyMs: NOTICE_INTERVAL_MS, atOnce: true, dependencies }, () =>
    dependencies.lookout.look(),
  );
}

function tellerOf({ onNotice }: Pick<WorkerOptions, 'onNotice'>): (text: string) => void {
  return onNotice ?? ((text) => process.emitWarning(text, 'KedgeWorker'));
}

const NOTICE_INTERVAL_MS = 60_000;
/** What only says more of what is known is not waited for. */
const ANSWER_WITHIN_MS = 3_000;
const WATCH_INTERVAL_MS = 5_000;
/** A workflow may be ended by somebody, and be forgotten by a Temporal that came back from an old copy. */
const RECOVERY_INTERVAL_MS = 60_000;
const SWEEP_INTERVAL_MS = 3_600_000;

/** Looks now and then after sites whose maintenance nobody ends. */
function watch(dependencies: ActivityDependencies, client: Client): Repeated {
  const { attempts } = dependencies;
  const parts = {
    ...dependencies,
    revoke: (task: string, reason: KedgeError) => attempts.revoke(task, undefined, reason),
  };
  const watchdog = new Watchdog(parts, () => temporalAnswers(client));
  const repeated = repeat('the watchdog', { everyMs: WATCH_INTERVAL_MS, atOnce: false, dependencies }, (signal) =>
    watchdog.look((task) => backgroundOperation(signal, `watchdog/${task}`, dependencies.logs.of(task, 'watchdog', 1))),
  );
  return {
    async stop() {
      await repeated.stop();
      await watchdog.settled();
    },
  };
}

/**
 * Says that the configuration names another master or state folder than this worker stands on: it begins no task then. Ends the
 * worker when no task is open any more.
 */
function compareConfiguration(
  dependencies: ReturnType<typeof createDependencies>,
  tell: (text: string) => void,
  end: (error: KedgeError) => void,
): Repeated {
  const { configuration, journals } = dependencies;
  let told: string | null = null;
  return repeat(
    'the look at the configuration',
    { everyMs: WATCH_INTERVAL_MS, atOnce: false, dependencies },
    async () => {
      const change = await configuration.change();
      if (change !== null && change !== told) tell(`${change}. No task begins any more: start the worker again`);
      told = change;
      if (change !== null && (await journals.open()).length === 0) end(new KedgeError('ConfigurationChanged', change));
    },
  );
}

/** Removes what closed tasks and crashes left, and forgets tasks of long ago: now, and every hour. */
function sweepHourly(dependencies: ReturnType<typeof createDependencies>): Repeated {
  const { sweeper, journals, logs, requestRecords, configuration } = dependencies;
  const reminders = new Reminders();
  return repeat('the sweeper', { everyMs: SWEEP_INTERVAL_MS, atOnce: true, dependencies }, async (signal) => {
    const problems = await sweepNow(dependencies, signal);
    tellProblems(dependencies, reminders.due(problems, performance.now()));
    const isSettled = (task: string): boolean => sweeper.isSettled(task);
    const { keep: keepMs, newest } = (await configuration.current()).tasks;
    await forgetOldTasks({ journals, logs, isSettled }, { keepMs, newest }, new Date());
    await requestRecords.forgetOld(new Date());
  });
}

/** Removes what tasks and crashes left: of one closed task, or of all. Returns what cannot be removed or looked at. */
async function sweepNow(
  { sweeper, logs }: Pick<MasterParts, 'sweeper' | 'logs'>,
  signal: AbortSignal,
  only?: string,
): Promise<readonly Problem[]> {
  const silent = { info: () => undefined, warn: () => undefined };
  const { problems } = await sweeper.sweep(
    (task) => backgroundOperation(signal, `sweep/${task}`, task === null ? silent : logs.of(task, 'sweep', 1)),
    only,
  );
  return problems;
}

/** Warnings of the process. */
function tellProblems({ redact }: Pick<MasterParts, 'redact'>, problems: readonly Problem[]): void {
  for (const { text } of problems) process.emitWarning(printable(redact(text)), 'KedgeSweeper');
}

/** Looks right after each task for what it left, which nobody waits for: the site is free meanwhile. */
class AfterTasks {
  private readonly end = new AbortController();
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly parts: Pick<MasterParts, 'sweeper' | 'logs' | 'redact'>) {}

  sweep(task: string): void {
    const sweeping = sweepNow(this.parts, this.end.signal, task)
      .then((problems) => tellProblems(this.parts, problems))
      .catch((error: unknown) => {
        if (this.end.signal.aborted) return;
        process.emitWarning(printable(this.parts.redact(`looking after ${task}: ${String(error)}`)), 'KedgeSweeper');
      })
      .finally(() => this.running.delete(sweeping));
    this.running.add(sweeping);
  }

  async stop(): Promise<void> {
    this.end.abort();
    await Promise.all(this.running);
  }
}

function backgroundOperation(signal: AbortSignal, mark: string, log: Log): Operation {
  return { signal, mark, progress: () => undefined, log };
}

interface RepeatOptions {
  readonly everyMs: number;
  readonly atOnce: boolean;
  readonly dependencies: Pick<ActivityDependencies, 'redact'>;
}

interface Repeated {
  stop(): Promise<void>;
}

/** Does `work` again and again until it is stopped. What it throws is a warning of the process. */
function repeat(
  what: string,
  { everyMs, atOnce, dependencies: { redact } }: RepeatOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Repeated {
  const stop = new AbortController();
  const repeating = (async () => {
    for (let isFirst = true; !stop.signal.aborted; isFirst = false) {
      if (!isFirst || !atOnce) await delay(everyMs, undefined, { signal: stop.signal, ref: false });
      await work(stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted)
          process.emitWarning(printable(redact(`${what} failed: ${String(error)}`)), 'KedgeWorker');
      });
    }
  })().catch(() => undefined);
  return {
    async stop() {
      stop.abort();
      await repeating;
    },
  };
}
