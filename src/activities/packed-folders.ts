import { dirname, join } from 'node:path';
import { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { type SiteRoot, rootsOf } from '../contract/target';
import type { PackedFolder } from '../core/archive/archive';
import { isLacking } from '../core/sites/folder-check';
import type { SiteAtWork } from '../core/sites/site-at-work';
import type { Journal } from '../core/tasks/journal';
import type { ActivityDependencies } from './dependencies';
import type { Step } from './step';

/** True for a task whose backup is the safety backup of a restore: it saves what can be saved. */
export function isSafety({ type }: Journal): boolean {
  return type === 'restore';
}

/** What is in no backup of a site, whoever asks for it. */
export function excludedOf({ location, kind: { maintenanceFile } }: SiteAtWork): string[] {
  return [...location.exclude, ...(maintenanceFile === null ? [] : [maintenanceFile.path])];
}

/** A folder of a site, as it is to be packed. */
interface FolderToPack extends SiteRoot {
  /** Why a safety backup holds an empty folder in its place: it is missing, or no folder, or there is no room for it. */
  readonly instead: 'missing' | 'no folder' | 'no room' | null;
}

/** Looks at the folders of a site as they are now. */
export async function foldersToPack({ journal, site: { location, host } }: Step): Promise<FolderToPack[]> {
  return Promise.all(
    rootsOf(location).map(async (root) => {
      const status = isSafety(journal) ? await host.status(root.path) : null;
      if (status === null) return { ...root, instead: null };
      if (isLacking(status)) return { ...root, instead: status === undefined ? 'missing' : 'no folder' };
      return { ...root, instead: journal.setAside.files === null ? null : 'no room' };
    }),
  );
}

/**
 * The folders of a site where they are to be packed, those of another host where they were brought to. `replaced` tells of what
 * lies in the place of one and is not packed.
 */
export async function packedRoots(
  deps: ActivityDependencies,
  step: Step,
  scratch: string,
): Promise<{ roots: PackedFolder[]; empty: string[]; replaced: Record<string, string[]> }> {
  const { journal, site, whileMine } = step;
  const brought = site.onMaster ? null : deps.mirrors.pathOf(site.uri, broughtAs(journal));
  const roots: PackedFolder[] = [];
  const empty: string[] = [];
  const replaced: Record<string, string[]> = {};
  const { uid, gid } = site.location.owner;
  for (const { name, path, instead: now } of await foldersToPack(step)) {
    const place = brought === null ? {} : { from: join(brought, name) };
    // What was brought is what is packed, whatever lies there by now.
    const isBrought = place.from === undefined ? null : (await deps.master.status(place.from)) !== undefined;
    const isLate = now === null && isBrought === false && isSafety(journal);
    const instead = isBrought === true ? null : now;
    if (instead === null && !isLate) {
      roots.push({ name, path, ...place });
      continue;
    }
    const from = join(scratch, 'empty', name);
    await whileMine(async () => {
      await deps.master.makeFolder(dirname(from), { mode: 0o700 });
      await deps.master.makeFolder(from, { mode: 0o755, uid, gid });
    });
    roots.push({ name, path, from });
    empty.push(name);
    if (instead === 'no folder') replaced[name] = [`${path} is no folder, and in no backup`];
    if (isLate) replaced[name] = [`${path} was put there while the backup was made, and is not in it`];
    if (instead === 'no room' && journal.setAside.files !== null) replaced[name] = [journal.setAside.files];
  }
  return { roots, empty, replaced };
}

const sentencesSchema = z.record(z.string(), z.array(z.string()));
/** What is to be said of folders of a site, by their names. */
export type SentencesByFolder = Readonly<Record<string, readonly string[]>>;

/** The mirror that a task has made. @throws KedgeError Internal */
function broughtAs({ task, site, spooled: { syncRemote } }: Journal): string {
  if (syncRemote !== undefined) return syncRemote;
  throw new KedgeError('Internal', `the files of ${site} were not brought by ${task}`, { site });
}

/** What of a site did not come; nothing where all of it is on the master anyway. */
export async function readNotBrought(
  { mirrors }: Pick<ActivityDependencies, 'mirrors'>,
  { site, journal }: Step,
): Promise<SentencesByFolder> {
  if (site.onMaster) return {};
  return sentencesSchema.parse(JSON.parse(await mirrors.noteOf(site.uri, broughtAs(journal))));
}

/** What both say of each folder, every sentence once. */
export function joined(before: SentencesByFolder, found: SentencesByFolder): Record<string, string[]> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(found)])];
  return Object.fromEntries(
    names.map((name) => [name, [...new Set([...(before[name] ?? []), ...(found[name] ?? [])])]]),
  );
}
