import { createConnection } from 'mysql2/promise';
import { type DatabaseLab, openLab } from './lab';

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
  await lab.query(
    'CREATE DATABASE shop; CREATE TABLE shop.t (id int); CREATE DATABASE other; CREATE TABLE other.t (id int); CREATE DATABASE my_site; CREATE DATABASE myXsite',
  );
});
afterAll(() => lab?.close());

const account = (user: string, ...hosts: string[]) => ({ user, hosts: hosts.length === 0 ? ['localhost'] : hosts });
const grants = async (user: string, host = 'localhost') =>
  (await lab.query(`SHOW GRANTS FOR '${user}'@'${host}'`))
    .replace(/ IDENTIFIED BY PASSWORD '[^']*'/, '')
    .trim()
    .split('\n');

async function logIn(user: string, password: string): Promise<string> {
  const connection = await createConnection({ socketPath: lab.mariadb.socket, user, password });
  const [rows] = await connection.query('SELECT CURRENT_USER() AS account');
  connection.destroy();
  return JSON.stringify(rows);
}

describe('an account that is created', () => {
  test('has all privileges on its database and no others, at all its hosts', async () => {
    await lab.server.createAccount(account('new', 'localhost', '10.0.%'), "pass'\\word", 'my_site');
    for (const host of ['localhost', '10.0.%']) {
      expect(await grants('new', host)).toEqual([
        `GRANT USAGE ON *.* TO \`new\`@\`${host}\``,
        `GRANT ALL PRIVILEGES ON \`my\\\\_site\`.* TO \`new\`@\`${host}\``,
      ]);
    }
    expect(await logIn('new', "pass'\\word")).toContain('new@localhost');
    expect(await lab.server.accountIsShared(account('new', 'localhost', '10.0.%'), 'my_site')).toBe(false);
  });

  test('again is reset: password, lock and privileges', async () => {
    await lab.query(
      "GRANT SELECT ON other.* TO 'new'@'localhost'; GRANT ALL ON *.* TO 'new'@'localhost'; ALTER USER 'new'@'localhost' ACCOUNT LOCK",
    );
    await lab.server.createAccount(account('new'), 'second', 'shop');
    expect(await logIn('new', 'second')).toContain('new@localhost');
    expect(await grants('new')).toEqual([
      'GRANT USAGE ON *.* TO `new`@`localhost`',
      'GRANT ALL PRIVILEGES ON `shop`.* TO `new`@`localhost`',
    ]);
  });

  test('and refused shows no password', async () => {
    await lab.query("INSTALL SONAME 'simple_password_check'").catch(() => undefined);
    try {
      const error = await lab.server
        .createAccount(account('refused', "bad'host".repeat(40)), 'canary-pw', 'shop')
        .catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        code: 'DatabaseRefused',
        message: expect.stringContaining('creating the account refused@'),
      });
      expect(String(error) + JSON.stringify(error)).not.toContain('canary-pw');
    } finally {
      await lab.query("UNINSTALL SONAME 'simple_password_check'").catch(() => undefined);
    }
  });

  test('is dropped as often as asked, where it exists', async () => {
    await lab.server.dropAccount(account('new', 'localhost', '10.0.%', 'nowhere'));
    await lab.server.dropAccount(account('new'));
    expect(await lab.server.accountExists(account('new', 'localhost', '10.0.%'))).toBe(false);
  });
});

