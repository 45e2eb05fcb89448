import type { Configuration } from '../config/schema';
import type { LetGoParts } from '../core/kept/let-go';
import type { Parts } from './parts';

/** What originals that safety backups keep are removed through, by the configuration of now. */
export function keptOriginalsParts(
  { master, states, databaseServer: open }: Pick<Parts, 'databaseServer' | 'master' | 'states'>,
  { sites, servers }: Pick<Configuration, 'sites' | 'servers'>,
): LetGoParts {
  return {
    master,
    states,
    databaseServer: (name) => {
      const { db } = servers[name] ?? {};
      return db ? open({ name, ...db }) : null;
    },
    roots: Object.values(sites).flatMap(({ root, paths = {} }) => [root, ...Object.values(paths)]),
  };
}
