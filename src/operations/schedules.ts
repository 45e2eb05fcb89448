import type { KedgeClient } from '../client';
import { selectionOfSchedule } from '../config/backup-run';
import type { Configuration } from '../config/schema';
import { selectSites } from '../config/selection';
import { wantedSchedulesOf } from '../config/wanted-schedules';
import type { ListedSchedule } from '../contract/documents';
import type { ScheduleDifference, ScheduledRun } from '../temporal/schedules';

/**
 * What is to be changed for Temporal to have the schedules of the configuration.
 * @throws KedgeError ConfigurationInvalid where somebody else's schedule has the ID of one; TemporalUnreachable
 */
export async function compareSchedules(
  client: KedgeClient,
  configuration: Configuration,
): Promise<ScheduleDifference[]> {
  return (await schedulesOf(client, configuration)).compare(wantedSchedulesOf(configuration));
}

/**
 * Makes differences good, one after the other.
 * @throws KedgeError ConfigurationInvalid for what Temporal does not take; TemporalUnreachable. Those before it are made good.
 */
export async function applySchedules(
  client: KedgeClient,
  configuration: Configuration,
  differences: readonly ScheduleDifference[],
): Promise<void> {
  const schedules = await schedulesOf(client, configuration);
  for (const difference of differences) await schedules.apply(difference, wantedSchedulesOf(configuration));
}

/** Next runs that are told. */
const NEXT_RUNS = 5;

/**
 * The schedules of the configuration, and those that Temporal has besides of this master's, in the order of their names.
 * @throws KedgeError TemporalUnreachable
 */
export async function listSchedules(client: KedgeClient, configuration: Configuration): Promise<ListedSchedule[]> {
  const { cronTextOf } = await import('../temporal/schedules.js');
  const schedules = await schedulesOf(client, configuration);
  const wanted = wantedSchedulesOf(configuration);
  const differing = new Map((await schedules.compare(wanted)).map(({ name, change }) => [name, change]));
  const listed: ListedSchedule[] = [];
  for (const name of new Set([...wanted.map((one) => one.name), ...differing.keys()].sort())) {
    const configured = Object.hasOwn(configuration.schedules, name) ? configuration.schedules[name] : undefined;
    const inTemporal = await schedules.get(name);
    if (configured === undefined && inTemporal === undefined) continue;
    listed.push({
      name,
      cron: configured?.cron.text ?? (inTemporal ? cronTextOf(inTemporal) : ''),
      timeZone: configured?.timeZone ?? inTemporal?.spec.timezone ?? 'UTC',
      sites: configured ? selectSites(configuration, selectionOfSchedule(configured)) : [],
      inTemporal: stateOf(configured !== undefined, differing.get(name)),
      paused: inTemporal?.state.paused ? (inTemporal.state.note ?? '') : null,
      next: (inTemporal?.info.nextActionTimes ?? []).slice(0, NEXT_RUNS).map((time) => time.toISOString()),
      last: inTemporal ? lastOf(await schedules.lastRun(inTemporal)) : null,
      missed: inTemporal?.info.numActionsMissedCatchupWindow ?? 0,
      skipped: inTemporal?.info.numActionsSkippedOverlap ?? 0,
    });
  }
  return listed;
}

function stateOf(
  isConfigured: boolean,
  change: ScheduleDifference['change'] | undefined,
): ListedSchedule['inTemporal'] {
  if (!isConfigured) return 'left over';
  if (change === undefined) return 'applied';
  return change === 'new' ? 'missing' : 'differs';
}

function lastOf(run: ScheduledRun | null): ListedSchedule['last'] {
  if (run === null) return null;
  const { workflowId, started, outcome, result, error } = run;
  if (result === null) return { workflowId, started: started.toISOString(), outcome, counts: null, error };
  const { done, warned, failed, pruned } = result;
  const ended = failed > 0 ? 'failed' : warned > 0 ? 'warnings' : 'done';
  return {
    workflowId,
    started: started.toISOString(),
    outcome: ended,
    counts: { done, warned, failed, pruned },
    error,
  };
}

/** Loaded when it is needed: Temporal's client takes its time. */
async function schedulesOf({ temporal }: KedgeClient, { master }: Configuration) {
  const { MasterSchedules } = await import('../temporal/schedules.js');
  return new MasterSchedules(temporal, master);
}
