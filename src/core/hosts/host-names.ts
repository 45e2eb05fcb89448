import { isIP } from 'node:net';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import type { Host } from './host';

const TIME_LIMIT_MS = 5_000;
/** RFC 1123, and the underscore that some use. Nothing that a program could take for an option. */
const HOST_NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,252})$/i;
/** getent's word for a name that nobody knows (man 1 getent). */
const NOT_FOUND = 2;

/**
 * Addresses of a name as the host's own resolver knows it, the preferred first. A program asks: names in settings of a
 * site may belong to a name server that never answers, and a lookup within this process cannot be ended and keeps a
 * thread from files and other names meanwhile. Ends after 5 s.
 * @throws KedgeError HostUnreachable; the signal's reason
 */
export async function resolveHostName(host: Host, name: string, operation: Operation): Promise<string[]> {
  if (isIP(name) !== 0) return [name];
  const unknown = (why: string): KedgeError =>
    new KedgeError('HostUnreachable', `the host name ${JSON.stringify(name)} ${why} on ${host.name}`, {
      server: host.name,
    });
  if (!HOST_NAME.test(name)) throw unknown('is none that could be looked up');
  try {
    const { stdout } = await host.run({
      argv: ['getent', 'ahosts', name],
      limits: { timeoutMs: TIME_LIMIT_MS },
      acceptExitCodes: [0, NOT_FOUND],
      operation,
    });
    const addresses = stdout.split('\n').map((line) => line.split(/\s/, 1)[0] ?? '');
    const found = [...new Set(addresses.filter((address) => isIP(address) !== 0))];
    if (found.length === 0) throw unknown('is not known');
    return found;
  } catch (error) {
    if (isKedgeError(error) && error.code === 'ProgramTimedOut')
      throw unknown(`was not answered for within ${TIME_LIMIT_MS / 1000} s`);
    throw error;
  }
}
