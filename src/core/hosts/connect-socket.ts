import { once } from 'node:events';
import { type LookupFunction, type NetConnectOpts, connect, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { breakOff, withListener } from '../streams';
import type { SocketAddress } from './host';

/** `Host.connectTo` on this machine, which is called `server`; its contract is there. */
export async function connectSocket(address: SocketAddress, server: string, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const socket = connect({ ...optionsOf(address), allowHalfOpen: true });
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
    throw Object.assign(systemErrorOf(error), { server });
  }
}

function optionsOf(address: SocketAddress): NetConnectOpts {
  if ('socketPath' in address) return { path: address.socketPath };
  const { host, port, addresses } = address;
  return {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    ...(addresses === undefined ? {} : { lookup: lookupOf(addresses) }),
  };
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