test('limits and TLS demands are copied host by host', async () => {
  await lab.query(`CREATE USER 'old'@'localhost' REQUIRE SUBJECT '/CN=it''s' AND ISSUER '/CN=ca' AND CIPHER 'AES' WITH MAX_USER_CONNECTIONS 7 MAX_QUERIES_PER_HOUR 5 MAX_STATEMENT_TIME 2.5;
    CREATE USER 'old'@'%' REQUIRE SSL; CREATE USER 'old'@'x' REQUIRE X509 WITH MAX_UPDATES_PER_HOUR 3;
    CREATE USER 'fresh'@'localhost', 'fresh'@'%', 'fresh'@'elsewhere' REQUIRE SSL`);
  await lab.server.copyAccountOptions(
    account('old', 'localhost', '%', 'x'),
    account('fresh', 'localhost', '%', 'elsewhere', 'nowhere'),
  );
  const options = async (user: string, host: string) =>
    (await lab.query(`SHOW CREATE USER '${user}'@'${host}'`)).replace(/.*?@`[^`]*`/, '');
  for (const host of ['localhost', '%']) expect(await options('fresh', host)).toBe(await options('old', host));
  expect(await options('fresh', 'localhost')).toContain("SUBJECT '/CN=it''s'");
  expect(await options('fresh', 'elsewhere')).toContain('REQUIRE SSL');
  await lab.query(
    "ALTER USER 'old'@'localhost' REQUIRE NONE WITH MAX_USER_CONNECTIONS 0 MAX_QUERIES_PER_HOUR 0 MAX_STATEMENT_TIME 0",
  );
  await lab.server.copyAccountOptions(account('old'), account('fresh'));
  expect(await options('fresh', 'localhost')).toBe(await options('old', 'localhost'));
});

describe('an account is', () => {
  const shapes: [string, string, string, boolean][] = [
    ['all of its database', 'shop', 'GRANT ALL ON shop.* TO U', false],
    ['its database with grant option', 'shop', 'GRANT ALL ON shop.* TO U WITH GRANT OPTION', false],
    [
      'its tables, columns and routines alone',
      'shop',
      'GRANT SELECT ON shop.t TO U; GRANT UPDATE (id) ON shop.t TO U; GRANT EXECUTE ON FUNCTION shop.f TO U',
      false,
    ],
    ['nothing at all', 'shop', 'SELECT 1', false],
    ['an escaped name', 'my_site', 'GRANT ALL ON `my\\_site`.* TO U', false],
    ['a wildcard that reaches another database', 'my_site', 'GRANT ALL ON my_site.* TO U', true],
    ['a wildcard that reaches no other', 'shop', 'GRANT ALL ON `sho%`.* TO U', false],
    ['a wildcard over all', 'shop', 'GRANT SELECT ON `%`.* TO U', true],
    ['another database too', 'shop', 'GRANT ALL ON shop.* TO U; GRANT SELECT ON other.* TO U', true],
    ['another database that is gone', 'shop', 'GRANT ALL ON shop.* TO U; GRANT SELECT ON gone.* TO U', false],
    ['a global privilege', 'shop', 'GRANT ALL ON shop.* TO U; GRANT PROCESS ON *.* TO U', true],
    ['a global privilege of its own kind', 'shop', 'GRANT BINLOG MONITOR ON *.* TO U', true],
    ['a table elsewhere', 'shop', 'GRANT SELECT ON other.t TO U', true],
    ['a column elsewhere', 'shop', 'GRANT SELECT (id) ON other.t TO U', true],
    ['a routine elsewhere', 'shop', 'GRANT EXECUTE ON FUNCTION other.f TO U', true],
    ['a role', 'shop', 'CREATE ROLE IF NOT EXISTS r; GRANT r TO U', true],
    ['the right to be another', 'shop', "GRANT PROXY ON 'root'@'localhost' TO U", true],
  ];

  test.each(shapes)('judged by its privileges: %s', async (_what, database, statements, shared) => {
    await lab.query(`CREATE OR REPLACE FUNCTION shop.f() RETURNS int RETURN 1; CREATE OR REPLACE FUNCTION other.f() RETURNS int RETURN 1;
      CREATE OR REPLACE USER 'judged'@'localhost'; ${statements.replaceAll('TO U', "TO 'judged'@'localhost'")}`);
    expect(await lab.server.accountIsShared(account('judged'), database)).toBe(shared);
    // The same at the second of its hosts.
    await lab.query(
      `CREATE OR REPLACE USER 'judged'@'localhost'; CREATE OR REPLACE USER 'judged'@'10.%'; ${statements.replaceAll('TO U', "TO 'judged'@'10.%'")}`,
    );
    expect(await lab.server.accountIsShared(account('judged', 'localhost', '10.%', 'nowhere'), database)).toBe(shared);
    // Another account of the same name is another account.
    expect(await lab.server.accountIsShared(account('judged'), database)).toBe(false);
    await lab.query("DROP USER 'judged'@'localhost', 'judged'@'10.%'");
  });

  test('never the admin account, which Kedge would lock out', async () => {
    const { user } = lab.mariadb.address.admin;
    await expect(lab.server.lockAccount(account(user))).rejects.toMatchObject({ code: 'DatabaseRefused' });
    await expect(lab.server.dropAccount(account(user))).rejects.toMatchObject({ code: 'DatabaseRefused' });
    await expect(lab.server.createAccount(account(user), 'x', 'shop')).rejects.toMatchObject({
      code: 'DatabaseRefused',
    });
    expect(await lab.query('SELECT 1')).toBe('1\n');
  });
});

test('locking ends connections, is idempotent and passes over hosts without the account', async () => {
  await lab.server.createAccount(account('locked'), 'p', 'shop');
  const connection = await createConnection({ socketPath: lab.mariadb.socket, user: 'locked', password: 'p' });
  const lost = new Promise((resolve) => connection.on('error', resolve));
  await lab.server.lockAccount(account('locked', 'localhost', 'nowhere'));
  await lab.server.lockAccount(account('locked', 'localhost', 'nowhere'));
  await lost;
  await expect(logIn('locked', 'p')).rejects.toMatchObject({ errno: 4151 });
  await lab.server.unlockAccount(account('locked', 'localhost', 'nowhere'));
  await lab.server.unlockAccount(account('locked'));
  expect(await logIn('locked', 'p')).toContain('locked@localhost');
});
