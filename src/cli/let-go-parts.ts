import type { LetGoParts } from '../core/kept/let-go';
import type { CommandContext } from './context';

/** What originals that safety backups keep are removed through, by the configuration of now. */
export async function letGoPartsOf(context: CommandContext): Promise<LetGoParts> {
  const { master, states, databaseServer: open } = await context.master();
  const { sites, servers } = await context.configuration();
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
