import { existingHosts, lockAccount, lockedHosts } from './accounts';
import { grantRows } from './account-privileges';
import type { AdminConnection } from './admin-connection';
import type { DatabaseAccount, Fence } from './database-server';
import { grantPatternMatches, isWildcardPattern, quoteAccount, quoteGrantPattern, quoteGrantRow } from './identifiers';

/** What a fence of this account would change. */
export async function planFence(admin: AdminConnection, account: DatabaseAccount, database: string): Promise<Fence> {
  const eventPrivilegeAt: string[] = [];
  for (const host of await existingHosts(admin, account)) {
    const rows = await matchingRows(admin, account.user, host, database);
    if (rows.some(({ event }) => event)) eventPrivilegeAt.push(host);
  }
  return { account, database, lockedBefore: await lockedHosts(admin, account), eventPrivilegeAt };
}

/**
 * Revokes EVENT, locks the account, ends its connections: in this order nothing begins anew once its connections are gone.
 * Events run on under a locked account, and are stopped by the lack of the privilege.
 */
export async function raiseFence(admin: AdminConnection, { account, database }: Fence): Promise<void> {
  for (const host of await existingHosts(admin, account)) {
    for (const { name, event } of await matchingRows(admin, account.user, host, database)) {
      if (!event) continue;
      await admin.execute(`REVOKE EVENT ON ${quoteGrantRow(name)}.* FROM ${quoteAccount(account.user, host)}`, {
        what: `revoking EVENT from ${account.user}@${host}`,
      });
    }
  }
  await lockAccount(admin, account);
}

/** Gives EVENT back where it was, and unlocks what was not locked before. */
export async function lowerFence(admin: AdminConnection, fence: Fence): Promise<void> {
  const { account, database } = fence;
  for (const host of await existingHosts(admin, account)) {
    if (fence.eventPrivilegeAt.includes(host)) {
      const rows = await matchingRows(admin, account.user, host, database);
      // A row that held nothing but EVENT is gone: this one reaches the same database.
      const row = rows[0] === undefined ? quoteGrantPattern(database) : quoteGrantRow(rows[0].name);
      await admin.execute(`GRANT EVENT ON ${row}.* TO ${quoteAccount(account.user, host)}`, {
        what: `giving EVENT back to ${account.user}@${host}`,
      });
    }
    if (!fence.lockedBefore.includes(host)) {
      await admin.execute(`ALTER USER ${quoteAccount(account.user, host)} ACCOUNT UNLOCK`, {
        what: `unlocking the account ${account.user}@${host}`,
      });
    }
  }
}

/** Rows of `mysql.db` that reach the database, the most specific first: the servers look at that one alone. */
async function matchingRows(
  admin: AdminConnection,
  user: string,
  host: string,
  database: string,
): Promise<{ name: string; event: boolean }[]> {
  const rows = (await grantRows(admin, user, host)).filter(({ name }) => grantPatternMatches(name, database));
  const wildcards = (name: string): number => (isWildcardPattern(name) ? 1 : 0);
  return rows.toSorted((one, other) => wildcards(one.name) - wildcards(other.name));
}
