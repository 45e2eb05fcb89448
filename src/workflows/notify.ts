import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { ErrorCode } from '../contract/error-codes';
import { noticeWorkflowId, promptQueueOf } from '../contract/names';
import { MAXIMUM_TEXT_BYTES, TOLD, shortened } from '../contract/payload-bounds';
import { markdownText } from '../contract/printable';

/** What tells receivers of a notice. The notice itself stays on the master. */
export interface NotifyInput {
  /** Its id. */
  notice: string;
  /** Names of receivers, of which each is told by itself. */
  receivers: string[];
}

/** What each receiver answered. */
export type NotifyResult = Record<string, string>;

const UNDELIVERED: ErrorCode = 'NoticeUndelivered';
/** Nobody recorded such a notice: no later attempt finds it. */
const FINAL = ['InputInvalid'] satisfies ErrorCode[];

/**
 * Tells each receiver of a notice, none of which waits for another. One that does not take it is asked again for a day.
 * @throws ApplicationFailure NoticeUndelivered, with all who did not take it
 */
export async function notify(given: NotifyInput): Promise<NotifyResult> {
  const { notice, receivers } = acceptNotify(given);
  const answers: NotifyResult = {};
  const failures: string[] = [];
  const lines = new Map(receivers.map((receiver) => [receiver, 'is being told']));
  const show = (): void =>
    setCurrentDetails([...lines].map(([name, line]) => `- **${markdownText(name)}** ${line}`).join('\n'));
  show();
  await Promise.all(
    receivers.map(async (receiver) => {
      try {
        const { answer, passedOver } = await telling(receiver).deliverNotice({ notice, receiver });
        answers[receiver] = passedOver ?? answer ?? '';
        lines.set(receiver, passedOver === undefined ? 'took it' : markdownText(passedOver));
      } catch (error) {
        if (isCancellation(error)) throw error;
        const why = reasonOf(error);
        failures.push(`${receiver}: ${why}`);
        lines.set(receiver, `did not take it: ${markdownText(why)}`);
      }
      show();
    }),
  );
  if (failures.length === 0) return answers;
  throw ApplicationFailure.create({
    type: UNDELIVERED,
    message: shortened(`not all took the notice: ${failures.join('; ')}`, MAXIMUM_TEXT_BYTES),
    nonRetryable: true,
  });
}

/** A receiver that is away may be back within the day; then what it would be told is old. */
function telling(receiver: string): Pick<Activities, 'deliverNotice'> {
  return proxyActivities<Pick<Activities, 'deliverNotice'>>({
    summary: `Tell ${receiver}`,
    // However many heavy steps run.
    taskQueue: promptQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: '2 minutes',
    scheduleToCloseTimeout: '1 day',
    heartbeatTimeout: '10 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '5 seconds', maximumInterval: '15 minutes', nonRetryableErrorTypes: FINAL },
  });
}

function reasonOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? (error.cause ?? error) : error;
  return shortened(cause instanceof Error ? cause.message : String(cause), MAXIMUM_REASON_BYTES);
}

const MAXIMUM_REASON_BYTES = 500;

/** @throws ApplicationFailure InputInvalid, WorkflowIdRefused: another error would leave it running and stuck */
function acceptNotify(given: unknown): NotifyInput {
  const { notice, receivers } = (typeof given === 'object' && given !== null ? given : {}) as Partial<NotifyInput>;
  if (typeof notice !== 'string' || !/^[0-9a-f]{24}$/.test(notice)) throw refusal('InputInvalid', 'notice is no id');
  const isName = (name: unknown): boolean => typeof name === 'string' && name.length <= 300;
  if (!Array.isArray(receivers) || receivers.length > TOLD || !receivers.every(isName))
    throw refusal('InputInvalid', `receivers is no list of at most ${TOLD} names`);
  const { workflowId } = workflowInfo();
  if (workflowId !== noticeWorkflowId(notice))
    throw refusal('WorkflowIdRefused', `the notice was started as ${workflowId}, not as ${noticeWorkflowId(notice)}`);
  return { notice, receivers };
}

function refusal(type: ErrorCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
