import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { DEFAULT_DESCRIPTION, type TaskType, siteWorkflowId } from '../contract/names';
import { TASK_INPUT_SCHEMAS, deployInputSchema, restoreInputSchema } from '../contract/tasks';
import { type HookName, hooksSchema, siteUriSchema } from '../contract/target';
import {
  contentMarkOf,
  examineArchive,
  examineBackup,
  examineMaintenance,
  examineNewSite,
  examineSite,
  withAddresses,
} from '../core/tasks/examination';
import { type Journal, markOf } from '../core/tasks/journal';
import { assertRun } from '../core/tasks/journals';
import { sideBySide } from '../core/side-by-side';
import { type SpaceNeed, checkSpace } from '../core/tasks/space';
import type { ActivityDependencies } from './dependencies';
import { type Reported, reported } from './step';

export interface PreflightRequest {
  type: TaskType;
  /** Id the task has, or is to have. */
  task: string;
  /** The workflow's input as it came; decoded here. */
  input: unknown;
}

/** What later decisions of the workflow rest on. */
export interface PreflightResult {
  site: string;
  description: string;
  attentionAfterMs: number;
  /** Id of the backup that a restore goes back to or a deploy unpacks. */
  backup: string | null;
  /** Hooks the site has. */
  hooks: HookName[];
}

/** Activities that come before a task does anything. */
export function createPreflightActivities(deps: ActivityDependencies) {
  return {
    /**
     * Tasks of the site that were begun and never closed, and whose run is no more: their undo comes first.
     * @throws KedgeError SiteBusy when the run still lives
     */
    async findAbandonedTasks(request: { site: unknown }): Promise<string[]> {
      const site = decodeInput(siteUriSchema, request.site);
      const mine = Context.current().info.workflowExecution?.runId;
      const abandoned: string[] = [];
      for (const journal of await deps.journals.open(site)) {
        if (journal.runId === mine) continue;
        if (await deps.isRunning(journal.workflowId, journal.runId)) {
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
    async preflight(request: PreflightRequest): Promise<Reported<PreflightResult>> {
      const { info, cancellationSignal } = Context.current();
      const execution = info.workflowExecution;
      const input = decodeInput(TASK_INPUT_SCHEMAS[request.type], request.input);
      if (execution?.workflowId !== siteWorkflowId(input.site)) {
        throw new KedgeError(
          'WorkflowIdRefused',
          `a ${request.type} of ${input.site} was started as ${execution?.workflowId}, not as ${siteWorkflowId(input.site)}`,
          { site: input.site },
        );
      }
      // A run that another one came before has nothing to do but to take back.
      const known = await deps.journals.find(request.task);
      if (known) assertRun(known, execution.runId);
      const by = { task: request.task, runId: execution.runId };
      const asked = { type: request.type, input };
      const signature = await deps.requests.examine(asked, by);
      const archive = await archiveOf(deps, request);
      // Before the journal: an unknown site gets none.
      const resolved = await deps.resolveTarget(input.site);
      const description =
        'description' in input && typeof input.description === 'string' ? input.description : undefined;
      await deps.requests.use(asked, signature, by);
      const begun = await deps.journals.begin({
        task: request.task,
        site: input.site,
        type: request.type,
        who: input.who ?? 'unknown',
        description: description ?? null,
        requestKey: input.requestKey ?? null,
        nonce: signature?.nonce ?? null,
        workflowId: execution.workflowId,
        runId: execution.runId,
        epoch: await deps.epochs.current(input.site),
      });
      assertSameRequest(begun, request.type, signature?.nonce ?? null);
      const ref = { task: request.task };
      const attempt = { name: 'preflight', mark: `${markOf(begun)}/preflight`, revokes: 'step' } as const;
      return reported(deps, ref, attempt, cancellationSignal, async (operation) => {
        const record = (change: Partial<Journal>): Promise<Journal> =>
          deps.journals.record(request.task, execution.runId, change);
        const target = await withAddresses(deps, resolved, operation);
        const needs: SpaceNeed[] = [];
        if (archive !== null) {
          await record({ target });
          await examineNewSite(deps, target, operation);
          const checked = await examineArchive(deps, target, archive, operation);
          needs.push(...checked.needs);
          await record({ source: checked.source });
        } else {
          const state = await deps.states.get(input.site);
          await record({ target, before: state.current });
          const [examined, contentMark] = await sideBySide([
            examineSite(deps, target, state.current, operation),
            contentMarkOf(deps, target, operation),
          ]);
          needs.push(...examined.needs);
          await record({ notHeld: examined.notHeld, contentMark });
        }
        if (request.type === 'restore') {
          await examineMaintenance(deps, target, operation);
          const { backup } = decodeInput(restoreInputSchema, request.input);
          const checked = await examineBackup(deps, target, backup, operation);
          needs.push(...checked.needs);
          await record({ source: checked.source });
        }
        await checkSpace(deps.master, needs, target.site.uri);
        return {
          site: input.site,
          description: description ?? DEFAULT_DESCRIPTION,
          attentionAfterMs: deps.attentionAfterMs,
          backup: (await deps.journals.get(request.task)).source?.id ?? null,
          hooks: hooksSchema.keyof().options.filter((name) => target.hooks[name] !== undefined),
        };
      });
    },
  };
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

/** Decodes what a workflow was given. @throws KedgeError InputInvalid */
export function decodeInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const decoded = schema.safeParse(input);
  if (decoded.success) return decoded.data;
  throw new KedgeError(
    'InputInvalid',
    `the input is not valid: ${z.prettifyError(decoded.error).replaceAll('\n', '; ')}`,
  );
}
