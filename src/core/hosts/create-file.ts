import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { isKedgeError } from '../../contract/errors';
import type { Host } from './host';

/**
 * Writes a file, 0600, where none is of that name: durably, and of several who try at once one alone. Returns whether it
 * was this one.
 */
export async function createFile(host: Host, path: string, content: string): Promise<boolean> {
  // Named as temporary files are, so that the sweeper finds what a crash leaves.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  await host.writeFile(temporary, content, { mode: 0o600 });
  try {
    await host.rename(temporary, path);
    return true;
  } catch (error) {
    await host.removeFile(temporary);
    if (isKedgeError(error) && error.code === 'FileRefused') return false;
    throw error;
  }
}
