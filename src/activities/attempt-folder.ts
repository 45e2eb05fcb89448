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

/** What the journal notes of a step whose folder of the spool is read by later ones, see `spooledBy`. */
export function spooling(step: StepName, { attempt }: Step): (journal: Journal) => Pick<Journal, 'spooled'> {
  return ({ spooled }) => ({ spooled: { ...spooled, [step]: attempt } });
}

/** A folder in which each attempt of a step has one of its own. */
export interface AttemptPlace {
  readonly host: Host;
  readonly folder: string;
}

/** The place of a step in the spool. */
export function spoolPlace(
  { master }: Pick<ActivityDependencies, 'master'>,
  step: StepName,
  { site, journal }: Step,
): AttemptPlace {
  return { host: master, folder: join(spoolOf(site.target, journal), step) };
}

/**
 * Makes a folder of this attempt in each place, and removes those of attempts before. What is looked at and made under the site's
 * lock was there before any later attempt: a worker that sleeps between that and what follows takes nothing from who comes after,
 * and finds its own folder gone. `within` does more under the same lock, around the making. Returns the folders made, in the order
 * given.
 */
export async function makeAttemptFolders(
  { attempt, operation, whileMine }: Step,
  places: readonly AttemptPlace[],
  within: (make: () => Promise<void>) => Promise<void> = (make) => make(),
): Promise<string[]> {
  const earlier: { host: Host; path: string }[] = [];
  const make = async (): Promise<void> => {
    for (const { host, folder } of places) {
      for (const name of await host.list(folder)) earlier.push({ host, path: join(folder, name) });
      await host.makeFolder(join(folder, attempt), { mode: 0o700 });
    }
  };
  await whileMine(() => within(make));
  for (const { host, path } of earlier) await host.removeTree(path, operation);
  return places.map(({ folder }) => join(folder, attempt));
}
