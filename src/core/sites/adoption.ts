import { KedgeError, isKedgeError } from '../../contract/errors';
import { describeReach } from '../databases/account-privileges';
import type { DatabaseAccount, DatabaseServer } from '../databases/database-server';
import type { Operation } from '../operation';
import { weaknessOf } from '../secrets/weak-password';
import { requireFolder } from './folder-check';
import { describeLoginElsewhere, findLoginElsewhere, hintOfLoginElsewhere } from './login-elsewhere';
import type { EnvironmentOfSite } from './own-login';
import { readableByAll } from './site-files';
import type { SiteFolder, SiteKind, SiteSettings } from './site-kind';

/** What would be adopted. */
export interface AdoptionClaim {
  readonly folder: SiteFolder;
  readonly kind: SiteKind;
  /** The server the configuration names for the site. */
  readonly server: DatabaseServer;
  /** Database → the site that has it. */
  readonly claimedDatabases: ReadonlyMap<string, string>;
  /** Which variables of the environment PHP of the site has. */
  readonly environmentOf: EnvironmentOfSite;
  readonly operation: Operation;
}

/** What the settings say, proved. */
export interface Adoption {
  readonly settings: SiteSettings;
  /** The account the server took. */
  readonly account: DatabaseAccount;
}

/** Databases of the server itself, in lower case. */
export const SYSTEM_DATABASES: ReadonlySet<string> = new Set([
  'mysql',
  'information_schema',
  'performance_schema',
  'sys',
]);

/**
 * Proves that a site has the database its settings name: by logging in as the site, never by believing the settings.
 * Settings that no restore could give another login are refused too.
 * @throws KedgeError AdoptionRefused when the database is a system one, another site's, holds tables of others, lies on
 *   another server, or the account has no rights to it; SettingsInvalid, DatabaseAccessDenied, DatabaseUnreachable
 */
export async function proveAdoption(claim: AdoptionClaim): Promise<Adoption> {
  const { folder, kind, server, operation } = claim;
  await requireFolder(folder);
  const settings = await kind.readSettings(folder, operation);
  refuseForeignDatabase(claim, settings.database);
  const account = await logIn(claim, settings);
  await refuseForeignTables(claim, settings);
  await kind.assertOwnLogin(folder, claim.environmentOf, operation);
  const rewritten = await kind.assertRewritable(folder, operation);
  const known = [kind.settingsFile(folder.site), ...rewritten];
  const found = await findLoginElsewhere(folder, settings, known, operation);
  if (found.length > 0)
    operation.log.warn(`${describeLoginElsewhere(folder.site.uri, found)}. ${hintOfLoginElsewhere(folder.site.uri)}`);
  await warnAboutReaders(claim);
  const reach = await server.globalPrivileges(account);
  if (reach.length > 0) operation.log.warn(describeReach(account, server.name, reach));
  const weakness = weaknessOf(settings.password);
  if (weakness !== null) operation.log.warn(describeWeakness(folder.site.uri, weakness));
  operation.log.info(`${settings.user} of ${folder.site.uri} logged in to ${server.name}`, {
    database: settings.database,
  });
  return { settings, account };
}

/** What a password costs that is no secret by itself. */
export function describeWeakness(site: string, weakness: string): string {
  return `the database password of ${site} ${weakness}: logs leave it out only where it stands as a password does`;
}

/** Names are compared without case: on some servers `Shop` and `shop` are one database. */
function refuseForeignDatabase(claim: AdoptionClaim, database: string): void {
  const { site } = claim.folder;
  if (SYSTEM_DATABASES.has(database.toLowerCase())) {
    throw refused(claim, `the settings of ${site.uri} name ${database}, a database of the server itself`);
  }
  if (database === '') throw refused(claim, `the settings of ${site.uri} name no database`);
  for (const [claimed, by] of claim.claimedDatabases) {
    if (by !== site.uri && claimed.toLowerCase() === database.toLowerCase()) {
      throw refused(
        claim,
        `the settings of ${site.uri} name the database ${database}, which ${by} has`,
        'Give each site a database of its own.',
      );
    }
  }
}

async function logIn(claim: AdoptionClaim, settings: SiteSettings): Promise<DatabaseAccount> {
  const { server, folder, operation } = claim;
  const { uri } = folder.site;
  const facts = await server.facts();
  const proved = await server.proveLogin(settings, folder.host, operation).catch((error: unknown) => {
    if (isKedgeError(error) && (error.code === 'DatabaseRefused' || error.code === 'DatabaseUnknown')) {
      throw refused(
        claim,
        `${settings.user} of ${uri} has no right to the database ${settings.database}: ${error.message}`,
      );
    }
    if (isKedgeError(error) && error.code === 'AdoptionRefused') throw refused(claim, error.message, error.hint);
    throw error;
  });
  if (proved.identity !== facts.identity) {
    throw refused(
      claim,
      `the settings of ${uri} reach another database server than ${server.name}`,
      'Set `db:` of the site to the server its settings name.',
    );
  }
  if (proved.database !== settings.database) {
    throw refused(claim, `${server.name} gave ${uri} the database ${proved.database}, not ${settings.database}`);
  }
  const account = { user: proved.user, hosts: [proved.host] };
  if (proved.user === '' || !(await server.accountExists(account))) {
    throw refused(
      claim,
      `${settings.user} of ${uri} is logged in as '${proved.user}'@'${proved.host}', which is no account of its own`,
      'Give the site a database account of its own.',
    );
  }
  return account;
}

async function refuseForeignTables(claim: AdoptionClaim, settings: SiteSettings): Promise<void> {
  const { tablePrefix, database } = settings;
  const facts = await claim.server.describe(database);
  const foreign = [...facts.tables, ...facts.views].filter((table) => !table.startsWith(tablePrefix));
  if (foreign.length === 0) return;
  const named = foreign.slice(0, 5).join(', ') + (foreign.length > 5 ? ` and ${foreign.length - 5} more` : '');
  throw refused(
    claim,
    `the database ${database} of ${claim.folder.site.uri} holds tables without its prefix ${tablePrefix}: ${named}`,
    'A restore would overwrite them: give the site a database of its own.',
  );
}

async function warnAboutReaders({ folder, kind, operation }: AdoptionClaim): Promise<void> {
  const path = kind.settingsFile(folder.site);
  if (await readableByAll({ folder, path }, operation)) {
    operation.log.warn(
      `every account of ${folder.host.name} may read ${path} of ${folder.site.uri}, password included`,
    );
  }
}

function refused({ folder, server }: AdoptionClaim, message: string, hint?: string): KedgeError {
  return new KedgeError('AdoptionRefused', message, {
    site: folder.site.uri,
    server: server.name,
    state: 'nothing was changed',
    ...(hint === undefined ? {} : { hint }),
  });
}
