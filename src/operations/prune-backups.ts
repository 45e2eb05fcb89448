import type { Configuration } from '../config/schema';
import { type BackupRecord, isSafetyBackup } from '../contract/backup-record';
import { KedgeError } from '../contract/errors';
import { damageOf, publishedAt, whyNotGood } from '../core/catalog/publication';
import type { Operation } from '../core/operation';
import { type Candidate, type Decision, type KeepRule, decideRetention } from '../core/retention/retention';
import type { Journal } from '../core/tasks/journal';
import type { Parts } from './parts';

type PruningParts = Pick<Parts, 'catalog' | 'journals' | 'locks' | 'master'>;

/** What is to become of a backup, and why. */
export interface PlannedBackup extends Decision {
  readonly record: BackupRecord;
}

export interface PrunePlan {
  readonly site: string;
  /** Newest first. */
  readonly backups: readonly PlannedBackup[];
  /** Files that are no sound backups: a person has to look, nothing is done to them. */
  readonly strays: readonly string[];
  /** Why nothing of this site is pruned now; null where it is. */
  readonly waits: string | null;
}

/** Sites that a rule is for. @throws KedgeError ConfigurationInvalid where there is none for a site that was asked for */
export function sitesToPrune(configuration: Configuration, asked: readonly string[]): string[] {
  const without = asked.filter((site) => ruleOf(configuration, site) === null);
  if (without.length > 0 || (configuration.keep === undefined && ruledSites(configuration).length === 0))
    throw new KedgeError(
      'ConfigurationInvalid',
      `nothing says which backups to keep${without.length > 0 ? ` of ${without.join(', ')}` : ''}`,
      {
        hint: 'Add `keep: { last: 3, daily: 7, weekly: 4, monthly: 12 }` to kedge.yaml, for all sites or below one.',
      },
    );
  return asked.length > 0 ? [...asked] : ruledSites(configuration);
}

function ruledSites(configuration: Configuration): string[] {
  return Object.keys(configuration.sites).filter((site) => ruleOf(configuration, site) !== null);
}

function ruleOf({ keep, sites }: Configuration, site: string): KeepRule | null {
  const rule = sites[site]?.keep ?? keep;
  if (rule === undefined) return null;
  const { safety: safetyMs, ...counts } = rule;
  return { ...counts, safetyMs };
}

/** Decides about every backup of a site, and changes nothing. `now`: ms since 1970. */
export async function planPrune(
  { catalog, journals, master }: Omit<PruningParts, 'locks'>,
  configuration: Configuration,
  site: string,
  now: number,
): Promise<PrunePlan> {
  const rule = ruleOf(configuration, site);
  const { backups, strays } = await catalog.list(site);
  const open = (await journals.open()).filter((journal) => journal.site === site);
  const unreadable = [...(await journals.unreadable()).keys()].filter((task) => task.startsWith(`${site}-`));
  const candidates: Candidate[] = [];
  for (const record of backups) {
    candidates.push({
      id: record.id,
      published: new Date(publishedAt(record)).getTime(),
      isSafety: isSafetyBackup(record),
      doubt: await whyNotGood(catalog, master, record),
      isDamaged: (await damageOf(catalog, master, record)) !== null,
      keepsOriginals: record.kept !== undefined,
      usedBy: open.find((journal) => uses(journal, record.id))?.task ?? null,
    });
  }
  const decisions = rule === null ? [] : decideRetention(candidates, rule, now);
  const records = new Map(backups.map((record) => [record.id, record]));
  return {
    site,
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
export async function prune(
  parts: PruningParts,
  configuration: Configuration,
  plan: PrunePlan,
  now: number,
  operation: Operation,
): Promise<Pruned> {
  const planned = new Set(plan.backups.filter(({ keep }) => !keep).map(({ id }) => id));
  const deleted: string[] = [];
  let stopped: string | null = null;
  if (planned.size === 0) return { deleted, waits: null };
  await parts.locks.hold(plan.site, operation, async () => {
    const { backups, waits } = await planPrune(parts, configuration, plan.site, now);
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
