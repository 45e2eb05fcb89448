import { KedgeError } from './errors';
import type { TaskType } from './names';
import type { RequestSignature } from './tasks';

/** What a signature is made over. */
export interface SignedRequest {
  readonly type: TaskType;
  /** The master the request is for. */
  readonly master: string;
  /** As it is sent. Its fields `task`, which the queue adds, and `signature` are not signed. */
  readonly input: object;
  readonly signature: Pick<RequestSignature, 'nonce' | 'expires' | 'waitTurn'>;
}

/**
 * The text whose UTF-8 bytes are signed: one JSON object in the canonical form of RFC 8785.
 * @throws KedgeError InputInvalid for an input that JSON cannot hold
 */
export function requestText({ type, master, input, signature }: SignedRequest): string {
  const { task: _task, signature: _signature, ...asked } = input as Record<string, unknown>;
  const { nonce, expires, waitTurn } = signature;
  return canonicalJson({ version: 1, master, type, input: asked, nonce, expires, waitTurn });
}

/**
 * JSON in the canonical form of RFC 8785: no white space, keys in the order of their UTF-16 code units, strings and numbers as
 * ECMAScript writes them. Fields that are undefined are left out, as they are on the wire.
 * @throws KedgeError InputInvalid
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) throw unsignable('half a surrogate pair');
  if (typeof value === 'number' && !Number.isFinite(value)) throw unsignable(String(value));
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object') throw unsignable(`a ${typeof value}`);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, field]) => `${canonicalJson(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

function unsignable(what: string): KedgeError {
  return new KedgeError('InputInvalid', `an input with ${what} in it cannot be signed`);
}
