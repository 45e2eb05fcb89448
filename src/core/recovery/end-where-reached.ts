import type { Operation } from '../operation';
import type { SiteAtWork } from '../sites/site-at-work';
import { withinLimit } from './within-limit';

/** A machine on which something may run still. */
export interface Unended {
  readonly server: string;
  /** Why. */
  readonly error: Error;
}

/**
 * Ends what runs for a site under a mark, for work that can be done without the machine of its folders where that is another than the
 * master: one that does not do it within a minute is returned, and nothing may be done there then. It ends what it runs by itself once it
 * has lost its master.
 * @throws KedgeError ProgramFailed, ProgramTimedOut for what does not end on the master
 */
export async function endWhereReached(
  { host: machine, onMaster, hosts }: Pick<SiteAtWork, 'host' | 'onMaster' | 'hosts'>,
  mark: string,
  operation: Operation,
): Promise<Unended | null> {
  const ended = await Promise.all(
    hosts().map(async (host): Promise<Unended | null> => {
      if (onMaster || host !== machine) {
        await host.endProcesses(mark);
        return null;
      }
      try {
        await withinLimit(operation, () => host.endProcesses(mark));
        return null;
      } catch (error) {
        return { server: host.name, error: error instanceof Error ? error : new Error(String(error)) };
      }
    }),
  );
  return ended.find((one) => one !== null) ?? null;
}
