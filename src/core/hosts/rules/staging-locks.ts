import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { KedgeError } from '../../../contract/errors';
import { ownUid } from '../../../trust/trusted-path';
import type { Operation } from '../../operation';
import { makeFolders } from '../files';
import { statusOf } from '../file-status';
import type { MasterHost } from '../master-host';

/** Root's, and gone with the next boot, as whoever holds a lock is. */
const FOLDER = '/run/kedge-host';

/**
 * Does `work` while nobody puts what a task has staged in the place of a site (`shared`), or while nothing runs that could change it
 * (`exclusive`): in this process or another one of the same machine. `folders` are those of tasks in staging folders.
 * @throws KedgeError OwnerRefused; the signal's reason
 */
export async function withStagingLocks<T>(
  machine: MasterHost,
  folders: readonly string[],
  how: 'shared' | 'exclusive',
  operation: Operation,
  work: () => Promise<T>,
): Promise<T> {
  const held: FileHandle[] = [];
  try {
    // In one order, so that no two wait for each other.
    for (const folder of [...new Set(folders)].sort()) held.push(await take(machine, folder, how, operation));
    return await work();
  } finally {
    for (const file of held) await file.close();
  }
}

async function take(
  machine: MasterHost,
  folder: string,
  how: 'shared' | 'exclusive',
  operation: Operation,
): Promise<FileHandle> {
  await makeFolders(FOLDER, { mode: 0o700 }, machine.name);
  const status = await statusOf(FOLDER);
  if (status?.type !== 'folder' || status.uid !== ownUid() || (status.mode & 0o077) !== 0)
    throw new KedgeError('OwnerRefused', `${FOLDER} on ${machine.name} can be changed by others`, {
      server: machine.name,
      hint: `Run \`chown root: ${FOLDER}\` and \`chmod 0700 ${FOLDER}\`.`,
    });
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 32);
  const file = await open(join(FOLDER, name), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    // The lock belongs to the open file, which this process alone has once the helper is gone.
    await machine.run({ argv: ['flock', `--${how}`, '0'], inputFile: file, operation });
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
