import { KedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { DumpInspection } from '../archive/archive';
import { describeReach } from '../databases/account-privileges';
import type { DatabaseServer } from '../databases/database-server';
import type { Operation } from '../operation';
import type { SiteDatabase } from '../tasks/site-state';

const NAMED = 10;

/** Says so where the site's account reaches every database of the server. A sentence; null for an ordinary one. */
export async function tellReach(server: DatabaseServer, { account }: SiteDatabase): Promise<string | null> {
  const privileges = await server.globalPrivileges(account);
  return privileges.length === 0 ? null : describeReach(account, server.name, privileges);
}

/**
 * What a restore does to accounts: it gives the site's database another name, and what others have on the old one does not
 * come with it. Says so, and sees to it that the site's account may make what the backup defines over other databases.
 * @throws KedgeError DumpIncompatible when it may not
 */
export async function checkAccounts(
  server: DatabaseServer,
  target: Target,
  current: SiteDatabase,
  elsewhere: DumpInspection['elsewhere'],
  operation: Operation,
): Promise<void> {
  const { account, database } = current;
  const lacking = await server.lackingReach(
    account,
    elsewhere.filter(({ whenMade }) => whenMade),
  );
  if (lacking.length > 0) {
    const byName = (name: (typeof lacking)[number]): string => {
      const by = elsewhere.find((each) => each.database === name.database && each.object === name.object)?.by ?? '';
      return `${by} names ${name.database}.${name.object}`;
    };
    throw new KedgeError(
      'DumpIncompatible',
      `the dump could not be imported into ${server.name}: ${firstOf(lacking.map(byName))}, which the account ${account.user} may not use now, or which is gone`,
      {
        site: target.site.uri,
        server: server.name,
        state: 'the site is unchanged',
        hint: `Bring back what is gone, and give ${account.user} SELECT on these tables, or REFERENCES for keys, then restore.`,
      },
    );
  }
  const others = (await server.databasesOf(account)).filter((name) => name !== database);
  if (others.length > 0) {
    operation.log.warn(
      `the account ${account.user} may use ${firstOf(others)} too; the one a restore makes may use of them what definitions of the backup name, and nothing else`,
    );
  }
  const left = await server.rightsLeftBehind(account, database);
  if (left.length > 0) {
    const rights = left.map(
      ({ grantee, privileges, on }) => `${grantee} (${privileges}${on === null ? '' : ` on ${on}`})`,
    );
    operation.log.warn(
      `a restore gives ${database} another name, on which these have no privileges: ${firstOf(rights)}; its log holds the statements that give them the same`,
    );
  }
  const filters = await server.filtersNaming(database);
  if (filters.length > 0) {
    operation.log.warn(
      `filters of ${server.name} name ${database}, and a restore gives it another name that they do not: ${firstOf(filters)}`,
    );
  }
}

function firstOf(texts: readonly string[]): string {
  const more = texts.length > NAMED ? ` and ${texts.length - NAMED} more` : '';
  return texts.slice(0, NAMED).join(', ') + more;
}
