import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type PrivateMariadb, startMariadb } from '../../../scripts/lab/mariadb';
import { type AdoptionClaim, proveAdoption } from '../../../src/core/sites/adoption';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type DatabaseLab, openLab } from '../databases/lab';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
let foreign: PrivateMariadb;
beforeAll(async () => {
  lab = await openLab();
  await mkdir(join(lab.folder, 'foreign'), { mode: 0o755 });
  foreign = await startMariadb({ folder: join(lab.folder, 'foreign') });
  const accounts = `CREATE DATABASE shop; CREATE DATABASE mixed; CREATE DATABASE other;
    CREATE TABLE shop.wp_posts (id INT); CREATE VIEW shop.wp_recent AS SELECT * FROM shop.wp_posts;
    CREATE TABLE mixed.wp_posts (id INT); CREATE TABLE mixed.forum_users (id INT);
    CREATE VIEW mixed.report AS SELECT 1 AS one;
    CREATE USER 'shop'@'localhost' IDENTIFIED BY 'pass-canary'; GRANT ALL ON shop.* TO 'shop'@'localhost';
    GRANT ALL ON mixed.* TO 'shop'@'localhost';
    CREATE USER 'short'@'localhost' IDENTIFIED BY 'step'; GRANT ALL ON shop.* TO 'short'@'localhost';
    CREATE USER 'word'@'localhost' IDENTIFIED BY 'Warnings'; GRANT ALL ON shop.* TO 'word'@'localhost';
    CREATE USER 'admin'@'localhost' IDENTIFIED BY 'pass-canary'; GRANT ALL ON *.* TO 'admin'@'localhost';`;
  await lab.query(accounts);
  await lab.query(`CREATE USER ''@'localhost' IDENTIFIED BY 'pass-canary'; GRANT ALL ON shop.* TO ''@'localhost'`);
  await foreign.query(accounts);
});
afterAll(async () => {
  await foreign?.discard();
  await lab?.close();
});

let site: Fixture;
beforeEach(async () => {
  site = await makeSite();
});
afterEach(() => site.remove());

const LOGIN = { database: 'shop', user: 'shop', password: 'pass-canary', address: 'localhost', prefix: 'wp_' };
/** Adopts the site whose settings differ from good ones by `change`. */
async function adopt(change: Partial<typeof LOGIN> = {}, claim: Partial<AdoptionClaim> = {}, mode = 0o640) {
  const { database, user, password, address, prefix } = { ...LOGIN, ...change };
  await site.write(
    'wp-config.php',
    `<?php define('DB_NAME', '${database}'); define('DB_USER', '${user}'); define('DB_PASSWORD', '${password}');
    define('DB_HOST', '${address}'); $table_prefix = '${prefix}';`,
    mode,
  );
  const operation = testOperation();
  const adoption = await proveAdoption({
    folder: site.folder,
    kind: siteKindOf(site.folder.site),
    server: lab.server,
    claimedDatabases: new Map(),
    environmentOf: () => Promise.resolve(['POOL_PASSWORD', 'POOL_FOLDER']),
    operation,
    ...claim,
  });
  return { ...adoption, warnings: operation.warnings };
}

test('the account the server took is adopted, with what the settings say', async () => {
  expect(await adopt({}, { claimedDatabases: new Map([['shop', 'shop.example']]) })).toEqual({
    settings: {
      database: 'shop',
      user: 'shop',
      password: 'pass-canary',
      address: 'localhost',
      tablePrefix: 'wp_',
    },
    account: { user: 'shop', hosts: ['localhost'] },
    warnings: [],
  });
});

test.each([
  ['short', 'step', 'is shorter than 8 characters'],
  ['word', 'Warnings', 'is a common word or number'],
])('a password that is %s is warned about, and not told', async (user, password, why) => {
  const { warnings } = await adopt({ user, password });
  expect(warnings).toEqual([expect.stringContaining(`the database password of shop.example ${why}`)]);
  expect(warnings.join()).not.toContain(password);
});

test('settings that everybody may read are warned about', async () => {
  const { warnings } = await adopt({}, {}, 0o644);
  expect(warnings).toEqual([expect.stringMatching(/may read wp-config.php of shop.example, password included/)]);
});

