import { type Connection, createConnection } from 'mysql2/promise';
import type { Fence } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { type DatabaseLab, openLab } from './lab';
import { until } from '../../helpers/until';

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab?.close());

const hosts = ['localhost', '127.0.0.1', '10.0.0.%'];
const account = { user: 'site', hosts: [...hosts, 'nowhere'] };
/** Accounts, their privileges and the events. An account that was unlocked says so, which comes to saying nothing. */
const state = async () =>
  (
    await lab.query(`SELECT Host, User, JSON_REMOVE(Priv, '$.password_last_changed') FROM mysql.global_priv ORDER BY 1, 2;
    SELECT * FROM mysql.db ORDER BY Host, Db, User;
    SELECT EVENT_NAME, DEFINER, STATUS, EVENT_DEFINITION FROM information_schema.EVENTS`)
  ).replaceAll(', "account_locked": false', '');
const count = async () => Number(await lab.query('SELECT COUNT(*) FROM my_site.log'));

beforeEach(async () => {
  await lab.query(`CREATE OR REPLACE DATABASE my_site; CREATE TABLE my_site.log (who varchar(9));
    CREATE OR REPLACE USER ${hosts.map((host) => `'site'@'${host}' IDENTIFIED BY 'p'`).join(', ')}, 'site'@'%' IDENTIFIED BY 'p';
    GRANT ALL ON my_site.* TO 'site'@'localhost'; GRANT ALL ON \`my\\_site\`.* TO 'site'@'127.0.0.1';
    GRANT SELECT ON my_site.* TO 'site'@'10.0.0.%'; GRANT SELECT ON my_site.* TO 'site'@'%';
    ALTER USER 'site'@'127.0.0.1' ACCOUNT LOCK;
    CREATE DEFINER='site'@'localhost' EVENT my_site.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO my_site.log VALUES ('event')`);
});

/** Writes without pause until it is cut off. */
async function startWriter(): Promise<{ connection: Connection; stopped: Promise<unknown> }> {
  const connection = await createConnection({
    socketPath: lab.mariadb.socket,
    user: 'site',
    password: 'p',
    database: 'my_site',
  });
  connection.on('error', () => undefined);
  const write = async (): Promise<never> => {
    for (;;) await connection.query("INSERT INTO log VALUES ('web')");
  };
  return { connection, stopped: write().catch((error: unknown) => error) };
}

test('no write of the site comes through a fence, not by a connection, nor by an event', async () => {
  const writers = [await startWriter(), await startWriter()];
  await until('both write, and the event', async () =>
    (await lab.query('SELECT COUNT(DISTINCT who) FROM my_site.log')).startsWith('2'),
  );
  const fence = await lab.server.planFence(account, 'my_site');
  await lab.server.raiseFence(fence);
  const after = await count();
  for (const { stopped } of writers) expect(await stopped).toMatchObject({ message: expect.any(String) });
  await expect(startWriter()).rejects.toMatchObject({ errno: 4151 });
  // The event would have run within this time: another one, of root, does.
  await lab.query(`CREATE DATABASE IF NOT EXISTS clock; CREATE OR REPLACE TABLE clock.log (n int);
    CREATE OR REPLACE EVENT clock.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO clock.log VALUES (1)`);
  await until('a clock ticks twice', async () => Number(await lab.query('SELECT COUNT(*) FROM clock.log')) >= 2);
  expect(await count()).toBe(after);

  await lab.server.lowerFence(fence);
  await until('the event writes again', async () => (await count()) > after);
  const { connection } = await startWriter();
  connection.destroy();
});

test('planning changes nothing, and lowering leaves everything as it was', async () => {
  const before = await state();
  const fence = await lab.server.planFence(account, 'my_site');
  expect(fence).toEqual<Fence>({
    account,
    database: 'my_site',
    lockedBefore: ['127.0.0.1'],
    eventPrivilegeAt: ['localhost', '127.0.0.1'],
  });
  expect(await state()).toBe(before);

  await lab.server.raiseFence(fence);
  const raised = await state();
  expect(raised).not.toBe(before);
  await lab.server.raiseFence(fence);
  expect(await state()).toBe(raised);

  // From the journal, as a successor has it.
  const remembered: Fence = JSON.parse(JSON.stringify(fence));
  await lab.server.lowerFence(remembered);
  expect(await state()).toBe(before);
  await lab.server.lowerFence(remembered);
  expect(await state()).toBe(before);
});

test('a fence that was only half raised, or never, is lowered all the same', async () => {
  const before = await state();
  const fence = await lab.server.planFence(account, 'my_site');
  await lab.server.lowerFence(fence);
  expect(await state()).toBe(before);
  await lab.query("REVOKE EVENT ON my_site.* FROM 'site'@'localhost'");
  await lab.server.lowerFence(fence);
  expect(await state()).toBe(before);
});

test('a row that held nothing but EVENT comes back', async () => {
  await lab.query(
    "REVOKE ALL ON my_site.* FROM 'site'@'localhost'; GRANT EVENT ON `my\\_site`.* TO 'site'@'localhost'",
  );
  const before = await state();
  const fence = await lab.server.planFence(account, 'my_site');
  await lab.server.raiseFence(fence);
  await lab.server.lowerFence(fence);
  expect(await state()).toBe(before);
});

