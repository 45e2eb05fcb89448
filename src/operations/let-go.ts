import type { Configuration } from '../config/schema';
import type { BackupRecord } from '../contract/backup-record';
import { KedgeError } from '../contract/errors';
import type { DatabaseServer } from '../core/databases/database-server';
import type { Operation } from '../core/operation';
import { type KeptDatabase, type LetGoPlan, keptDatabases, letGo, planLetGo } from '../core/kept/kept-databases';
import { forgetKept, forgetKeptDatabase } from '../core/kept/kept-originals';
import { letGoOfKept } from '../core/kept/let-go';
import { keptOriginalsParts } from './kept-originals-parts';
import type { Parts } from './parts';

type LettingGoParts = Pick<
  Parts,
  'catalog' | 'databaseServer' | 'journals' | 'locks' | 'master' | 'resolveTarget' | 'states'
>;

/** What of a site would be let go of: databases that restores replaced, and originals that safety backups keep. */
export interface LettingGo {
  readonly site: string;
  readonly plans: readonly LetGoPlan[];
  readonly originals: readonly BackupRecord[];
  /** The server the databases are on. */
  readonly server: DatabaseServer;
}

/**
 * Looks what there is to let go of: all that is kept of a site, or what `wanted` names, a database or a safety backup. Both lists
 * are empty where there is nothing.
 * @throws KedgeError DatabaseRefused for a database that is in use
 */
export async function planLettingGo(parts: LettingGoParts, site: string, wanted?: string): Promise<LettingGo> {
  const { states, journals, catalog } = parts;
  const state = await states.get(site);
  const target = await parts.resolveTarget(site);
  const server = await parts.databaseServer(target.database);
  const kept = await keptDatabases(state, server);
  const chosen = kept.filter(({ database }) => wanted === undefined || database === wanted);
  const originals = (await catalog.list(site)).backups.filter(
    (record) => isMoreKept(record, kept) && (wanted === undefined || wanted === record.id),
  );
  if (chosen.length + originals.length === 0) return { site, plans: [], originals, server };
  const everything = { states: await states.all(), open: await journals.open(), server };
  const plans: LetGoPlan[] = [];
  for (const one of chosen) plans.push(await planLetGo(one, site, everything));
  return { site, plans, originals, server };
}

/**
 * Lets go of what was planned, in turn with tasks of the site.
 * @throws KedgeError SiteBusy; DatabaseRefused for a database that has come into use; what letting go of originals throws
 */
export async function letGoOfPlanned(
  parts: LettingGoParts,
  configuration: Pick<Configuration, 'sites' | 'servers'>,
  { site, plans, originals, server }: LettingGo,
  operation: Operation,
): Promise<void> {
  const { states, journals, catalog } = parts;
  const originalsParts = keptOriginalsParts(parts, configuration);
  await parts.locks.hold(site, operation, async () => {
    const [open] = await journals.open(site);
    if (open) throw new KedgeError('SiteBusy', `${site} is busy: ${open.task}`, { site });
    for (const plan of plans) {
      // Once more: a site may have been given the database meanwhile.
      const now = await planLetGo(plan, site, { states: await states.all(), open: await journals.open(), server });
      await letGo(now, server);
      const current = await states.get(site);
      await states.save({
        ...current,
        kept: current.kept.filter(({ database }) => database !== plan.database),
      });
      await forgetKeptDatabase(catalog, site, plan.database);
    }
    for (const record of originals) {
      await letGoOfKept(originalsParts, record, operation);
      await forgetKept(catalog, site, record.id);
    }
  });
}

/** A safety backup keeps more than a database that its site keeps anyway. */
function isMoreKept({ kept }: BackupRecord, ofSite: readonly KeptDatabase[]): boolean {
  if (kept === undefined) return false;
  const { database, folders = [] } = kept;
  return folders.length > 0 || !ofSite.some((one) => one.database === database?.name);
}
