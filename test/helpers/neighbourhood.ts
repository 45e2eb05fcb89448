import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOf } from '../../scripts/lab/fingerprint';
import type { Lab, WordPressSite } from './e2e';

/** Everything on the servers of a lab, as names and what is found there. */
export type Neighbourhood = Record<string, string>;

const SYSTEM = ['information_schema', 'performance_schema', 'sys'];
/** Tables of accounts and rights, and of what else acts on the whole server. */
const RIGHTS = [
  'global_priv',
  'db',
  'tables_priv',
  'columns_priv',
  'procs_priv',
  'proxies_priv',
  'roles_mapping',
  'servers',
  'plugin',
  'func',
];

/** Looks at everything, or at all that is not one site's own. */
export async function neighbourhood(lab: Lab, site?: WordPressSite): Promise<Neighbourhood> {
  const found: Neighbourhood = {};
  const put = (prefix: string, entries: Record<string, string>): void => {
    for (const [name, value] of Object.entries(entries)) found[`${prefix}/${name}`] = value;
  };
  const ownFile = site
    ? new RegExp(`^(${site.uri.replaceAll('.', '\\.')}(\\.json|\\.probe)?|\\.kedge)(/|$)`)
    : /^\.kedge(\/|$)/;
  put('srv', without(filesOf(join(lab.folder, 'srv')), ownFile));
  put('backups', without(filesOf(lab.backups), ownFile));
  put('state', without(filesOf(join(lab.state, 'sites')), ownFile));
  put('vhosts', filesOf(lab.nginx.address.vhosts));
  put('flags', without(filesOf(lab.nginx.address.flags), ownFile));
  for (const name of ['nginx.conf', 'php-fpm.conf', 'kedge.yaml'])
    found[name] = await readFile(join(lab.folder, name), 'utf8');

  const ownNames = site
    ? new RegExp(`\\b(${site.database}|${site.uri.replace(/[^a-z0-9]/g, '').slice(0, 16)}[a-z0-9]*)\\b`)
    : undefined;
  const lines = async (sql: string): Promise<string[]> =>
    (await lab.mariadb.query(sql)).split('\n').filter((line) => line !== '' && ownNames?.test(line) !== true);
  for (const database of await lines('SHOW DATABASES')) {
    found[`database ${database}`] = (await lines(`SHOW CREATE DATABASE \`${database}\``)).join('\n');
    if (![...SYSTEM, 'mysql'].includes(database)) put(`database ${database}`, await contentOf(lab, database));
  }
  for (const table of RIGHTS) found[`mysql.${table}`] = (await lines(`SELECT * FROM mysql.${table}`)).sort().join('\n');
  for (const line of await lines('SHOW GLOBAL VARIABLES')) {
    const [name = '', value = ''] = line.split('\t');
    found[`variable ${name}`] = value;
  }
  return found;
}

/** What is different, one line each. */
export function changes(before: Neighbourhood, after: Neighbourhood): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name}: ${before[name] ?? 'absent'} -> ${after[name] ?? 'absent'}`);
}

/** Rows of every table, definitions of all there is, with their definers. */
async function contentOf(lab: Lab, database: string): Promise<Record<string, string>> {
  const tables = await lab.mariadb.query(
    `SELECT table_name FROM information_schema.tables WHERE table_schema='${database}'`,
  );
  const looks = new Map<string, string>();
  for (const table of tables.split('\n').filter(Boolean)) {
    const name = `\`${database}\`.\`${table}\``;
    looks.set(table, `CHECKSUM TABLE ${name}; SHOW CREATE TABLE ${name};`);
  }
  const lists = {
    routines: 'routine_schema',
    events: 'event_schema',
    triggers: 'trigger_schema',
    views: 'table_schema',
  };
  for (const [what, column] of Object.entries(lists))
    looks.set(what, `SELECT * FROM information_schema.${what} WHERE ${column}='${database}' ORDER BY 3, 4;`);
  const sql = [...looks.values()].map((look) => `SELECT '${MARK}'; ${look}`).join('\n');
  const answers = (await lab.mariadb.query(sql)).split(`${MARK}\n`).slice(1);
  return Object.fromEntries([...looks.keys()].map((name, index) => [name, answers[index] ?? '']));
}

const MARK = '--- next ---';

function without(files: Record<string, string>, own: RegExp): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !own.test(name)));
}
