import { type KedgeError, isKedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Mirrors } from '../sync/mirrors';
import type { Journal } from '../tasks/journal';
import { type SpaceNeed, checkSpace } from './space';

/** Bytes of a site. */
export interface SiteBytes {
  readonly files: number;
  readonly database: number;
}

/** Machines of a site. */
export interface SiteHosts {
  readonly master: Host;
  /** Has its files. */
  readonly host: Host;
  readonly mirrors: Pick<Mirrors, 'folderOf' | 'hasWhole'>;
}

/** What a safety backup does without for want of room, and why, a sentence each; null for what it holds. */
export type SetAside = Journal['setAside'];

/**
 * Room that is needed to save a site. The files of one that is not on the master come into its mirror first: all of them the first
 * time, later what is new, and nobody knows how much that is.
 */
export async function needsOfBackup(
  { master, host, mirrors }: SiteHosts,
  target: Target,
  { files, database }: SiteBytes,
): Promise<SpaceNeed[]> {
  const needs: SpaceNeed[] = [
    { place: 'backups', host: master, path: target.backups, bytes: files + database },
    { place: 'spool', host: master, path: target.spool, bytes: database },
  ];
  if (host === master) return needs;
  const { uri } = target.site;
  const bytes = (await mirrors.hasWhole(uri)) ? 0 : files;
  return [...needs, { place: 'mirror', host: master, path: mirrors.folderOf(uri), bytes }];
}

/**
 * Room for the safety backup of a restore, beside what else the restore needs. Where not all of the site finds room, the safety
 * backup does without its files, else without its database, else without both: that takes no room, since these originals stay
 * where the restore puts them, on disks that held them before. What is asked for is never more than there is.
 * @throws KedgeError DiskFull where there is no room even so
 */
export async function roomForSafetyBackup(
  hosts: SiteHosts,
  target: Target,
  bytes: SiteBytes,
  others: readonly SpaceNeed[],
): Promise<{ needs: SpaceNeed[]; setAside: SetAside }> {
  const { uri, root } = target.site;
  const refusals: KedgeError[] = [];
  for (const [files, database] of CHOICES) {
    // What takes no room is not left out for want of it.
    if ((!files && bytes.files === 0) || (!database && bytes.database === 0)) continue;
    const saved = { files: files ? bytes.files : 0, database: database ? bytes.database : 0 };
    const needs = [...(await needsOfBackup(hosts, target, saved)), ...others];
    try {
      await checkSpace(needs, uri);
    } catch (error) {
      if (!isKedgeError(error) || error.code !== 'DiskFull') throw error;
      refusals.push(error);
      continue;
    }
    const without = (what: string): string => `${refusals[0]?.message}: the safety backup does without ${what}`;
    return {
      needs,
      setAside: {
        files: files ? null : without(`the files of ${root}`),
        database: database ? null : without(`the database of ${uri}`),
      },
    };
  }
  // The one that asks for least.
  throw refusals.at(-1) as KedgeError;
}

/** Whether files and database are saved, the best first: a database is small, and changes most. */
const CHOICES = [
  [true, true],
  [false, true],
  [true, false],
  [false, false],
] as const;

/** What the warnings of a safety backup say of that. */
export function sentencesOf({ files, database }: SetAside): string[] {
  return [files, database].filter((sentence) => sentence !== null);
}
