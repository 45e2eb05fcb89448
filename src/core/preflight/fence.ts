import { KedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import type { DatabaseServer } from '../databases/database-server';
import type { Operation } from '../operation';
import type { SiteDatabase } from '../tasks/site-state';

/**
 * Whether the writes of a site can be fenced: false for a shared account that may go on unfenced.
 * @throws KedgeError AccountShared for one that may not
 */
export async function checkFence(
  server: DatabaseServer,
  target: Target,
  { account, database }: SiteDatabase,
  { allowShared }: { allowShared: boolean },
  operation: Operation,
): Promise<boolean> {
  if (!(await server.accountIsShared(account, database))) return true;
  if (!allowShared) {
    const others = (await server.databasesOf(account)).filter((name) => name !== database);
    throw new KedgeError(
      'AccountShared',
      `the account ${account.user} reaches more than the database ${database}${others.length === 0 ? '' : `: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''} too`}`,
      {
        site: target.site.uri,
        server: target.database.name,
      },
    );
  }
  operation.log.warn(`the account ${account.user} is shared: writes of the site are not fenced`);
  return false;
}
