import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Owner } from '../../contract/target';
import { isRoot } from '../../trust/trusted-path';

/** As Linux defines it on the architectures of Node; Node does not name it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * A file that never has a name: only its open descriptor leads to it, and a crash leaves nothing. In memory where there
 * is /dev/shm. Opened again for reading, so that the offset is its own.
 */
export async function secretFile(secret: string | Buffer, owner: Owner | undefined): Promise<FileHandle> {
  const writer = await nameless('/dev/shm').catch(() => nameless('/tmp'));
  try {
    await writer.writeFile(secret);
    // The program opens it once more, by its descriptor's name.
    if (owner && isRoot()) await writer.chown(owner.uid, owner.gid);
    return await open(`/proc/self/fd/${writer.fd}`, 'r');
  } finally {
    await writer.close();
  }
}

function nameless(folder: string): Promise<FileHandle> {
  return open(folder, O_TMPFILE | constants.O_RDWR, 0o600);
}
