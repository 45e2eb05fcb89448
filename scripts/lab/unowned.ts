import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Lab } from './lab';
import { leftovers } from './leftovers';
import { loginOf } from './site-login';

/** What a MariaDB has before anybody made anything in it. */
const OWN_DATABASES = ['information_schema', 'mysql', 'performance_schema', 'sys'];
const OWN_ACCOUNTS = ['PUBLIC', 'kedge', 'mariadb.sys', 'mysql', 'root'];

/**
 * What is there although no task runs and no site has it, a line each; empty when all is as it should be. A site that is not
 * there may have nothing; the database and account that a site was installed with are kept when Kedge replaced them.
 */
export async function unowned(lab: Lab): Promise<string[]> {
  const databases = new Set(OWN_DATABASES);
  const accounts = new Set(OWN_ACCOUNTS);
  const current = new Set<string>();
  for (const site of lab.sites) {
    databases.add(site.database);
    accounts.add(site.user);
    if (!existsSync(site.root)) continue;
    const login = await loginOf(site);
    databases.add(login.database);
    accounts.add(login.user);
    current.add(login.user);
  }
  const left = await leftovers(lab);
  const lines: string[] = [];
  const unexpected = (kind: string, isExpected: (name: string) => boolean): void => {
    for (const name of left[kind] ?? []) if (!isExpected(name)) lines.push(`${kind}: ${name}`);
  };
  const userOf = (account: string): string => account.slice(0, account.lastIndexOf('@'));
  unexpected('databases', (name) => databases.has(name));
  unexpected('accounts', (account) => accounts.has(userOf(account)) || userOf(account) === process.env['USER']);
  unexpected('grants', (grant) => accounts.has(grant.split(' ')[0] ?? ''));
  // Locked are those that a restore replaced and keeps, and the server's own.
  unexpected('locked', (account) => accounts.has(userOf(account)) && !current.has(userOf(account)));
  const roots = new Set(['.kedge', ...lab.sites.map(({ root }) => basename(root))]);
  unexpected('sites', (name) => roots.has(name));
  for (const kind of ['staging', 'spool', 'open', 'temporary', 'processes']) unexpected(kind, () => false);
  // The folder of a site's probes stays; what lies in it is for one request.
  unexpected(
    'flags',
    (name) => name.endsWith('.probe') && readdirSync(join(lab.nginx.address.flags, name)).length === 0,
  );
  return lines;
}
