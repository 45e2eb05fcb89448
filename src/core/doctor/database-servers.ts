import type { Complaint } from '../../contract/findings';
import type { ConfiguredDatabaseServer } from './installation';
import type { Check } from './run-checks';

/** Checks of one database server. */
export const DATABASE_SERVER_CHECKS: readonly Check<ConfiguredDatabaseServer>[] = [
  { check: 'database-login', run: checkLogin },
  { check: 'database-privileges', after: ['database-login'], run: checkPrivileges },
  { check: 'database-public', after: ['database-login', 'database-privileges'], run: checkPublicDatabases },
  { check: 'database-function-creators', after: ['database-login'], run: checkFunctionCreators },
];

/** It answers its admin account, and is what the configuration says. */
async function checkLogin({ name, kind, open }: ConfiguredDatabaseServer): Promise<readonly Complaint[]> {
  const facts = await (await open()).facts();
  if (facts.kind === kind) return [];
  return [
    {
      level: 'error',
      message: `the configuration calls ${name} ${kind}, but it is ${facts.version}`,
      hint: `Set \`kind: ${facts.kind}\` for the database server ${name}.`,
    },
  ];
}

async function checkPrivileges({ name, open }: ConfiguredDatabaseServer): Promise<readonly Complaint[]> {
  const missing = await (await open()).missingPrivileges();
  if (missing.length === 0) return [];
  return [
    {
      level: 'error',
      message: `the admin account lacks privileges on all databases of ${name}: ${missing.join(', ')}`,
      hint: 'Run `GRANT ALL PRIVILEGES ON *.* TO … WITH GRANT OPTION` for the account itself; a role does not count.',
    },
  ];
}

/** There a hostile dump could write for everybody. */
async function checkPublicDatabases({ name, open }: ConfiguredDatabaseServer): Promise<readonly Complaint[]> {
  const databases = await (await open()).publicDatabases();
  if (databases.length === 0) return [];
  return [
    {
      level: 'warning',
      message: `every account of ${name} may write into ${databases.join(', ')}, so a site's dump may too`,
      hint: "Run `mariadb-secure-installation`, or `DELETE FROM mysql.db WHERE User IN ('', 'PUBLIC'); FLUSH PRIVILEGES`.",
    },
  ];
}

async function checkFunctionCreators({ name, open }: ConfiguredDatabaseServer): Promise<readonly Complaint[]> {
  const { allowsFunctionCreators } = await (await open()).facts();
  if (allowsFunctionCreators) return [];
  return [
    {
      level: 'warning',
      message: `${name} keeps a binary log and lets no site's account create triggers and functions: a backup with some cannot be restored`,
      hint: 'Run `SET GLOBAL log_bin_trust_function_creators = 1`, and set it in the configuration of the server.',
    },
  ];
}
