import { assertKnownSite, findSite } from '../config/inventory';
import type { Configuration } from '../config/schema';
import { KedgeError, isKedgeError } from '../contract/errors';
import { siteUriSchema } from '../contract/target';
import { type Candidate, type CheckedBackup, backupsToCheck, checkBackup } from '../core/archive/check-backup';
import type { Operation } from '../core/operation';
import { proveBackup } from '../core/proofs/prove-backup';
import { siteOfBackup } from './backup-id';
import type { Parts } from './parts';

type CheckingParts = Pick<
  Parts,
  'archives' | 'catalog' | 'master' | 'proofs' | 'resolveTarget' | 'scratches' | 'siteAtWork' | 'states'
>;

/** A backup that was read back. */
export interface ReadBack extends CheckedBackup {
  readonly durationMs: number;
  /** Why the database server could not be asked whether it takes the definitions. */
  readonly notTried: string | null;
}

/** What is seen of backups that are checked, one after another. How far one is, its operation hears. */
export type CheckEvent =
  | { readonly kind: 'begun'; readonly backup: string; readonly position: number; readonly count: number }
  | { readonly kind: 'checked'; readonly checked: ReadBack };

/** Which backups are to be checked: these, those of a site, or all there are. */
export type Wanted = { readonly ids: readonly string[] } | { readonly site: string } | 'all';

/**
 * Reads backups back, every byte; holds them against their records, and their dumps against what a restore and the database server
 * take. A damaged one is no error.
 * @throws KedgeError BackupUnknown, SiteUnknown before anything is read; the signal's reason
 */
export async function* checkBackups(
  parts: CheckingParts,
  configuration: Configuration,
  wanted: Wanted,
  operation: Operation,
): AsyncGenerator<CheckEvent, void> {
  const candidates = await candidatesOf(parts, configuration, wanted);
  for (const [index, candidate] of candidates.entries()) {
    yield { kind: 'begun', backup: candidate.backup, position: index + 1, count: candidates.length };
    yield { kind: 'checked', checked: await readBack(parts, configuration, candidate, operation) };
  }
}

/** All are looked up before the first is read. */
async function candidatesOf(
  { catalog, master }: Pick<Parts, 'catalog' | 'master'>,
  configuration: Configuration,
  wanted: Wanted,
): Promise<Candidate[]> {
  if (wanted !== 'all' && 'ids' in wanted) {
    const found: Candidate[] = [];
    for (const id of wanted.ids) {
      const uri = siteOfBackup(id);
      const candidate = (await backupsToCheck(catalog, uri)).find(({ backup }) => backup === id);
      if (!candidate) throw new KedgeError('BackupUnknown', `${uri} has no backup ${id}`, { site: uri });
      found.push(candidate);
    }
    return found;
  }
  const { backups, sites } = configuration;
  const asked = wanted === 'all' ? null : (findSite(configuration, wanted.site) ?? wanted.site);
  // Sites that left the configuration have backups too.
  const kept = (await master.list(backups)).filter((name) => siteUriSchema.safeParse(name).success);
  if (asked !== null && !kept.includes(asked)) assertKnownSite(configuration, asked);
  const all = asked === null ? [...new Set([...Object.keys(sites), ...kept])] : [asked];
  return (await Promise.all(all.map((uri) => backupsToCheck(catalog, uri)))).flat();
}

async function readBack(
  parts: CheckingParts,
  configuration: Pick<Configuration, 'sites'>,
  candidate: Candidate,
  operation: Operation,
): Promise<ReadBack> {
  const began = Date.now();
  const checked = await checkBackup(parts, candidate, operation);
  const proved = await prove(parts, configuration, candidate, checked, operation);
  return { ...checked, ...proved, durationMs: Date.now() - began };
}

/** Asks the database server of a site that is in the configuration. Of other sites nobody knows which it would be. */
async function prove(
  parts: CheckingParts,
  { sites }: Pick<Configuration, 'sites'>,
  { site, record }: Candidate,
  { archive, dump }: CheckedBackup,
  operation: Operation,
): Promise<Partial<ReadBack> & Pick<ReadBack, 'notTried'>> {
  const proofs = await parts.proofs();
  if (!proofs || !record || !archive || !dump || !Object.hasOwn(sites, site)) return { notTried: null };
  try {
    const state = await parts.states.find(site);
    if (!state) return { notTried: null };
    const atWork = parts.siteAtWork(await parts.resolveTarget(site));
    const backup = { record, path: archive, dump };
    return { notTried: await proveBackup(parts, proofs, atWork, state.current, backup, operation) };
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    if (error.code === 'DumpIncompatible') return { problem: error, notTried: null };
    return { notTried: `whether it can be restored here could not be tried: ${error.message}` };
  }
}
