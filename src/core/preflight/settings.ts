import { type KedgeError, isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { environmentOfSite } from '../php/environment-of-site';
import type { SiteAtWork } from '../sites/site-at-work';
import type { SiteSettings } from '../sites/site-kind';

/** The settings of a site, and what is wrong with them. */
export interface SeenSettings {
  readonly settings: SiteSettings;
  /** Why a restore could not give them another login; each says what is in the way once. */
  readonly refusals: readonly KedgeError[];
  /** The database they name, where Kedge knows another one. */
  readonly otherDatabase: string | null;
}

/**
 * Reads the settings of a site whose database Kedge knows as `known`, or not at all, and looks whether a restore could give them
 * another login. Writes nothing. @throws KedgeError SettingsInvalid when they cannot be read
 */
export async function seenSettings(
  { location, folder, kind, webServer }: SiteAtWork,
  known: string | undefined,
  operation: Operation,
): Promise<SeenSettings> {
  const settings = await kind.readSettings(folder, operation);
  const ofOthers = (): Promise<readonly string[]> => environmentOfSite(webServer, location, operation);
  const refusals = new Map<string, KedgeError>();
  const refused = (error: unknown): void => {
    if (!isKedgeError(error) || error.code !== 'SettingsInvalid') throw error;
    refusals.set(error.message, error);
  };
  await kind.assertRewritable(folder, operation).catch(refused);
  await kind.assertOwnLogin(folder, ofOthers, operation).catch(refused);
  const isAnother = known !== undefined && settings.database !== known;
  return { settings, refusals: [...refusals.values()], otherDatabase: isAnother ? settings.database : null };
}
