import { type Client, type WorkflowExecutionInfo, isGrpcServiceError } from '@temporalio/client';
import type { Complaint } from '../contract/findings';
import { KedgeError } from '../contract/errors';
import { NO_VALUE, SEARCH_ATTRIBUTES } from '../contract/names';
import { pausedText, unpauseCommand } from '../contract/step-pause';
import { findForeignWorkflows } from './foreign-workflows';
import { pauseOf } from './pauses';
import { describeQueue, sameVersion } from './pollers';
import type { WantedSchedule } from '../contract/schedules';
import { STUCK_ATTEMPTS } from './running';
import { isLoopback, listensBeyondLoopback } from './listeners';
import { MasterSchedules } from './schedules';
import { checkSearchAttributes } from './search-attributes';

/** The Temporal of a master, connected. */
export interface ConnectedTemporal {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
  readonly tls: boolean;
  readonly master: string;
  /** The queue of the master. */
  readonly taskQueue: string;
  /** Those of the configuration. */
  readonly sites: readonly string[];
  /** Those of the configuration. */
  readonly schedules: readonly WantedSchedule[];
}

interface TemporalCheck {
  readonly check: string;
  readonly limitMs?: number;
  readonly after?: readonly string[];
  run(temporal: ConnectedTemporal): Promise<readonly Complaint[]>;
}

/** Checks of Temporal, for those who reach it. */
export const TEMPORAL_CHECKS: readonly TemporalCheck[] = [
  { check: 'temporal-tls', run: checkTls },
  { check: 'temporal-namespace', run: checkNamespace },
  { check: 'temporal-search-attributes', after: ['temporal-namespace'], run: checkAttributes },
  { check: 'temporal-worker', after: ['temporal-namespace'], run: checkWorker },
  { check: 'temporal-site-ids', after: ['temporal-namespace'], limitMs: 120_000, run: checkSiteIds },
  { check: 'temporal-workflows', after: ['temporal-namespace'], run: checkWorkflows },
  { check: 'temporal-schedules', after: ['temporal-namespace'], run: checkSchedules },
];

const HOUR_SECONDS = 3600;
/** Long enough to look into a task after a weekend. */
const LEAST_RETENTION_HOURS = 72;

/** Who reaches Temporal can start tasks, so nobody else may: neither on the way nor at this machine's door. */
async function checkTls({ address, tls }: ConnectedTemporal): Promise<readonly Complaint[]> {
  if (tls) return [];
  const hint = 'Let it listen on 127.0.0.1 alone, or use TLS (TEMPORAL_TLS and its certificates).';
  if (!isLoopback(address))
    return [{ level: 'warning', message: `Temporal at ${address} is reached without TLS`, hint }];
  const port = Number(/:(\d+)$/.exec(address)?.[1] ?? 7233);
  if (!(await listensBeyondLoopback(port))) return [];
  return [
    {
      level: 'warning',
      message: `Temporal listens without TLS at port ${port} of more than this machine: whoever reaches it can start tasks`,
      hint,
    },
  ];
}

async function checkNamespace({ client, namespace }: ConnectedTemporal): Promise<readonly Complaint[]> {
  const described = await client.workflowService.describeNamespace({ namespace }).catch((error: unknown) => {
    if (isGrpcServiceError(error) && Number(error.code) === NOT_FOUND) return null;
    throw error;
  });
  if (described === null)
    return [
      {
        level: 'error',
        message: `Temporal has no namespace ${namespace}`,
        hint: `Run \`temporal operator namespace create --namespace ${namespace} --retention 30d\`, or set TEMPORAL_NAMESPACE.`,
      },
    ];
  const hours = Number(described.config?.workflowExecutionRetentionTtl?.seconds ?? 0) / HOUR_SECONDS;
  if (hours === 0 || hours >= LEAST_RETENTION_HOURS) return [];
  return [
    {
      level: 'warning',
      message: `the namespace ${namespace} forgets a workflow ${hours} hours after its end`,
      hint: `Run \`temporal operator namespace update --namespace ${namespace} --retention 30d\`.`,
    },
  ];
}

/** Of gRPC. */
const NOT_FOUND = 5;

async function checkAttributes({ client, namespace }: ConnectedTemporal): Promise<readonly Complaint[]> {
  await checkSearchAttributes(client.connection, namespace);
  return [];
}

