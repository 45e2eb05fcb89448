import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { DEFAULT_DESCRIPTION, type TaskType, WORKFLOW_TYPES, isTaskIdOf, siteWorkflowId } from '../contract/names';
import {
  type BackupInput,
  type DeployInput,
  type RestoreInput,
  TASK_INPUT_SCHEMAS,
  type VerifyInput,
  deployInputSchema,
  restoreInputSchema,
} from '../contract/tasks';
import { type HookName, type Target, hooksSchema, siteUriSchema } from '../contract/target';
import { checkBackup } from '../core/preflight/check-backup';
import { checkDeploy } from '../core/preflight/check-deploy';
import { checkRestore } from '../core/preflight/check-restore';
import type { Note } from '../core/preflight/check-site';
import { assertOwn } from '../core/tasks/authority';
import { type Journal, markOf } from '../core/tasks/journal';
import { WORKFLOW_GRACE_MS } from '../core/tasks/maintenance-limit';
import { type Operation, listeningTo } from '../core/operation';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { type Reported, callerOf, lives, reported } from './step';

export interface PreflightRequest {
  type: TaskType;
  /** Id the task has, or is to have. */
  task: string;
  /** The workflow's input as it came; decoded here. */
  input: unknown;
}

const preflightRequestSchema = z.strictObject({
  type: z.enum(WORKFLOW_TYPES),
  task: z.string().max(300),
  input: z.unknown(),
});

/** By what a workflow ends the steps of a task that keep its site shut. */
export interface MaintenanceLimits {
  /** From the moment the site is shut until `maintenanceTimeLeft` is asked, ms. */
  limitMs: number;
  /** An answer that has not come by then does not come: whatever holds the steps holds it too, ms. */
  answerWithinMs: number;
}

const ANSWER_WITHIN_MS = 20_000;

/** What later decisions of the workflow rest on. */
export interface PreflightResult {
  site: string;
  description: string;
  attentionAfterMs: number;
  /** Absent in results of a Kedge whose workflows kept no limit. */
  maintenance?: MaintenanceLimits;
  /** Id of the backup that a restore goes back to or a deploy unpacks. */
  backup: string | null;
  /** Hooks the site has. */
  hooks: HookName[];
  /** The run it was looked at for; absent in results of a Kedge before. */
  runId?: string;
}

/** Activities that come before a task does anything. */
export function createPreflightActivities(deps: ActivityDependencies) {
  return {
    /**
     * Tasks of the site that were begun and never closed, and whose run is no more: their undo comes first.
     * @throws KedgeError SiteBusy when the run still lives
     */
    async findAbandonedTasks(request: { site: unknown }): Promise<string[]> {
      const { site } = decodeInput(z.object({ site: siteUriSchema }), request);
      const mine = callerOf().runId;
      const abandoned: string[] = [];
      for (const journal of await deps.journals.open(site)) {
        if (journal.runId === mine) continue;
        if (await lives(deps, journal)) {
          throw new KedgeError(
            'SiteBusy',
            `${site} is busy: ${journal.task} by ${journal.who} since ${journal.started}`,
            { site },
          );
        }
        abandoned.push(journal.task);
      }
      return abandoned;
    },

    /**
     * Decodes the input, begins the journal, resolves the target, and looks at everything that can be known to go wrong
     * before anything is changed. The target is kept in the journal.
     */
    async preflight(given: PreflightRequest): Promise<Reported<PreflightResult>> {
      const { cancellationSignal } = Context.current();
      const caller = callerOf();
      const request = decodeInput(preflightRequestSchema, given);
      const input = decodeInput(TASK_INPUT_SCHEMAS[request.type], request.input);
      if (caller.workflowId !== siteWorkflowId(input.site)) {
        throw new KedgeError(
          'WorkflowIdRefused',
          `a ${request.type} of ${input.site} was started as ${caller.workflowId}, not as ${siteWorkflowId(input.site)}`,
          { site: input.site },
        );
      }
      // Journals are found by it.
      if (!isTaskIdOf(request.task, input.site, request.type)) {
        const message = `${JSON.stringify(request.task)} is no id of a ${request.type} of ${input.site}`;
        throw new KedgeError('InputInvalid', message, { site: input.site });
      }
      // A run that another one came before has nothing to do but to take back.
      const known = await deps.journals.find(request.task);
      if (known) assertOwn(known, caller);
      const by = { task: request.task, runId: caller.runId };
      const asked = { type: request.type, input };
      const signature = await deps.requests.examine(asked, by);
      const archive = await archiveOf(deps, request);
      // Before the journal: an unknown site gets none.
      const resolved = await deps.resolveTarget(input.site);
      const description =
        'description' in input && typeof input.description === 'string' ? input.description : undefined;
      await deps.requests.use(asked, signature, by);
      const journal = await deps.journals.begin({
        task: request.task,
        site: input.site,
        type: request.type,
        who: input.who ?? 'unknown',
        description: description ?? null,
        requestKey: input.requestKey ?? null,
        nonce: signature?.nonce ?? null,
        ...caller,
        epoch: await deps.epochs.current(input.site),
        accepted: acceptedOf(input),
      });
      assertSameRequest(journal, request.type, signature?.nonce ?? null);
      const step = await deps.journals.beginStep(request.task, caller, 'preflight');
      const ref = { task: request.task };
      const attempt = { name: 'preflight', mark: `${markOf(step.journal)}/preflight`, revokes: 'step' } as const;
      return reported(deps, ref, attempt, cancellationSignal, async (whole) => {
        const { operation, warned } = listeningTo(whole);
        const begun = { request, archive, resolved, journal: step.journal };
        const { target } = await checkTask(deps, begun, operation, (found) => step.record(found));
        if (request.type === 'backup')
          await step.record({ warned: { preflight: [...deps.redact(warned, input.site)] } });
        await step.end();
        return {
          site: input.site,
          description: description ?? DEFAULT_DESCRIPTION,
          attentionAfterMs: deps.attentionAfterMs,
          maintenance: {
            limitMs: target.maintenanceLimitMs + WORKFLOW_GRACE_MS,
            answerWithinMs: ANSWER_WITHIN_MS,
          },
          backup: (await deps.journals.get(request.task)).source?.id ?? null,
          hooks: hooksSchema.keyof().options.filter((name) => target.hooks[name] !== undefined),
          runId: caller.runId,
        };
      });
    },
  };
}

