import { KedgeError } from '../../contract/errors';
import type { Delivery, NamedReceiver, Notice } from '../../contract/notices';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { NoticeFile } from './notice-states';
import { runProgram } from './program';
import { type WebhookParts, post } from './webhook';

export interface TellingParts extends WebhookParts {
  readonly master: Host;
}

/**
 * Tells one receiver. Returns what it answered, in one line, without the secrets of the request.
 * @throws KedgeError NoticeUndelivered, SecretUnavailable, OwnerRefused, ProgramMissing, ProgramFailed, ProgramTimedOut, ProgramKilled
 */
export async function tellReceiver(
  { command, webhook, name }: NamedReceiver,
  notice: Notice,
  parts: TellingParts,
  operation: Operation,
): Promise<string> {
  if (webhook) return post(notice, webhook, parts, operation.signal);
  if (command) return runProgram(notice, command, parts, operation);
  throw new KedgeError('Internal', `the receiver ${name} is neither a program nor a webhook`);
}

export interface DeliveryParts extends TellingParts {
  readonly file: Pick<NoticeFile, 'find' | 'amend'>;
  /** As the configuration names them now. */
  receivers(): Promise<readonly NamedReceiver[]>;
}

/** What came of a delivery, for who looks in Temporal. */
export interface Delivered {
  /** What the receiver answered; null where it was not asked. */
  answer: string | null;
  /** Why it was not asked. */
  passedOver?: string;
}

/**
 * Delivers a notice that was recorded on this master to one of those it was recorded for. A receiver that took it is not told again; one
 * that died in between may be.
 * @throws KedgeError InputInvalid for a notice that nobody recorded here, or not for this receiver; as {@link tellReceiver}
 */
export async function deliver(
  { notice: id, receiver: name }: Delivery,
  parts: DeliveryParts,
  operation: Operation,
): Promise<Delivered> {
  const recorded = await parts.file.find(id);
  if (!recorded?.receivers.includes(name))
    throw new KedgeError('InputInvalid', `there is no notice ${id} for ${JSON.stringify(name)} on this master`, {
      hint: 'Look who else reaches Temporal: Kedge itself asks for none that it did not record.',
    });
  if (recorded.delivered.includes(name)) return { answer: null, passedOver: 'it took the notice before' };
  const receiver = (await parts.receivers()).find((one) => one.name === name);
  if (!receiver) return { answer: null, passedOver: 'the configuration names it no more' };
  const answer = await tellReceiver(receiver, recorded.notice, parts, operation);
  await parts.file.amend(id, (one) => ({ ...one, delivered: [...new Set([...one.delivered, name])] }));
  return { answer };
}
