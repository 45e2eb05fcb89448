import { readFile, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { removePrivateFolder } from './private-folder';

/** Where Linux keeps files in memory. */
const MEMORY = '/dev/shm';
/** More than two labs take, with the sites, backups and databases of their tests. */
const NEEDED_BYTES = 6 * 1024 ** 3;

/**
 * A folder in memory to build a lab below, where the machine has plenty of it: a lab makes tens of thousands of small files.
 * Null where it has not, or `KEDGE_LAB_ON_DISK` is set.
 */
export async function memoryFolder(): Promise<string | null> {
  if (process.env['KEDGE_LAB_ON_DISK']) return null;
  if ((await statfs(MEMORY).catch(() => null))?.type !== TMPFS) return null;
  await removeForgotten();
  const space = await statfs(MEMORY);
  if (space.bavail * space.bsize < NEEDED_BYTES) return null;
  const [, kib = '0'] = /^MemAvailable:\s+(\d+)/m.exec(await readFile('/proc/meminfo', 'utf8')) ?? [];
  return Number(kib) * 1024 < NEEDED_BYTES ? null : MEMORY;
}

/** What killed tests left: memory is not given back by itself. None takes this long. */
async function removeForgotten(): Promise<void> {
  const since = Date.now() - 6 * 3600_000;
  for (const name of await readdir(MEMORY)) {
    const path = join(MEMORY, name);
    const status = name.startsWith('kedge-') ? await stat(path).catch(() => null) : null;
    if (status?.uid !== process.getuid?.() || !status?.isDirectory() || status.mtimeMs > since) continue;
    try {
      removePrivateFolder(path);
    } catch {
      // Somebody else removes it at this moment, or something is mounted there still.
    }
  }
}

const TMPFS = 0x01021994;
