import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { isNativeError } from 'node:util/types';
import { KedgeError } from '../../contract/errors';
import { type Notice, type Webhook, hasSecrets, whyNoAddress } from '../../contract/notices';
import { printable, printableJson } from '../../contract/printable';
import type { SecretReference } from '../../contract/target';
import { firstBytes } from '../first-bytes';
import { withoutSecrets } from '../secrets/redaction';

const TIME_LIMIT_MS = 30_000;
/** Of an answer, what tells a person why it was refused. */
const READ_BYTES = 4_096;
const SHOWN_CHARACTERS = 300;

export interface WebhookParts {
  /** @throws KedgeError SecretUnavailable, OwnerRefused */
  readSecret(reference: SecretReference): Promise<string>;
  /** Default 30 s. */
  readonly timeLimitMs?: number;
}

/**
 * Sends a notice by POST, as JSON. Taken is what is answered with 2xx; redirects are not followed, for secrets go to nobody who is
 * not named. Returns what was answered, in one line.
 * @throws KedgeError NoticeUndelivered, without path, query and secrets of the request; SecretUnavailable, OwnerRefused; the signal's reason
 */
export async function post(
  notice: Notice,
  { url, headers }: Webhook,
  parts: WebhookParts,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { timeLimitMs = TIME_LIMIT_MS } = parts;
  const secrets: string[] = [];
  const resolve = async (value: string | SecretReference): Promise<string> => {
    if (typeof value === 'string') return value;
    const secret = await parts.readSecret(value);
    secrets.push(secret);
    return secret;
  };
  const address = await resolve(url);
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    sent[name.toLowerCase()] = await resolve(value);
    if (!/^[\x20-\x7e\x80-\xff]*$/.test(sent[name.toLowerCase()] ?? ''))
      throw undelivered(`the secret of its header ${name} is no text that a header can hold`);
  }
  const why = whyNoAddress(address, hasSecrets(headers) || typeof url !== 'string');
  if (why !== null) throw undelivered(`its url cannot be used: ${why}`);
  const target = new URL(address);
  // All of an address that is a secret is one, but for the host.
  if (typeof url !== 'string') secrets.push(`${target.pathname}${target.search}`);
  const shown = (text: string): string => printable(withoutSecrets(text, secrets)).slice(0, SHOWN_CHARACTERS);

  const timeLimit = AbortSignal.timeout(timeLimitMs);
  try {
    const response = await send(target, sent, notice, AbortSignal.any([signal, timeLimit]));
    const status = response.statusCode ?? 0;
    const answer = `${status} ${response.statusMessage ?? ''}`.trim();
    const said =
      (await firstBytes(response, READ_BYTES))
        .toString('utf8')
        .split(/[\r\n]+/)
        .find(Boolean) ?? '';
    if (status >= 200 && status < 300) return shown(said === '' ? answer : `${answer}: ${said}`);
    if (status >= 300 && status < 400)
      throw undelivered(
        `${target.host} sent it elsewhere (${shown(`${answer}, to ${originOf(response, target)}`)}), where nothing is sent to`,
      );
    throw undelivered(`${target.host} answered ${shown(said === '' ? answer : `${answer}: ${said}`)}`);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof KedgeError) throw cause;
    const reason = timeLimit.aborted ? `no whole answer within ${timeLimitMs / 1000} s` : shown(messageOf(cause));
    throw undelivered(`${target.host} did not take it: ${reason}`);
  }
}

function undelivered(why: string): KedgeError {
  return new KedgeError('NoticeUndelivered', `the webhook was not told: ${why}`);
}

function send(
  target: URL,
  headers: Record<string, string>,
  notice: Notice,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const body = Buffer.from(`${printableJson(notice)}\n`);
  return new Promise((resolve, reject) => {
    const outgoing = (target.protocol === 'https:' ? requestTls : request)(target, {
      method: 'POST',
      agent: false,
      headers: {
        'user-agent': 'Kedge',
        accept: '*/*',
        ...headers,
        'content-type': 'application/json',
        'content-length': body.length,
        'idempotency-key': notice.id,
        connection: 'close',
      },
      signal,
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Where a redirect leads, without what may be a secret in it. */
function originOf({ headers }: IncomingMessage, from: URL): string {
  const location = headers.location ?? '';
  return URL.canParse(location, from.href) ? new URL(location, from).origin : 'an address that is none';
}

function messageOf(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  // Of several addresses that were tried none has a message of its own.
  const { message, name } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : name;
  return message === '' ? code : message;
}