test.each([
  ['a database of the server itself', { database: 'mysql', user: 'admin' }, 'a database of the server itself'],
  ['one in another case', { database: 'Information_Schema', user: 'admin' }, 'a database of the server itself'],
  ['no database', { database: '' }, 'name no database'],
  ['tables of others', { database: 'mixed' }, 'without its prefix wp_: forum_users, report'],
  ['another prefix', { prefix: 'wp2_' }, 'wp_posts'],
  ['a database it has no right to', { database: 'other' }, 'no right to the database other'],
  ['a database that is not there', { database: 'nowhere' }, 'no right to the database nowhere'],
  ['the anonymous account', { user: 'whoever' }, 'no account of its own'],
])('refused: %s', async (_, change, message) => {
  const error = await adopt(change).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: 'AdoptionRefused',
    site: 'shop.example',
    state: 'nothing was changed',
    message: expect.stringContaining(message),
  });
  expect(String(error) + JSON.stringify(error)).not.toContain('pass-canary');
});

test('refused: a login that PHP of the site has from its pool; defaults of what the pool does not set are followed', async () => {
  const withDefault = (name: string) => ({ password: `' . (getenv('${name}') ?: 'pass-canary') . '` });
  await adopt(withDefault('OTHER_PASSWORD'));
  expect(await adopt(withDefault('POOL_PASSWORD')).catch((caught: unknown) => caught)).toMatchObject({
    code: 'SettingsInvalid',
    message: expect.stringMatching(/take DB_PASSWORD from POOL_PASSWORD in line 1, which PHP of the site has/),
  });
});

test.each([
  ['put together', `' . (getenv('POOL' . '_PASSWORD') ?: 'pass-canary') . '`, 'POOL_PASSWORD,'],
  ['of an array', `' . ($_SERVER['POOL_PASSWORD'] ?? 'pass-canary') . '`, 'POOL_PASSWORD in line 1,'],
  ['named by an included file', `' . (include __DIR__ . '/environment.php') . '`, 'POOL_PASSWORD,'],
  [
    'by two of them',
    `' . (getenv('POOL_FOLDER') && getenv('POOL_PASSWORD') ? 'x' : 'pass-canary') . '`,
    'variables such as POOL_',
  ],
])('refused: a login from variables of the pool, %s', async (_, password, from) => {
  await site.write('environment.php', `<?php return getenv('POOL' . '_PASSWORD') ?: 'pass-canary';`);
  expect(await adopt({ password }).catch((caught: unknown) => caught)).toMatchObject({
    code: 'SettingsInvalid',
    message: expect.stringContaining(`take DB_PASSWORD from ${from}`),
  });
});

test("a variable of the pool that the login does not come from is in nobody's way", async () => {
  // With another value the settings do not run at all.
  await adopt({ prefix: `wp_'; if (getenv('POOL_FOLDER')) require getenv('POOL_FOLDER') . '/none.php'; $x = '` });
  await adopt({ prefix: `wp_'; $x = getenv('POOL_PASSWORD') . '` });
});

test('refused: a login that no restore could replace, with the line', async () => {
  const error = await adopt({ password: "pass-' . strtolower('CANARY') . '" }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: 'SettingsInvalid',
    message: 'the settings in wp-config.php of shop.example compute DB_PASSWORD in line 1',
    hint: 'Write the value of DB_PASSWORD as a text in quotes in line 1 of wp-config.php.',
  });
  expect(String(error) + JSON.stringify(error)).not.toContain('canary');
});

test('refused: a wrong password, and a server that is not there', async () => {
  await expect(adopt({ password: 'wrong' })).rejects.toMatchObject({ code: 'DatabaseAccessDenied' });
  await expect(adopt({ address: '127.0.0.1:1' })).rejects.toMatchObject({ code: 'DatabaseUnreachable' });
});

test('refused: another server that knows the same account', async () => {
  for (const address of [`localhost:${foreign.socket}`, `127.0.0.1:${foreign.port}`]) {
    await expect(adopt({ address })).rejects.toMatchObject({
      code: 'AdoptionRefused',
      message: expect.stringContaining('another'),
      site: 'shop.example',
    });
  }
});

test('refused: a database another site has, whatever the case', async () => {
  await expect(adopt({}, { claimedDatabases: new Map([['SHOP', 'blog.example']]) })).rejects.toMatchObject({
    code: 'AdoptionRefused',
    message: expect.stringContaining('which blog.example has'),
  });
});

test('refused: a folder that is a link, before anything of it is read', async () => {
  const folder = { ...site.folder, path: `${site.folder.path}-missing` };
  await expect(adopt({}, { folder })).rejects.toMatchObject({ code: 'SiteFolderRefused' });
});
