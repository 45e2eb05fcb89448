import type { Configuration, SiteConfiguration } from '../config/schema';
import type { Parts } from './parts';

/** A site in a list. */
export interface SiteSummary {
  readonly site: string;
  readonly kind: SiteConfiguration['kind'];
  readonly root: string;
  readonly paths: Readonly<Record<string, string>>;
  readonly adopted: boolean;
  /** ISO 8601; null where there is none. */
  readonly lastBackup: string | null;
}

/** The sites of a configuration. */
export async function listSites(
  { states, catalog }: Pick<Parts, 'states' | 'catalog'>,
  { sites }: Pick<Configuration, 'sites'>,
): Promise<SiteSummary[]> {
  return Promise.all(
    Object.entries(sites).map(async ([uri, { kind, root, paths = {} }]) => {
      const state = await states.find(uri);
      const newest = (await catalog.list(uri)).backups[0];
      return {
        site: uri,
        kind,
        root,
        paths,
        adopted: state !== undefined,
        lastBackup: newest?.created ?? null,
      };
    }),
  );
}
