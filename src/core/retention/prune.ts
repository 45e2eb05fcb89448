import { type BackupRecord, isSafetyBackup } from '../../contract/backup-record';
import type { Catalog } from '../catalog/catalog';
import { lookAt, publishedAt } from '../catalog/publication';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { SiteLocks } from '../tasks/site-locks';
import { type Candidate, type Decision, type KeepRule, decideRetention } from './retention';

/** What pruning acts through. */
export interface PruningParts {
  readonly catalog: Catalog;
  readonly journals: Journals;
  readonly locks: SiteLocks;
  readonly master: Host;
}

/** The site whose backups are meant, and what is kept of them; without a rule all are. */
export interface PrunedSite {
  readonly site: string;
  readonly rule: KeepRule | null;
}

/** What is to become of a backup, and why. */
export interface PlannedBackup extends Decision {
  readonly record: BackupRecord;
}

export interface PrunePlan extends PrunedSite {
  /** Newest first. */
  readonly backups: readonly PlannedBackup[];
  /** Files that are no sound backups: a person has to look, nothing is done to them. */
  readonly strays: readonly string[];
  /** Why nothing of this site is pruned now; null where it is. */
  readonly waits: string | null;
}

/** Decides about every backup of a site, and changes nothing. `now`: ms since 1970. */
export async function planPrune(
  { catalog, journals, master }: Omit<PruningParts, 'locks'>,
  { site, rule }: PrunedSite,
  now: number,
): Promise<PrunePlan> {
  const { backups, strays } = await catalog.list(site);
  const open = (await journals.open()).filter((journal) => journal.site === site);
  const unreadable = [...(await journals.unreadable()).keys()].filter((task) => task.startsWith(`${site}-`));
  const candidates: Candidate[] = [];
  for (const record of backups) {
    candidates.push({
      id: record.id,
      published: new Date(publishedAt(record)).getTime(),
      isSafety: isSafetyBackup(record),
      ...(await lookAt(catalog, master, record)),
      keepsOriginals: record.kept !== undefined,
      usedBy: open.find((journal) => uses(journal, record.id))?.task ?? null,
    });
  }
  const decisions = rule === null ? [] : decideRetention(candidates, rule, now);
  const records = new Map(backups.map((record) => [record.id, record]));
  return {
    site,
    rule,
    backups: decisions.flatMap((decision) => {
      const record = records.get(decision.id);
      return record === undefined ? [] : [{ ...decision, record }];
    }),
    strays: strays.map(({ file, problem }) => `${file}: ${problem}`),
    waits: whyWaits(open, unreadable),
  };
}

/** A restore that has begun, and has not noted yet what it goes back to, may go back to any. */
function whyWaits(open: readonly Journal[], unreadable: readonly string[]): string | null {
  const undecided = open.find(({ type, source }) => type === 'restore' && source === null);
  if (undecided !== undefined) return `${undecided.task} has not said yet which backup it goes back to`;
  return unreadable.length === 0 ? null : `what ${unreadable.join(', ')} uses cannot be read`;
}

function uses({ backup, source }: Journal, id: string): boolean {
  return backup?.id === id || source?.id === id;
}

/** What became of a plan. */
export interface Pruned {
  /** Ids of what is gone. */
  readonly deleted: readonly string[];
  /** Why the rest of it stays for now; null where all of it was done. */
  readonly waits: string | null;
}

/**
 * Deletes what a plan says, as far as a new look says the same: under the lock of the site, and at its tasks again before each. A restore that begins
 * behind that look reads the site and the whole archive before it relies on it, and is refused with the site unchanged.
 * @throws KedgeError RecordInvalid, NewerVersion, what the lock throws; those deleted before are gone
 */
export async function prune(parts: PruningParts, plan: PrunePlan, now: number, operation: Operation): Promise<Pruned> {
  const planned = new Set(plan.backups.filter(({ keep }) => !keep).map(({ id }) => id));
  const deleted: string[] = [];
  let stopped: string | null = null;
  if (planned.size === 0) return { deleted, waits: null };
  await parts.locks.hold(plan.site, operation, async () => {
    const { backups, waits } = await planPrune(parts, plan, now);
    stopped = waits;
    // The oldest first: whatever ends this, the newest stay.
    for (const { id, keep } of [...backups].reverse()) {
      if (stopped !== null) return;
      if (keep || !planned.has(id)) continue;
      operation.signal.throwIfAborted();
      const open = (await parts.journals.open()).filter(({ site }) => site === plan.site);
      stopped = whyWaits(open, []);
      if (stopped !== null || open.some((journal) => uses(journal, id))) continue;
      await parts.catalog.delete(plan.site, id);
      deleted.push(id);
    }
  });
  return { deleted, waits: stopped };
}
