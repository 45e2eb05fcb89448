import { randomBytes } from 'node:crypto';
import type { Configuration } from '../config/schema';
import { KedgeError, isKedgeError } from '../contract/errors';
import { type NamedReceiver, type Notice, namedReceivers, noticeOf } from '../contract/notices';
import type { Operation } from '../core/operation';

/** How a receiver took a test. */
export interface TestedReceiver {
  readonly receiver: string;
  /** What it answered, in one line, which may be empty; null where it did not take the notice. */
  readonly answer: string | null;
  readonly problem: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

interface TestParts {
  readonly notices: { tell(receiver: NamedReceiver, notice: Notice, operation: Operation): Promise<string> };
  redact<T>(value: T): T;
}

/**
 * The receivers that are meant: those of these names, or all.
 * @throws KedgeError ConfigurationInvalid where there is none, UsageInvalid for a name that none has
 */
export function receiversToTest({ notify }: Configuration, names: readonly string[]): NamedReceiver[] {
  const all = namedReceivers(notify);
  if (all.length === 0)
    throw new KedgeError('ConfigurationInvalid', 'the configuration names nobody who is told', {
      hint: 'Add `notify: [{ command: [/usr/local/sbin/page-me] }]` to kedge.yaml; kedge.example.yaml shows more.',
    });
  const unknown = names.filter((name) => !all.some((receiver) => receiver.name === name));
  if (unknown.length > 0)
    throw new KedgeError('UsageInvalid', `there is no receiver ${unknown.join(', ')}`, {
      hint: `There are: ${all.map(({ name }) => name).join(', ')}.`,
    });
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

/** Tells each of them a test, all at once, without Temporal. What they do not take is no error: it is in what is returned, in their order. */
export async function testReceivers(
  parts: TestParts,
  { master }: Pick<Configuration, 'master'>,
  receivers: readonly NamedReceiver[],
  operation: Operation,
): Promise<TestedReceiver[]> {
  const time = new Date().toISOString();
  const notice = noticeOf({
    ...{
      id: randomBytes(12).toString('hex'),
      event: 'test',
      state: 'firing',
      master,
      site: null,
      task: null,
      code: null,
    },
    ...{ message: `${master} tells whom it would tell what goes wrong`, hint: null, since: time, time },
  });
  return Promise.all(
    receivers.map(async (receiver) => {
      const mark = `${operation.mark}/${receiver.name}`;
      try {
        const answer = await parts.notices.tell(receiver, notice, { ...operation, mark });
        return { receiver: receiver.name, answer: parts.redact(answer), problem: null };
      } catch (error) {
        operation.signal.throwIfAborted();
        if (!isKedgeError(error)) throw error;
        const { code, message, hint } = error;
        return {
          receiver: receiver.name,
          answer: null,
          problem: { code, message: parts.redact(message), hint: parts.redact(hint) },
        };
      }
    }),
  );
}
