import { createHmac, randomUUID } from 'node:crypto';
import { KedgeError } from '../contract/errors';
import type { TaskType } from '../contract/names';
import { requestText } from '../contract/request-text';
import type { RequestSignature } from '../contract/tasks';

export interface SigningOptions {
  /** The master the request is for, by its name in the configuration. */
  readonly master: string;
  /** The signing key of the master, as its file has it: at least 32 characters. A newline at the end is no part of it. */
  readonly key: string;
  /** How long from now the request may be submitted, ms. Default ten minutes, at most a day. */
  readonly validForMs?: number;
  /** Whether a turn that was accepted in time may begin later: for requests that wait for a busy site. Default false. */
  readonly waitTurn?: boolean;
}

const DEFAULT_VALIDITY_MS = 10 * 60_000;

/**
 * The input of a task with a signature, for masters that demand one. It is good for one task: a request that is made
 * again is signed again.
 * @throws KedgeError SecretUnavailable for a key that is too short, InputInvalid
 */
export function signRequest<Input extends object>(
  type: TaskType,
  input: Input,
  { master, key, validForMs = DEFAULT_VALIDITY_MS, waitTurn = false }: SigningOptions,
): Input & { signature: RequestSignature } {
  const secret = key.replace(/\r?\n$/, '');
  if (Buffer.byteLength(secret) < MINIMUM_KEY_BYTES)
    throw new KedgeError('SecretUnavailable', `the signing key is shorter than ${MINIMUM_KEY_BYTES} characters`, {
      hint: 'Take the whole text of the file that requests.key of the configuration names.',
    });
  const terms = { nonce: randomUUID(), expires: new Date(Date.now() + validForMs).toISOString(), waitTurn };
  const hmac = createHmac('sha256', secret)
    .update(requestText({ type, master, input, signature: terms }))
    .digest('hex');
  return { ...input, signature: { ...terms, hmac } };
}

const MINIMUM_KEY_BYTES = 32;
