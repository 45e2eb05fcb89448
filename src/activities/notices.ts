import { Context } from '@temporalio/activity';
import { type Delivery, deliverySchema } from '../contract/notices';
import type { Delivered } from '../core/notices/deliver';
import type { Operation } from '../core/operation';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';

const HEARTBEAT_INTERVAL_MS = 1_000;

/** The activity that tells receivers what was noticed. */
export function createNoticeActivities(deps: Pick<ActivityDependencies, 'master' | 'notices' | 'redact'>) {
  return {
    /**
     * Tells one receiver of a notice that was recorded on this master.
     * @throws KedgeError InputInvalid for any other; NoticeUndelivered, and what programs fail with
     */
    async deliverNotice(given: Delivery): Promise<Delivered> {
      const delivery = decodeInput(deliverySchema, given);
      const context = Context.current();
      const operation: Operation = {
        signal: context.cancellationSignal,
        mark: `notice-${delivery.notice}/${delivery.receiver}`,
        progress: () => undefined,
        log: { info: () => undefined, warn: () => undefined },
      };
      const heartbeats = setInterval(() => context.heartbeat(), HEARTBEAT_INTERVAL_MS);
      try {
        // Of an attempt whose worker was killed.
        await deps.master.endProcesses(operation.mark);
        return deps.redact(await deps.notices.deliver(delivery, operation));
      } finally {
        clearInterval(heartbeats);
      }
    },
  };
}