/** A task that may go on, and what it was asked for. */
interface BegunTask {
  readonly request: PreflightRequest;
  /** What a deploy unpacks. */
  readonly archive: string | null;
  readonly resolved: Target;
  readonly journal: Journal;
}

/** Everything that can be known to stop it. @throws KedgeError */
async function checkTask(
  deps: ActivityDependencies,
  { request, archive, resolved, journal: { accepted } }: BegunTask,
  operation: Operation,
  note: Note,
): Promise<{ readonly target: Target }> {
  const replaceText = accepted?.replaceText ?? false;
  if (archive !== null) return checkDeploy(deps, resolved, { archive, replaceText }, operation, note);
  if (request.type !== 'restore')
    return checkBackup(deps, resolved, { quiesce: accepted?.quiesce ?? false }, operation, note);
  const { backup, leaveLogins = false } = decodeInput(restoreInputSchema, request.input);
  const noFence = accepted?.noFence ?? false;
  return checkRestore(deps, resolved, { backup, noFence, leaveLogins, replaceText }, operation, note);
}

/** The archive that a deploy may unpack; null for other tasks. @throws KedgeError FileRefused */
async function archiveOf(deps: ActivityDependencies, { type, input }: PreflightRequest): Promise<string | null> {
  if (type !== 'deploy') return null;
  const { site, archive } = decodeInput(deployInputSchema, input);
  return deps.requests.archivePath(site, archive);
}

/** A run does what it began with, and nothing else under the same name. @throws KedgeError RequestReplayed */
function assertSameRequest(journal: Journal, type: TaskType, nonce: string | null): void {
  if (journal.type === type && journal.nonce === nonce) return;
  throw new KedgeError('RequestReplayed', `${journal.task} began with another request`, {
    site: journal.site,
    state: 'this one changed nothing',
  });
}

/** What later steps ask the journal about the request, not their caller. */
function acceptedOf(input: BackupInput | RestoreInput | DeployInput | VerifyInput): Journal['accepted'] {
  const { quiesce, noFence, compression, replaceText } = input as Partial<BackupInput & RestoreInput & DeployInput>;
  return {
    quiesce: quiesce ?? false,
    noFence: noFence ?? false,
    compression: compression ?? 'zstd',
    ...(replaceText === undefined ? {} : { replaceText }),
  };
}
