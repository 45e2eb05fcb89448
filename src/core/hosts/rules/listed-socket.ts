import { type FileHandle, readlink } from 'node:fs/promises';
import { dirname } from 'node:path/posix';
import type { Duplex } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { KedgeError, isKedgeError } from '../../../contract/errors';
import { isMissing } from '../file-status';
import type { Host } from '../host';
import { ON_THIS_MACHINE, openPath, within } from '../open-path';
import { isTrustedFolder } from '../trusted-path';

/**
 * Connects to the socket at a path of the rules, and to no other that somebody has the path lead to. The folder of the socket may be anybody's,
 * as those of PHP-FPM and of database servers are: in it no link is followed, and a socket that has a second name is not taken. All folders
 * above it are root's. The socket is opened, judged, and connected to by its descriptor.
 * @throws KedgeError FileRefused, OwnerRefused; the system's error where nobody listens, or nothing is there; the signal's reason
 */
export async function connectToListedSocket(machine: Host, path: string, signal: AbortSignal): Promise<Duplex> {
  const socket = await openSocket(path, machine.name);
  const place = within(socket);
  try {
    return await machine.connectTo({ socketPath: place }, signal);
  } catch (error) {
    if (!isNativeError(error) || !error.message.includes(place)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw systemError(error.message.replace(place, path), code ?? '', machine.name);
  } finally {
    await socket.close();
  }
}

async function openSocket(path: string, server: string): Promise<FileHandle> {
  const socket = await openPath(path, server).catch((error: unknown) => {
    if (!isKedgeError(error)) throw error;
    // What is not running has no socket: that is the system's word, as on every host.
    if (isNativeError(error.cause) && isMissing(error.cause))
      throw systemError(`connect ENOENT ${path}`, 'ENOENT', server);
    const hint = `Name the socket itself in the configuration: \`readlink -f ${path}\` tells where it is.`;
    throw new KedgeError('FileRefused', error.message, { server, hint, cause: error });
  });
  try {
    await assertOwnSocket(socket, path, server);
    return socket;
  } catch (error) {
    await socket.close();
    throw error;
  }
}

/** Of a socket that was opened without following what others can lay. */
async function assertOwnSocket(socket: FileHandle, path: string, server: string): Promise<void> {
  const refuse = (why: string): KedgeError => new KedgeError('FileRefused', `${path} on ${server} ${why}`, { server });
  const status = await socket.stat();
  if (!status.isSocket()) throw refuse('is no socket');
  if (status.nlink > 1) throw refuse('is a socket with another name elsewhere');
  const above = dirname(dirname(await readlink(within(socket))));
  if (await isTrustedFolder(ON_THIS_MACHINE, above)) return;
  throw new KedgeError('OwnerRefused', `${path} on ${server} lies in a folder that others than root can move`, {
    server,
    hint: `Have the socket in a folder of its own whose folders above belong to root: ${above} and those above it.`,
  });
}

function systemError(message: string, code: string, server: string): Error {
  return Object.assign(new Error(message), { code, server });
}
