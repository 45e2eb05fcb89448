import { join } from 'node:path';
import type { Host } from '../hosts/host';

/** Names inside `.kedge/<token>`. */
const STAGED = 'site';
const PREVIOUS = 'previous';

/** Where a restored folder waits. */
export function stagedFolder(staging: string): string {
  return join(staging, STAGED);
}

/** Where the folder that was live before waits. */
export function previousFolder(staging: string): string {
  return join(staging, PREVIOUS);
}

/** Two renames: live → previous, staged → live. Goes on where an earlier attempt stopped. */
export async function switchFolders(host: Host, live: string, staging: string): Promise<void> {
  const previous = previousFolder(staging);
  if ((await host.status(previous)) === undefined) await host.rename(live, previous);
  if ((await host.status(live)) === undefined) await host.rename(stagedFolder(staging), live);
}

/** The previous folder is live again, wherever the renames stopped. */
export async function switchFoldersBack(host: Host, live: string, staging: string): Promise<void> {
  const previous = previousFolder(staging);
  if ((await host.status(previous)) === undefined) return;
  if ((await host.status(live)) !== undefined) await host.rename(live, stagedFolder(staging));
  await host.rename(previous, live);
}
