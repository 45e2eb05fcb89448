import type { MasterHost } from '../hosts/master-host';
import type { Archives } from './archive';
import { extract } from './extract';
import { extractDefinitions } from './extract-definitions';
import { inspect } from './inspect';
import { pack } from './pack';

/** Archives on the master's disk. */
export function createArchives(master: MasterHost): Archives {
  return {
    pack: (request, operation) => pack(master, request, operation),
    inspect: (path, origin, operation, room) => inspect(master, path, origin, operation, room),
    extract: (request, operation) => extract(master, request, operation),
    extractDefinitions: (request, operation) => extractDefinitions(master, request, operation),
  };
}
