import { join } from 'node:path';
import { UNFINISHED_FILE } from '../../hosts/durable-file';
import { LOCK_FILE, findEndedLock } from '../../hosts/file-lock';
import type { Journal } from '../../tasks/journal';
import type { TaskLeftovers } from '../leftovers';
import type { Leftover, SearchParts, SweepParts } from './leftover';
import { prepareAgain } from './machines';
import { findOldFile } from './old-file';

/** Folders of `<state>` that hold files of their own. */
const STATE_FOLDERS = [
  ...['', 'tasks', 'open', 'sites', 'epochs', 'locks', 'requests', 'proofs', 'scratch', 'notices'],
  ...['leases/backups', 'leases/restores'],
];

/** Temporary files of durable writes, which are renamed within moments, and locks of processes that have ended. */
export async function findUnfinishedFiles({ master, folders, flags, machines }: SearchParts): Promise<Leftover[]> {
  const places = [
    ...STATE_FOLDERS.map((name) => ({ host: master, path: join(folders.state, name) })),
    ...(await master.list(folders.backups)).map((site) => ({ host: master, path: join(folders.backups, site) })),
    ...flags,
  ];
  const found: Leftover[] = [];
  for (const { host, path: folder } of places) {
    const question = { site: null, whenRefused: prepareAgain(host) };
    for (const name of (await machines.ask(host, question, () => host.list(folder))) ?? []) {
      const path = join(folder, name);
      if (UNFINISHED_FILE.test(name)) {
        const look = (): Promise<Leftover[]> => findOldFile(host, path, 'the unfinished file');
        found.push(...((await machines.ask(host, question, look)) ?? []));
      }
      const lock = host === master && LOCK_FILE.test(name) ? await findEndedLock(path, master) : null;
      if (lock)
        found.push({ what: `the lock ${path} of a process that has ended`, task: null, remove: () => lock.remove() });
    }
  }
  return found;
}

/**
 * Those of a closed task, whatever their age: they hold what its journal had, passwords among it. Those of its site too, which are
 * written under its lock.
 */
export async function findUnfinishedFilesOf(
  { master, folders, locks }: SweepParts,
  { task, site }: TaskLeftovers,
  open: readonly Journal[],
): Promise<Leftover[]> {
  const isBusy = open.some((journal) => journal.site === site);
  const found: Leftover[] = [];
  for (const name of STATE_FOLDERS) {
    const folder = join(folders.state, name);
    for (const file of (await master.list(folder)).filter((each) => UNFINISHED_FILE.test(each))) {
      const path = join(folder, file);
      const remove = (): Promise<void> => master.removeFile(path);
      const what = `the unfinished file ${path}`;
      if (file.startsWith(`.${task}.`)) found.push({ what, task, remove });
      else if (!isBusy && file.startsWith(`.${site}.json.`))
        found.push({ what, task, remove: (operation) => locks.hold(site, operation, remove) });
    }
  }
  return found;
}