test('an account that is dropped meanwhile is no error', async () => {
  const fence = await lab.server.planFence(account, 'my_site');
  await lab.server.raiseFence(fence);
  await lab.query(`DROP USER ${hosts.map((host) => `'site'@'${host}'`).join(', ')}`);
  await lab.server.lowerFence(fence);
  expect(await lab.server.accountExists(account)).toBe(false);
});

test('another account of the same name keeps its connections and its login', async () => {
  await lab.query("CREATE OR REPLACE USER 'site'@'127.0.0.1' IDENTIFIED BY 'p'");
  const neighbour = await createConnection({ host: '127.0.0.1', port: lab.mariadb.port, user: 'site', password: 'p' });
  const own = await startWriter();
  const fence = await lab.server.planFence({ user: 'site', hosts: ['10.0.0.%'] }, 'my_site');
  await lab.server.raiseFence(fence);
  expect((await neighbour.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  neighbour.destroy();
  own.connection.destroy();
});

test('an open transaction is rolled back before the fence stands', async () => {
  const connection = await createConnection({
    socketPath: lab.mariadb.socket,
    user: 'site',
    password: 'p',
    database: 'my_site',
  });
  connection.on('error', () => undefined);
  await connection.query('BEGIN');
  await connection.query("INSERT INTO log SELECT 'open' FROM seq_1_to_200000");
  await lab.server.raiseFence(await lab.server.planFence(account, 'my_site'));
  expect(
    await lab.query(
      "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; SELECT COUNT(*) FROM my_site.log WHERE who = 'open'",
    ),
  ).toBe('0\n');
});

test('accounts that a fence does not stop are told: those that may write, are not locked, and have no rights on everything', async () => {
  await lab.query(`CREATE OR REPLACE USER 'reader'@'%', 'writer'@'%', 'wide'@'%', 'elsewhere'@'%', 'all'@'%';
    CREATE OR REPLACE USER 'locked'@'%' ACCOUNT LOCK;
    GRANT SELECT ON my_site.* TO 'reader'@'%'; GRANT SELECT, UPDATE ON my_site.* TO 'writer'@'%'; GRANT DELETE ON \`my%\`.* TO 'wide'@'%';
    GRANT ALL ON my_site.* TO 'locked'@'%'; GRANT ALL ON \`my_sites\`.* TO 'elsewhere'@'%'; GRANT ALL ON *.* TO 'all'@'%'`);
  expect(await lab.server.otherWriters({ user: 'site', hosts: ['localhost'] }, 'my_site')).toEqual([
    'wide@%',
    'writer@%',
  ]);
  // The same name at another host is another account.
  await lab.query("ALTER USER 'site'@'127.0.0.1' ACCOUNT UNLOCK");
  expect(await lab.server.otherWriters({ user: 'site', hosts: ['localhost'] }, 'my_site')).toEqual([
    'site@127.0.0.1',
    'wide@%',
    'writer@%',
  ]);
  await lab.query("DROP USER 'reader'@'%', 'writer'@'%', 'wide'@'%', 'locked'@'%', 'elsewhere'@'%', 'all'@'%'");
});

describe('a statement whose client died before the server got round to it', () => {
  /** The account is being locked by a client that is gone, and the server waits with that. */
  async function withLateLock(holder: string | undefined, work: () => Promise<void>): Promise<void> {
    const blocking = await createConnection({ socketPath: lab.mariadb.socket, user: 'root' });
    const { mariadb, host } = lab;
    const death = new AbortController();
    const client = { address: mariadb.address, adminPassword: undefined, host, holder, signal: death.signal };
    const gone = openDatabaseServer(client);
    try {
      await blocking.query('FLUSH TABLES WITH READ LOCK');
      const locking = gone.lockAccount({ user: 'site', hosts: ['localhost'] }).catch((error: unknown) => error);
      await until('the server has the statement', async () =>
        (await lab.query('SELECT INFO FROM information_schema.PROCESSLIST')).includes('ACCOUNT LOCK\n'),
      );
      death.abort(new Error('its worker died'));
      expect(await locking).toMatchObject({ message: 'its worker died' });
      await work();
      await blocking.query('UNLOCK TABLES');
      await until(
        'the server executes it no more',
        async () => !(await lab.query('SELECT INFO FROM information_schema.PROCESSLIST')).includes('ACCOUNT LOCK\n'),
      );
    } finally {
      await blocking.end();
    }
  }
  const isLocked = async (): Promise<boolean> =>
    (await lab.server.planFence({ user: 'site', hosts: ['localhost'] }, 'my_site')).lockedBefore.length > 0;

  it('is executed all the same', async () => {
    await withLateLock(undefined, async () => undefined);
    await until('the account is locked', isLocked);
  });

  it('is never executed once a successor holds the lock; others go on', async () => {
    const open = (holder: string) =>
      openDatabaseServer({ address: lab.mariadb.address, adminPassword: undefined, host: lab.host, holder });
    const successor = open('one');
    const other = open('other');
    try {
      await other.databaseNames();
      await withLateLock('one', async () => {
        expect(await successor.planFence({ user: 'site', hosts: ['localhost'] }, 'my_site')).toMatchObject({
          lockedBefore: [],
        });
      });
      expect(await isLocked()).toBe(false);
      // The name is his that took it last, and nobody else has lost a connection by that.
      expect(await successor.userNames()).toContain('site');
      expect(await other.databaseNames()).toContain('my_site');
    } finally {
      await successor.close();
      await other.close();
    }
  });
});
