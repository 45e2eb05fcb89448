import { isKedgeError } from '../../contract/errors';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { SpaceNeed } from './space';

/** What an import writes, and how many tables it makes. */
export interface DatabaseBytes {
  readonly bytes: number;
  readonly tables: number;
}

/**
 * Room that a database needs on the disks of its server, in its data and its binary log. None where nobody can look at these disks,
 * which is logged.
 */
export async function needsOfDatabase(
  server: Pick<DatabaseServer, 'name' | 'disks' | 'facts'>,
  { bytes, tables }: DatabaseBytes,
  operation: Pick<Operation, 'log'>,
): Promise<SpaceNeed[]> {
  const { dataFolder, binaryLogFolder } = await server.facts();
  const host = server.disks;
  const needs: Omit<SpaceNeed, 'host'>[] = [
    // A table is a file or two.
    { place: 'database server', path: folderOf(dataFolder), bytes, files: 2 * tables },
    ...(binaryLogFolder === null ? [] : [{ place: 'binary log', path: folderOf(binaryLogFolder), bytes }]),
  ];
  const known: SpaceNeed[] = [];
  for (const need of needs) {
    if (host !== null && (await mayLookAt(host, need.path))) known.push({ ...need, host });
    else
      operation.log.info(
        `whether ${server.name} has room for ${bytes} bytes in ${need.path} is not known: nobody may look at its disks from here`,
      );
  }
  return known;
}

/** False where the rules of that machine do not name it. */
async function mayLookAt(host: Host, path: string): Promise<boolean> {
  try {
    await host.status(path);
    return true;
  } catch (error) {
    if (isKedgeError(error) && error.code === 'HostRefused') return false;
    throw error;
  }
}

/** Servers tell it with a slash at its end. */
function folderOf(path: string): string {
  return path.replace(/(?<=.)\/+$/, '');
}