async function checkWorker({ client, namespace, taskQueue }: ConnectedTemporal): Promise<readonly Complaint[]> {
  const { current, pollers } = await describeQueue(client, namespace, taskQueue);
  if (pollers.some(({ version }) => sameVersion(version, current))) return [];
  if (pollers.length === 0)
    return [
      {
        level: 'error',
        message: `no worker takes tasks from ${taskQueue}`,
        hint: 'Start one with `kedge worker`, or see why its service does not run.',
      },
    ];
  const named = current === null ? 'workers without a version' : `version ${current.buildId}`;
  return [
    {
      level: 'error',
      message: `no worker takes tasks from ${taskQueue}: they go to ${named}, of which none runs, and ${pollers.map(({ identity }) => identity).join(', ')} is given none`,
      hint: 'Start the worker that is to have them again: it takes the queue over when it starts.',
    },
  ];
}

/** What the configuration says of schedules holds once Temporal knows it. */
async function checkSchedules({ client, master, schedules }: ConnectedTemporal): Promise<readonly Complaint[]> {
  const own = new MasterSchedules(client, master);
  const differences = await own.compare(schedules);
  const said = {
    new: 'of the configuration is not in Temporal',
    changed: 'is not in Temporal as it is in the configuration',
    gone: 'is in Temporal, and not in the configuration',
  };
  return differences.map(({ name, change }) => ({
    level: 'warning',
    message: `the schedule ${name} ${said[change]}`,
    hint: 'Look at the differences and make them good by `kedge schedules apply`.',
  }));
}

/** The id of a site is its lock: whoever holds it keeps every task away. */
async function checkSiteIds({ client, taskQueue, sites }: ConnectedTemporal): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = [];
  for (const site of sites) {
    for (const { workflowId, why } of await findForeignWorkflows(client, taskQueue, site))
      complaints.push({
        level: 'error',
        message: `${workflowId} is held by a workflow that is not Kedge's: ${why}; no task of ${site} can begin`,
        hint: `\`kedge sites online ${site}\` ends it. See who else reaches Temporal.`,
      });
  }
  return complaints;
}

/** Running workflows whose code fails, steps that somebody paused, and undo that cannot finish. */
async function checkWorkflows({ client, taskQueue }: ConnectedTemporal): Promise<readonly Complaint[]> {
  // The name goes into a query.
  if (!/^kedge\/[a-z0-9.-]+$/.test(taskQueue))
    throw new KedgeError('ConfigurationInvalid', `${taskQueue} is no queue of a master`);
  const complaints: Complaint[] = [];
  const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  for await (const execution of client.workflow.list({ query }))
    complaints.push(...(await complaintsAbout(client, execution)));
  return complaints;
}

async function complaintsAbout(
  client: Client,
  { workflowId, runId, searchAttributes }: WorkflowExecutionInfo,
): Promise<Complaint[]> {
  const complaints: Complaint[] = [];
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
  const attempt = raw.pendingWorkflowTask?.attempt ?? 0;
  if (attempt >= STUCK_ATTEMPTS)
    complaints.push({
      level: 'error',
      message: `the workflow ${workflowId} is stuck: its workflow task is at attempt ${attempt}`,
      hint: `See why by \`temporal workflow show --workflow-id ${workflowId}\`; does the worker run the version that started it?`,
    });
  for (const pending of raw.pendingActivities ?? []) {
    const pause = pauseOf(pending);
    const step = pending.activityType?.name ?? '';
    if (pause !== null)
      complaints.push({
        level: 'warning',
        message: `${step} of the workflow ${workflowId} is ${pausedText(pause)}: it does not go on by itself`,
        hint: `Unpause it in the Temporal Web UI, or run \`${unpauseCommand(workflowId, step)}\`.`,
      });
  }
  const attention = searchAttributes[SEARCH_ATTRIBUTES.attention]?.[0];
  if (typeof attention === 'string' && attention !== NO_VALUE)
    complaints.push({
      level: 'error',
      message: `undo in the workflow ${workflowId} cannot finish: ${attention}`,
      hint: `Read \`kedge log ${workflowId.replace(/^site\//, '')}\`; undo goes on by itself once its reason is mended.`,
    });
  return complaints;
}
