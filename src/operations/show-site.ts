import { isKedgeError } from '../contract/errors';
import type { Target } from '../contract/target';
import { type KeptDatabase, keptDatabases } from '../core/kept/kept-databases';
import { type KeptOfBackup, keptOfBackups } from '../core/kept/kept-originals';
import type { SiteDatabase, SiteState } from '../core/tasks/site-state';
import type { Parts } from './parts';

/** What Kedge knows of a site; no password. */
export interface KnownSite {
  readonly site: Target['site'];
  /** Null for one that is not adopted. */
  readonly database: Omit<SiteDatabase, 'password'> | null;
  /** Databases that restores replaced and that are kept: with size and age, or as the state has them. */
  readonly kept: readonly (KeptDatabase | SiteState['kept'][number])[];
  /** What safety backups keep of what they do not hold. */
  readonly originals: readonly KeptOfBackup[];
  /** Name of its web server. */
  readonly web: string;
}

type ShowingParts = Pick<Parts, 'catalog' | 'databaseServer' | 'resolveTarget' | 'states'>;

/** @throws KedgeError SiteUnknown, ConfigurationInvalid */
export async function showSite(parts: ShowingParts, site: string): Promise<KnownSite> {
  const target = await parts.resolveTarget(site);
  const state = await parts.states.find(site);
  return {
    site: target.site,
    database: state ? withoutPassword(state.current) : null,
    kept: state ? await keptWithSizes(parts, target, state) : [],
    originals: await originalsWithSizes(parts, target),
    web: target.web.name,
  };
}

function withoutPassword({ database, account, address, madeByKedge }: SiteDatabase): Omit<SiteDatabase, 'password'> {
  return { database, account, address, madeByKedge };
}

/** With size and age; where the server cannot be asked, as the state has it. */
async function keptWithSizes(parts: ShowingParts, target: Target, state: SiteState): Promise<KnownSite['kept']> {
  if (state.kept.length === 0) return [];
  try {
    return await keptDatabases(state, await parts.databaseServer(target.database));
  } catch (error) {
    if (!isKedgeError(error)) throw error;
    return state.kept;
  }
}

async function originalsWithSizes(parts: ShowingParts, target: Target): Promise<KeptOfBackup[]> {
  const { backups } = await parts.catalog.list(target.site.uri);
  if (backups.every(({ kept }) => kept === undefined)) return [];
  try {
    return await keptOfBackups(backups, await parts.databaseServer(target.database));
  } catch (error) {
    if (!isKedgeError(error)) throw error;
    return keptOfBackups(backups, null);
  }
}
