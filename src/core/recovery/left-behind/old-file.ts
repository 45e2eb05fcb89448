import type { Host } from '../../hosts/host';
import type { Leftover } from './leftover';

/** Younger files may be in use: nothing that uses one takes nearly as long. */
const LEFTOVER_AFTER_MS = 10 * 60_000;

/** A file that was left, by its age on its host; nothing where it is younger than anybody needs it, or is none. */
export async function findOldFile(host: Host, path: string, what: string): Promise<Leftover[]> {
  const status = await host.status(path);
  if (status?.type !== 'file' || status.modifiedMs > (await host.now()) - LEFTOVER_AFTER_MS) return [];
  return [{ what: `${what} ${path}`, task: null, remove: () => host.removeFile(path) }];
}
