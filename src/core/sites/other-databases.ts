import { isKedgeError } from '../../contract/errors';
import type { DatabaseAccount, DatabaseServer } from '../databases/database-server';
import type { Operation } from '../operation';
import { SYSTEM_DATABASES } from './adoption';
import type { SiteFolder, SiteKind } from './site-kind';

/** A database that a site seems to use besides its own, and what says so. */
export interface OtherDatabase {
  readonly name: string;
  /** The name of a setting; null where the site's account has privileges on it. */
  readonly setting: string | null;
  /** False when the site's database server has none of that name: another server may. */
  readonly here: boolean;
}

/** The site as it is known, and who can tell. */
export interface KnownSite {
  readonly folder: SiteFolder;
  readonly kind: SiteKind;
  readonly server: DatabaseServer;
  readonly current: { readonly database: string; readonly account: DatabaseAccount };
}

/**
 * Databases that a site seems to use besides the one that backups hold: those its settings name, and those its account
 * has privileges on. Settings that cannot be read name none; why, those say that need them.
 */
export async function findOtherDatabases(known: KnownSite, operation: Operation): Promise<OtherDatabase[]> {
  const { folder, kind, server, current } = known;
  const own = current.database.toLowerCase();
  const there = new Set(await server.databaseNames());
  const found = new Map<string, OtherDatabase>();
  const add = (database: OtherDatabase): void => {
    const name = database.name.toLowerCase();
    if (name !== own && !SYSTEM_DATABASES.has(name) && !found.has(database.name)) found.set(database.name, database);
  };
  for (const [setting, text] of await textsOf(kind, folder, operation)) {
    const name = databaseIn(text);
    if (name === null || NO_DATABASE.test(setting)) continue;
    const here = there.has(name);
    if (here ? ABOUT_DATABASES.test(setting) || name !== text : name !== text || CALLED_DATABASE.test(setting))
      add({ name, setting, here });
  }
  for (const name of await server.databasesOf(current.account)) add({ name, setting: null, here: true });
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** What is said about them: one sentence in lower case; null when there are none. */
export function describeOtherDatabases(
  site: string,
  own: string,
  server: string,
  others: readonly OtherDatabase[],
): string | null {
  if (others.length === 0) return null;
  const named = others.slice(0, NAMED).map(({ name, setting, here }) => {
    const why = setting === null ? 'its account may use it' : `${setting} of its settings`;
    return `${name} (${why}${here ? '' : `; not on ${server}`})`;
  });
  const more = others.length > NAMED ? ` and ${others.length - NAMED} more` : '';
  return `${site} seems to use several databases; only ${own} is backed up and restored, not ${named.join(', ')}${more}`;
}

/** How many a message names. */
const NAMED = 5;

/** A setting about databases, of whatever kind. */
const ABOUT_DATABASES = /db|database|schema|dsn/i;
/** A setting that is the name of one: `ARCHIVE_DB_NAME`, `$databases['archive']['name']`, `LOG_DATABASE`. */
const CALLED_DATABASE = /(?:db|database|schema).*name\d*'?\]?$|(?:^|[^a-z])(?:dbname|database|schema)\d*'?\]?$/i;
/** A setting about databases that holds no name of one. */
const NO_DATABASE =
  /redis|memcache|(?:pass|pwd|secret|user|host|port|socket|charset|collat|prefix|engine|driver)[a-z]*(?:_?\d+)?'?\]?$/i;

/** The database that a text is the name of, or that it leads to as a DSN or a URL. */
function databaseIn(text: string): string | null {
  const dsn = /^(?:mysql|mariadb)[a-z0-9]*:(?:\/\/[^/]*\/([^/?#;]+)|(?:.*;)?\s*dbname=([^;]+))/i.exec(text);
  if (dsn) return decoded(dsn[1] ?? dsn[2] ?? '');
  return /^[^\s/\\.:;]{1,64}$/.test(text) && !/^\d+$/.test(text) ? text : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function textsOf(kind: SiteKind, folder: SiteFolder, operation: Operation): Promise<ReadonlyMap<string, string>> {
  try {
    return await kind.databaseTexts(folder, operation);
  } catch (error) {
    operation.signal.throwIfAborted();
    // Settings that are none, or in a folder that is gone.
    if (!isKedgeError(error) || (error.code !== 'SettingsInvalid' && error.code !== 'FileRefused')) throw error;
    return new Map();
  }
}
