import type { Host } from '../hosts/host';
import type { Archives } from './archive';
import { extract, extractDump } from './extract';
import { inspect } from './inspect';
import { pack } from './pack';

/** Archives on the master's disk. */
export function createArchives(master: Host): Archives {
  return {
    pack: (request, operation) => pack(master, request, operation),
    inspect: (path, operation) => inspect(master, path, operation),
    extract,
    extractDump: (path, destination, operation) => extractDump(master, path, destination, operation),
  };
}
