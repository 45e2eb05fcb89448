import { join } from 'node:path';
import type { StepName } from '../contract/steps';
import type { Target } from '../contract/target';
import type { Host } from '../core/hosts/host';
import type { Journal } from '../core/tasks/journal';
import type { ActivityDependencies } from './dependencies';
import type { Step } from './step';

/** Where a task keeps what it makes on the master until it is packed, or imported. */
export function spoolOf(target: Target, journal: Journal): string {
  return join(target.spool, journal.token);
}

/** Where a step that is done has put what it made. */
export function spooledBy(step: StepName, target: Target, journal: Journal): string {
  const attempt = journal.spooled[step];
  const spool = spoolOf(target, journal);
  // A Kedge before had one folder for all of them.
  return attempt === undefined ? spool : join(spool, step, attempt);
}

/**
 * Makes a folder of this attempt in each folder, and removes those of attempts before. What is looked at and made under the site's
 * lock was there before any later attempt: a worker that sleeps between that and what follows takes nothing from who comes after,
 * and finds its own folder gone. Returns the folders made, in the order given.
 */
export async function makeAttemptFolders(
  { attempt, operation, whileMine }: Pick<Step, 'attempt' | 'operation' | 'whileMine'>,
  places: readonly { readonly host: Host; readonly folder: string }[],
): Promise<string[]> {
  const earlier = await whileMine(async () => {
    const found: { host: Host; path: string }[] = [];
    for (const { host, folder } of places) {
      for (const name of await host.list(folder)) found.push({ host, path: join(folder, name) });
      await host.makeFolder(join(folder, attempt), { mode: 0o700 });
    }
    return found;
  });
  for (const { host, path } of earlier) await host.removeTree(path, operation);
  return places.map(({ folder }) => join(folder, attempt));
}

/** The folder of the spool for what this attempt of a step makes; what follows reads there, see `spooledBy`. */
export async function openSpool(deps: ActivityDependencies, name: StepName, step: Step): Promise<string> {
  const { target, journal, attempt, record } = step;
  const place = { host: deps.master, folder: join(spoolOf(target, journal), name) };
  const [folder = ''] = await makeAttemptFolders(step, [place]);
  await record(({ spooled }) => ({ spooled: { ...spooled, [name]: attempt } }));
  return folder;
}
