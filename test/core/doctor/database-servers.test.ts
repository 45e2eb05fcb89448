import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { DATABASE_SERVER_CHECKS } from '../../../src/core/doctor/database-servers';
import { runChecks } from '../../../src/core/doctor/run-checks';
import { type DatabaseLab, openLab } from '../databases/lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
const PASSWORD = 'admin-canary-5e1d';

/** What the documentation may ask an operator to grant. */
const NEEDED = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'],
  ...['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'EXECUTE', 'CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE'],
  ...['ALTER ROUTINE', 'EVENT', 'TRIGGER', 'DELETE HISTORY'],
  ...['CREATE USER', 'PROCESS', 'CONNECTION ADMIN', 'SET USER'],
];

beforeAll(async () => void (lab = await openLab(['--log-bin=binary', '--log-bin-trust-function-creators=1'])));
afterAll(() => lab?.close());
beforeEach(async () => {
  await lab.query(`
    SET GLOBAL log_bin_trust_function_creators = 1;
    CREATE OR REPLACE USER admin@localhost IDENTIFIED BY '${PASSWORD}';
    GRANT ${NEEDED.join(', ')} ON *.* TO admin@localhost WITH GRANT OPTION;`);
});

function openAsAdmin() {
  const address = { ...lab.mariadb.address, admin: { user: 'admin' } };
  return openDatabaseServer({ address, adminPassword: PASSWORD, host: lab.host });
}

async function findings(kind: 'mariadb' | 'mysql' = 'mariadb'): Promise<unknown[]> {
  const server = openAsAdmin();
  try {
    const subject = { name: 'db1', kind, open: () => Promise.resolve(server) };
    const found = await runChecks(DATABASE_SERVER_CHECKS, subject, { server: 'db1' }, testOperation());
    return found.map(({ check, level, message, hint }) => ({ check, level, message, hint }));
  } finally {
    await server.close();
  }
}

test('an admin account with just the privileges asked for is content, and enough for all of the work', async () => {
  expect(await findings()).toEqual([]);
  const server = openAsAdmin();
  const shop = { user: 'shop', hosts: ['localhost'] };
  try {
    await server.createDatabase('shop', 'utf8mb4', 'utf8mb4_general_ci');
    await server.createAccount(shop, 'pw', 'shop');
    await server.copyAccountOptions(shop, shop);
    await lab.query(`USE shop; CREATE TABLE t (i INT); INSERT INTO t VALUES (1);
      CREATE TRIGGER after_t AFTER INSERT ON t FOR EACH ROW SET @x = 1;
      CREATE FUNCTION two() RETURNS INT RETURN 2;
      CREATE EVENT tick ON SCHEDULE EVERY 1 HOUR DO SELECT 1;`);
    const path = join(lab.folder, 'needed.sql');
    await server.dump('shop', createWriteStream(path), testOperation());
    await server.createDatabase('copy', 'utf8mb4', 'utf8mb4_general_ci');
    await server.createAccount({ user: 'copy', hosts: ['localhost'] }, 'pw', 'copy');
    const imported = await server.importDump(path, 'copy', 'copy', 'pw', testOperation());
    await server.enableEvents('copy', imported.enabledEvents, { user: 'copy', hosts: ['localhost'] });
    const fence = await server.planFence(shop, 'shop');
    const held = await createConnection({ socketPath: lab.mariadb.socket, user: 'shop', password: 'pw' });
    held.on('error', () => undefined);
    await server.raiseFence(fence);
    await expect(held.query('SELECT 1')).rejects.toThrow(/closed|lost|killed/i);
    held.destroy();
    await server.lowerFence(fence);
    for (const name of ['shop', 'copy']) {
      await server.dropDatabase(name);
      await server.dropAccount({ user: name, hosts: ['localhost'] });
    }
  } finally {
    await server.close();
  }
});

test.each([['PROCESS'], ['CREATE USER'], ['EVENT'], ['DELETE HISTORY'], ['CONNECTION ADMIN'], ['SET USER']])(
  'without %s the admin account lacks it',
  async (privilege) => {
    await lab.query(`REVOKE ${privilege} ON *.* FROM admin@localhost`);
    expect(await findings()).toEqual([
      {
        check: 'database-privileges',
        level: 'error',
        message: `the admin account lacks privileges on all databases of db1: ${privilege}`,
        hint: 'Run `GRANT ALL PRIVILEGES ON *.* TO … WITH GRANT OPTION` for the account itself; a role does not count.',
      },
    ]);
  },
);

test('an admin account that may not grant', async () => {
  await lab.query('REVOKE GRANT OPTION ON *.* FROM admin@localhost');
  expect(await findings()).toMatchObject([{ message: expect.stringMatching(/: GRANT OPTION$/) as unknown }]);
});

test('SUPER stands for ending connections and for definers', async () => {
  await lab.query(
    'REVOKE CONNECTION ADMIN, SET USER ON *.* FROM admin@localhost; GRANT SUPER ON *.* TO admin@localhost',
  );
  expect(await findings()).toEqual([]);
});

test('a database that every account may use, until the hint is followed', async () => {
  await lab.query('GRANT ALL ON test.* TO PUBLIC');
  const [found] = (await findings()) as [{ level: string; message: string; hint: string }];
  expect(found).toMatchObject({
    level: 'warning',
    message: "every account of db1 may write into test, so a site's dump may too",
  });
  const [, statements = ''] = /`(DELETE [^`]*)`/.exec(found.hint) ?? [];
  await lab.query(statements);
  expect(await findings()).toEqual([]);
});

test('a binary log without trust in function creators, until the hint is followed', async () => {
  await lab.query('SET GLOBAL log_bin_trust_function_creators = 0');
  const [found] = (await findings()) as [{ level: string; message: string; hint: string }];
  expect(found).toMatchObject({ level: 'warning', message: expect.stringMatching(/binary log/) as unknown });
  await lab.query(/`(SET [^`]*)`/.exec(found.hint)?.[1] ?? '');
  expect(await findings()).toEqual([]);
});

test('another kind than the configuration says', async () => {
  expect(await findings('mysql')).toMatchObject([
    { check: 'database-login', level: 'error', hint: 'Set `kind: mariadb` for the database server db1.' },
  ]);
});

test('a refused login is one finding, and does not tell the password', async () => {
  await lab.query(`ALTER USER admin@localhost IDENTIFIED BY 'another'`);
  const found = await findings();
  expect(found).toMatchObject([
    { check: 'database-login', level: 'error', message: expect.stringMatching(/Access denied/) as unknown },
  ]);
  expect(JSON.stringify(found)).not.toContain(PASSWORD);
});
