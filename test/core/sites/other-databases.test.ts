import type { DatabaseAccount } from '../../../src/core/databases/database-server';
import { describeOtherDatabases, findOtherDatabases } from '../../../src/core/sites/other-databases';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type DatabaseLab, openLab } from '../databases/lab';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
let site: Fixture;
beforeAll(async () => {
  lab = await openLab();
  for (const name of ['shop', 'archive', 'stats_1', 'users', 'global'])
    await lab.query(`CREATE DATABASE \`${name}\`; CREATE TABLE \`${name}\`.t (id INT)`);
  await lab.query(`CREATE USER 'shop'@'localhost' IDENTIFIED BY 'p'; GRANT ALL ON shop.* TO 'shop'@'localhost'`);
});
afterAll(() => lab?.close());
afterEach(() => site.remove());

const account: DatabaseAccount = { user: 'shop', hosts: ['localhost'] };
async function found(by = account): Promise<Record<string, string | null>> {
  const known = {
    folder: site.folder,
    kind: siteKindOf(site.folder.site),
    server: lab.server,
    current: { database: 'shop', account: by },
  };
  const others = await findOtherDatabases(known, testOperation());
  return Object.fromEntries(others.map(({ name, setting, here }) => [here ? name : `${name} elsewhere`, setting]));
}

const WORDPRESS = `<?php define('DB_NAME', 'shop'); define('DB_USER', 'shop'); define('DB_PASSWORD', 'archive'); define('DB_HOST', 'users');
define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', ''); define('WP_REDIS_DATABASE', 'global'); define('GEOIP_DATABASE', '/usr/share/geoip.mmdb');
define('AUTH_KEY', 'archive'); define('DB_VERSION', '7'); $table_prefix = 'wp_';`;

test.each([
  ['settings of one database', '', {}],
  ['the same database again', "define('LOG_DB_NAME', 'SHOP'); define('READ_DB_NAME', 'shop');", {}],
  ['a constant', "define('ARCHIVE_DB_NAME', 'archive');", { archive: 'ARCHIVE_DB_NAME' }],
  ['whatever it is called, where the server has it', "const USERS_DB_OLD = 'users';", { users: 'USERS_DB_OLD' }],
  [
    'a variable',
    "$databases = ['log' => ['name' => 'stats_1', 'user' => 'users']];",
    { stats_1: "$databases['log']['name']" },
  ],
  [
    'DSN and URL',
    "$a = 'mysql:host=localhost;dbname=archive;charset=utf8'; $b = ['x' => 'mysql://u:p@h/users?charset=utf8'];",
    { archive: '$a', users: "$b['x']" },
  ],
  [
    'on another server',
    "define('CRM_DB_NAME', 'crm'); define('CRM_DATABASE', 'crm2'); define('DB_MODE', 'fast');",
    { 'crm elsewhere': 'CRM_DB_NAME', 'crm2 elsewhere': 'CRM_DATABASE' },
  ],
])('WordPress, %s', async (_what, more, expected) => {
  site = await makeSite();
  await site.write('wp-settings.php', '');
  await site.write('wp-config.php', `${WORDPRESS} ${more} require_once ABSPATH . 'wp-settings.php';`);
  expect(await found()).toEqual(expected);
});

test('WordPress, HyperDB: the databases its file adds, where the drop-in that reads it is there', async () => {
  site = await makeSite();
  await site.write('wp-settings.php', '');
  await site.write('wp-config.php', `${WORDPRESS} require_once ABSPATH . 'wp-settings.php';`);
  await site.write(
    'db-config.php',
    `<?php $wpdb->save_queries = false; $wpdb->add_database(['host' => DB_HOST, 'user' => DB_USER, 'name' => DB_NAME]);
    $wpdb->add_database(array('host' => 'h', 'name' => 'global', 'dataset' => 'global'));
    $wpdb->add_callback('choose'); function choose($query, $wpdb) {} exit;`,
  );
  expect(await found()).toEqual({});
  await site.write('wp-content/db.php', '<?php // HyperDB');
  expect(await found()).toEqual({ global: 'connection 1 database' });
});

test('plain PHP and environment files', async () => {
  const names = { database: 'DB_DATABASE', user: 'DB_USERNAME', password: 'DB_PASSWORD', host: 'DB_HOST' };
  site = await makeSite({ kind: 'php', settings: { file: '.env', format: 'env', names } });
  await site.write(
    '.env',
    "DB_DATABASE=shop\nDB_USERNAME=users\nDB_PASSWORD=archive\nDB_HOST=global\nSTATS_URL='mysql://u:p@db/stats_1'\nDB_ARCHIVE=archive\n",
  );
  expect(await found()).toEqual({ stats_1: 'STATS_URL', archive: 'DB_ARCHIVE' });
});

test('settings that cannot be read name none; what the account may use is told all the same', async () => {
  site = await makeSite();
  await site.write('wp-config.php', '<?php exit;');
  expect(await found()).toEqual({});
  await lab.query(`CREATE USER 'wide'@'localhost', 'admin'@'localhost';
    GRANT SELECT ON \`s%\`.* TO 'wide'@'localhost'; GRANT INSERT ON archive.t TO 'wide'@'localhost';
    GRANT ALL ON gone.* TO 'wide'@'localhost'; GRANT ALL ON *.* TO 'admin'@'localhost'`);
  // The server's own sys database begins with an s, too.
  expect(await found({ user: 'wide', hosts: ['localhost'] })).toEqual({ archive: null, stats_1: null });
  expect(await found({ user: 'admin', hosts: ['localhost'] })).toEqual({});
});

test('one sentence says it', () => {
  const others = [
    { name: 'archive', setting: 'ARCHIVE_DB_NAME', here: true },
    { name: 'crm', setting: 'CRM_DB_NAME', here: false },
    { name: 'stats', setting: null, here: true },
  ];
  expect(describeOtherDatabases('shop.example', 'shop', 'local', [])).toBeNull();
  expect(describeOtherDatabases('shop.example', 'shop', 'local', others)).toBe(
    'shop.example seems to use several databases; only shop is backed up and restored, not archive (ARCHIVE_DB_NAME of its settings), crm (CRM_DB_NAME of its settings; not on local), stats (its account may use it)',
  );
});
