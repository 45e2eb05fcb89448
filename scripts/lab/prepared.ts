import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kedge', 'lab');
const STALE_MS = 24 * 3600_000;

/**
 * Fills `place`, which does not exist, with what takes long to make: a copy of what was made before from the same `inputs`, kept
 * in the user's cache, or else by `make`. Owners and modes are kept. Without a cache to write to it is made each time.
 */
export async function prepare(
  what: string,
  inputs: readonly string[],
  place: string,
  make: () => Promise<void>,
): Promise<void> {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
  const kept = join(CACHE, `${what}-${key}`);
  const copied = await copy(kept, place).then(
    () => true,
    () => false,
  );
  if (copied) return;
  // None was kept, or it was removed in this moment.
  await rm(place, { recursive: true, force: true });
  await make();
  await keep(place, what, kept).catch(() => undefined);
}

/** Two who keep the same at once both come to an end: the later one throws its copy away. */
async function keep(place: string, what: string, kept: string): Promise<void> {
  await mkdir(CACHE, { recursive: true, mode: 0o700 });
  const copied = join(CACHE, `.${what}-${randomBytes(8).toString('hex')}`);
  try {
    await copy(place, copied);
    await rename(copied, kept);
    await removeStale(what, kept);
  } finally {
    await rm(copied, { recursive: true, force: true });
  }
}

/** What earlier inputs or killed processes left. */
async function removeStale(what: string, kept: string): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const path = join(CACHE, name);
    if (path === kept || !name.replace(/^\./, '').startsWith(`${what}-`)) continue;
    const { ctimeMs } = await stat(path);
    if (ctimeMs < Date.now() - STALE_MS) await rm(path, { recursive: true, force: true });
  }
}

async function copy(from: string, to: string): Promise<void> {
  await run('cp', ['--archive', '--no-target-directory', '--', from, to]);
}
