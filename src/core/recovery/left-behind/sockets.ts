import { foldersOfEndedRelays } from '../../hosts/relay';
import type { Leftover, SweepParts } from './leftover';

/** Sockets that led to other machines, of processes that have ended. */
export async function findSockets({ master, sockets }: SweepParts): Promise<Leftover[]> {
  return (await foldersOfEndedRelays(sockets, master)).map((folder) => ({
    what: `the folder ${folder} of a socket that leads nowhere any more`,
    task: null,
    remove: (operation) => master.removeTree(folder, operation),
  }));
}
