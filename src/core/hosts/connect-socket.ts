import { once } from 'node:events';
import { type LookupFunction, type NetConnectOpts, connect, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { unheard } from '../operation';
import { breakOff, withListener } from '../streams';
import type { Host, SocketAddress } from './host';
import { resolveHostName } from './host-names';

/** `Host.connectTo` on this machine; its contract is there. */
export async function connectSocket(address: SocketAddress, host: Host, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const options = await optionsOf(address, host, signal);
  signal.throwIfAborted();
  const socket = connect({ ...options, allowHalfOpen: true });
  withListener(socket);
  const onAbort = (): void => breakOff(socket, signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', onAbort));
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw Object.assign(systemErrorOf(error), { server: host.name });
  }
}

async function optionsOf(address: SocketAddress, host: Host, signal: AbortSignal): Promise<NetConnectOpts> {
  if ('socketPath' in address) return { path: address.socketPath };
  const to = { host: address.host, port: address.port, noDelay: true, keepAlive: true };
  // `localhost` is no question for a name server.
  if (isIP(to.host) !== 0 || to.host === 'localhost') return to;
  const addresses = await resolveHostName(host, to.host, unheard('look-up', signal)).catch((error: unknown) => {
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    throw Object.assign(new Error(message, { cause: error }), { code: 'ENOTFOUND', server: host.name });
  });
  return { ...to, lookup: lookupOf(addresses) };
}

/** Gives addresses that are known already to whoever asks for those of a name. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  return (_name, options, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family ?? 0);
  };
}

/** A name with several addresses fails with an error for each, and no word of its own. */
function systemErrorOf(error: unknown): Error {
  if (!isNativeError(error)) return new Error(String(error));
  const [first] = 'errors' in error && Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
  return isNativeError(first) ? first : error;
}
