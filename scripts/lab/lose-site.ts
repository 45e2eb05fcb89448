import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from './lab';
import { loginOf } from './site-login';
import type { WordPressSite } from './wordpress';

/** The site is gone: its folder, databases, accounts and vhost, and what Kedge knew of it. Its backups are not. */
export async function loseSite(site: WordPressSite, lab: Lab): Promise<void> {
  for (const { database, user } of [await loginOf(site), site]) {
    const accounts = await lab.mariadb.query(
      `SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user = '${user}'`,
    );
    const dropping = accounts
      .split('\n')
      .filter(Boolean)
      .map((account) => `DROP USER ${account};`);
    await lab.mariadb.query(`DROP DATABASE IF EXISTS \`${database}\`; ${dropping.join(' ')}`);
  }
  execFileSync('rm', ['-rf', '--one-file-system', '--', site.root]);
  await rm(join(lab.state, 'sites', `${site.uri}.json`), { force: true });
  await rm(join(lab.nginx.address.vhosts, `${site.uri}.conf`), { force: true });
  const [program = '', ...args] = lab.nginx.address.reload;
  execFileSync(program, args, { stdio: 'ignore' });
}
