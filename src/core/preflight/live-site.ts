import type { DatabaseServer } from '../databases/database-server';
import { describeUnreadable, tablesUnreadable } from '../databases/unreadable-tables';
import { firstOf } from '../findings';
import type { Operation } from '../operation';
import { sideBySide } from '../side-by-side';
import { checkSiteFolder } from '../sites/folder-check';
import { assertServed } from '../sites/served-root';
import { describeOtherDatabases, findOtherDatabases } from '../sites/other-databases';
import type { SiteAtWork } from '../sites/site-at-work';
import { tellReach } from './accounts';
import type { SiteDatabase } from '../tasks/site-state';
import type { SiteBytes } from './safety-room';
import { seenSettings } from './settings';

/**
 * Looks at the live site, whose database is known to be `current`, and says how large it is, and what a backup of it
 * will not hold: a sentence each. A safety backup saves what can be saved: what is missing or broken, a restore makes anew.
 * @throws KedgeError for whatever would stop a task; the site is unchanged
 */
export async function checkLiveSite(
  site: SiteAtWork,
  current: SiteDatabase,
  { isSafety }: { readonly isSafety: boolean },
  operation: Operation,
): Promise<{ bytes: SiteBytes; notBackedUp: string[]; linkedTo: readonly string[] }> {
  const { location, folder, host, kind, webServer } = site;
  const { uri, vhost, unproven } = location;
  const database = await site.databaseServer(operation.signal);
  if (vhost === 'include' && unproven === undefined) await assertServed(host, webServer, location, operation);
  const [content, facts, , told, others, reach] = await sideBySide([
    checkSiteFolder(folder, operation, { mayLack: isSafety }),
    checkDatabase(database, current.database, isSafety),
    // For a restore the web server was asked already, see `withUnproven`.
    vhost === 'none' || isSafety ? null : webServer.test(operation),
    tellSettings(site, current.database, operation),
    findOtherDatabases({ folder, kind, server: database, current }, operation),
    tellReach(database, current),
  ]);
  const several = describeOtherDatabases(uri, current.database, database.name, others);
  const databases = [...told, ...(several === null ? [] : [several])];
  for (const warning of [...content.warnings, ...facts.notBackedUp, ...databases, ...(reach === null ? [] : [reach])])
    operation.log.warn(warning);
  const notBackedUp = [...content.notBackedUp, ...facts.notBackedUp, ...databases];
  return { bytes: { files: content.bytes, database: facts.bytes }, notBackedUp, linkedTo: content.linkedTo };
}

/**
 * Bytes of a database, and what of it no backup will hold, as far as that is known before its rows are read.
 * @throws KedgeError DatabaseUnknown, TableUnreadable for a backup that was asked for
 */
async function checkDatabase(
  server: DatabaseServer,
  database: string,
  isSafety: boolean,
): Promise<{ bytes: number; notBackedUp: string[] }> {
  if (isSafety && !(await server.databaseExists(database)))
    return { bytes: 0, notBackedUp: [describeMissingDatabase(database)] };
  const { bytes, unreadableTables } = await server.describe(database);
  if (unreadableTables.length === 0) return { bytes, notBackedUp: [] };
  if (!isSafety) throw tablesUnreadable(database, server.name, unreadableTables);
  return {
    bytes,
    notBackedUp: [
      `tables of ${database} cannot be read and will not be in the safety backup, so that the database will be kept: ${firstOf(unreadableTables.map(describeUnreadable))}`,
    ],
  };
}

/** What is said of a site whose database is gone. */
export function describeMissingDatabase(database: string): string {
  return `the database ${database} does not exist: the safety backup holds an empty one`;
}

/**
 * Says so where the settings of a site name another database than Kedge knows, which is the one that is backed up, or could
 * not be given another login. Their owner writes them: what they say stops nobody from going back to a backup.
 */
async function tellSettings(site: SiteAtWork, known: string, operation: Operation): Promise<string[]> {
  const { uri } = site;
  const seen = await seenSettings(site, known, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    operation.log.warn(
      `the settings of ${uri} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  });
  if (seen === null) return [];
  const { refusals, otherDatabase } = seen;
  return [
    ...refusals.map(
      ({ message, hint }) => `no restore of what is saved now could give ${uri} its new login: ${message}. ${hint}`,
    ),
    ...(otherDatabase === null
      ? []
      : [
          `the settings of ${uri} name the database ${otherDatabase}, which no backup holds: Kedge knows ${known}. Run \`kedge sites adopt ${uri}\` when the settings are right`,
        ]),
  ];
}
