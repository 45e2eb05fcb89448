import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { TypedSearchAttributes, defineSearchAttributeKey } from '@temporalio/common';
import { NO_VALUE, SEARCH_ATTRIBUTES, noticeWorkflowId } from '../contract/names';
import type { Notice } from '../contract/notices';
import { markdownText } from '../contract/printable';
import { durationText } from '../contract/units';
import { STUCK_ATTEMPTS } from './running';

const SITE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.site, 'KEYWORD');
const DEADLINE_MS = 10_000;
/** An undo that does not fail and takes longer hangs, or has very much to remove: somebody should look. */
const HANGS_AFTER_MS = 15 * 60_000;

/** Has workers of a master deliver a notice, once: one that was started before, and may have ended, is not started again. */
export async function startNotify(
  client: Client,
  taskQueue: string,
  notice: Notice,
  receivers: readonly string[],
): Promise<void> {
  const { id, site, event, state, message } = notice;
  const starting = client.withDeadline(Date.now() + DEADLINE_MS, () =>
    client.workflow.start('notify', {
      workflowId: noticeWorkflowId(id),
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      taskQueue,
      args: [{ notice: id, receivers }],
      ...(site === null ? {} : { typedSearchAttributes: new TypedSearchAttributes([{ key: SITE, value: site }]) }),
      staticSummary: `Tell of ${event} (${state})${site === null ? '' : ` of ${site}`}`,
      staticDetails: markdownText(message),
    }),
  );
  await starting.catch((error: unknown) => {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  });
}

/**
 * Why an open task does not go on: an undo that fails, or code that cannot carry its workflow on. Null for one that goes on, or runs no
 * more; undefined while Temporal does not say.
 */
export async function troubleOfRun(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<{ code: string | null; message: string } | null | undefined> {
  try {
    const described = client.workflow.getHandle(workflowId, runId);
    const { raw, searchAttributes } = await client.withDeadline(Date.now() + DEADLINE_MS, () => described.describe());
    if ((raw.pendingWorkflowTask?.attempt ?? 0) >= STUCK_ATTEMPTS)
      return {
        code: null,
        message: `the workflow ${workflowId} does not go on: its code fails again and again; was it begun by another version?`,
      };
    const step = searchAttributes[SEARCH_ATTRIBUTES.attention]?.[0];
    if (typeof step !== 'string' || step === NO_VALUE) return null;
    // By the clock alone attention is asked for of a step that merely takes long.
    const pending = raw.pendingActivities?.find(({ activityType }) => activityType?.name === step);
    const failed = pending?.lastFailure;
    const runsMs = Date.now() - Number(pending?.lastStartedTime?.seconds ?? Infinity) * 1000;
    if (!failed && runsMs < HANGS_AFTER_MS) return null;
    return {
      code: failed?.applicationFailureInfo?.type ?? null,
      message: `${step} in the workflow ${workflowId} cannot finish: ${failed?.message ?? `it has been running for ${durationText(runsMs)}`}`,
    };
  } catch (error) {
    return error instanceof WorkflowNotFoundError ? null : undefined;
  }
}
