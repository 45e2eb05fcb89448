import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { createConnection } from 'mysql2/promise';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { until } from '../../helpers/until';

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
  await lab.query("CREATE DATABASE shop; CREATE TABLE shop.t (id int, s text); INSERT INTO shop.t VALUES (1, 'x')");
});
afterAll(() => lab?.close());

/** A dump that waits for a table somebody else has locked. */
async function startHaltingDump() {
  const blocker = await createConnection({ socketPath: lab.mariadb.socket, user: lab.mariadb.address.admin.user });
  blocker.on('error', () => undefined);
  await blocker.query('LOCK TABLES shop.t WRITE');
  const operation = testOperation();
  const path = join(lab.folder, `halting-${Date.now()}.sql`);
  const output = createWriteStream(path);
  const outcome = lab.server.dump('shop', output, operation).then(
    () => 'dumped',
    (error: unknown) => error,
  );
  await until('the dump waits', async () =>
    (await lab.query('SHOW PROCESSLIST')).includes('Waiting for table metadata lock'),
  );
  return { operation, outcome, output, release: () => blocker.destroy() };
}

test('a dump that is cancelled ends at once, with its programs and its file', async () => {
  const { operation, outcome, output, release } = await startHaltingDump();
  try {
    operation.cancel();
    expect(await outcome).toMatchObject({ message: 'the test cancelled' });
    expect(await lab.host.endProcesses(operation.mark)).toBe(0);
    await until('the file is closed', () => output.closed);
  } finally {
    release();
  }
});

test('a dump that is cancelled at any moment throws the reason, and that is all', async () => {
  // Kedge reads the rows of the first by itself.
  await lab.query(`
    CREATE DATABASE measures; USE measures;
    CREATE TABLE measured (f FLOAT, t TEXT); INSERT INTO measured SELECT seq / 7, repeat('x', 1000) FROM seq_1_to_2000;
    CREATE TABLE other AS SELECT * FROM measured`);
  let dumps = 0;
  await cancelAtEachTurn(async (operation) => {
    const path = join(lab.folder, `cancelled-${(dumps += 1)}.sql`);
    const output = createWriteStream(path);
    try {
      await lab.server.dump('measures', output, operation);
    } finally {
      await rm(path, { force: true });
    }
    expect(await lab.host.endProcesses(operation.mark)).toBe(0);
  });
});

test('a dump of a server that dies is the fault of the server', async () => {
  const { outcome, release } = await startHaltingDump();
  lab.mariadb.kill();
  try {
    expect(await outcome).toMatchObject({ code: 'DatabaseUnreachable', server: 'lab' });
  } finally {
    release();
    await lab.mariadb.start();
  }
});

test('a dump that cannot be written says why', async () => {
  await lab.query(`USE shop; CREATE TABLE many (s text); INSERT INTO many SELECT repeat('x', 10000) FROM seq_1_to_500`);
  const full = new Writable({
    write(_chunk, _encoding, callback) {
      callback(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
    },
  });
  const operation = testOperation();
  await expect(lab.server.dump('shop', full, operation)).rejects.toMatchObject({ code: 'DiskFull' });
  expect(full.destroyed).toBe(true);
  expect(await lab.host.endProcesses(operation.mark)).toBe(0);
  await lab.query('DROP TABLE shop.many');
});

test('a dump that cannot be written when its program has ended long ago says why, too', async () => {
  const full = new Writable({
    highWaterMark: 1024 * 1024,
    write: (_chunk, _encoding, done) => done(),
    final: (done) => done(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })),
  });
  await expect(lab.server.dump('shop', full, testOperation())).rejects.toMatchObject({
    code: 'DiskFull',
    message: expect.stringContaining('no space left on device') as unknown,
  });
});

test('a dump of what is not there is none', async () => {
  await expect(lab.dump('nowhere')).rejects.toMatchObject({ code: 'DatabaseUnknown' });
});

test('a table that cannot be read is no backup without it', async () => {
  await lab.query('CREATE TABLE shop.crashed (id int) ENGINE=MyISAM; FLUSH TABLES');
  await rm(join(lab.folder, 'mariadb-data/shop/crashed.MYD'));
  await expect(lab.dump('shop')).rejects.toMatchObject({
    code: 'TableUnreadable',
    message: expect.stringMatching(/^tables of shop on database server lab cannot be read: crashed \(/),
  });
  await lab.query('DROP TABLE IF EXISTS shop.crashed');
});

test('a table that is rebuilt while it is dumped is reason to begin anew, not to give up', async () => {
  await lab.query(`CREATE DATABASE rebuilt; USE rebuilt; CREATE TABLE a_held (id int); CREATE TABLE lookup (id int);
    INSERT INTO a_held VALUES (1); INSERT INTO lookup VALUES (1)`);
  for (const rebuild of ['ALTER TABLE rebuilt.lookup FORCE', 'DROP TABLE rebuilt.lookup']) {
    const blocker = await createConnection({ socketPath: lab.mariadb.socket, user: lab.mariadb.address.admin.user });
    try {
      // The dump has begun its transaction, and waits.
      await blocker.query('LOCK TABLES rebuilt.a_held WRITE');
      const outcome = lab.dump('rebuilt').then(
        () => 'dumped',
        (error: unknown) => error,
      );
      await until('the dump waits', async () =>
        (await lab.query('SHOW PROCESSLIST')).includes('Waiting for table metadata lock'),
      );
      await lab.query(rebuild);
      await blocker.query('UNLOCK TABLES');
      expect(await outcome).toMatchObject({ code: 'DefinitionsChanged', server: 'lab' });
    } finally {
      blocker.destroy();
    }
  }
});

test('an admin with a password of every kind of character, over TCP', async () => {
  const password = ` #"'\\;=ü😀\t[client]\\n `;
  await lab.query(
    `CREATE USER 'over tcp #'@'127.0.0.1' IDENTIFIED BY ' #"\\'\\\\;=ü😀\t[client]\\\\n '; GRANT ALL ON *.* TO 'over tcp #'@'127.0.0.1'`,
  );
  const address = {
    name: 'tcp',
    kind: 'mariadb' as const,
    host: '127.0.0.1',
    port: lab.mariadb.port,
    admin: { user: 'over tcp #' },
  };
  const server = openDatabaseServer({ address, adminPassword: password, host: lab.host });
  try {
    const path = join(lab.folder, 'tcp.sql');
    const { summary } = await server.dump('shop', createWriteStream(path), testOperation());
    expect(summary.tables).toEqual([{ name: 't', rows: 1 }]);
    expect(await readFile(path, 'utf8')).toContain('-- Dump completed');
  } finally {
    await server.close();
  }

  const refused = openDatabaseServer({ address, adminPassword: 'wrong-canary', host: lab.host });
  await expect(refused.dump('shop', createWriteStream('/dev/null'), testOperation())).rejects.toMatchObject({
    code: 'DatabaseAccessDenied',
    message: expect.not.stringContaining('wrong-canary'),
  });
  await refused.close();
});

test('an account that may not see everything gets no dump', async () => {
  await lab.query(`CREATE USER 'half'@'localhost' IDENTIFIED BY 'h'; GRANT SELECT ON *.* TO 'half'@'localhost'`);
  const server = openDatabaseServer({
    address: { ...lab.mariadb.address, admin: { user: 'half' } },
    adminPassword: 'h',
    host: lab.host,
  });
  try {
    await lab.query(
      'CREATE DATABASE owned; CREATE FUNCTION owned.f() RETURNS int RETURN 1; CREATE TABLE owned.t (id int)',
    );
    await expect(server.dump('owned', createWriteStream('/dev/null'), testOperation())).rejects.toMatchObject({
      code: 'ProgramFailed',
    });
  } finally {
    await server.close();
  }
});

describe('the connection', () => {
  test('is made anew after the server was away', async () => {
    expect(await lab.server.databaseExists('shop')).toBe(true);
    lab.mariadb.kill();
    await until('the server is gone', async () =>
      lab.query('SELECT 1').then(
        () => false,
        () => true,
      ),
    );
    await expect(lab.server.databaseExists('shop')).rejects.toMatchObject({
      code: 'DatabaseUnreachable',
      server: 'lab',
    });
    await lab.mariadb.start();
    expect(await lab.server.databaseExists('shop')).toBe(true);
  });

  test('that was ended is made anew', async () => {
    await lab.server.facts();
    await lab.query(
      "SELECT ID INTO @id FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND COMMAND = 'Sleep' LIMIT 1; KILL @id",
    );
    await until('it answers again', async () =>
      lab.server.facts().then(
        () => true,
        () => false,
      ),
    );
  });

  test('to nowhere is an error that says where', async () => {
    const server = openDatabaseServer({
      address: { ...lab.mariadb.address, socket: '/nonexistent/x.sock' },
      adminPassword: 'pw-canary',
      host: lab.host,
    });
    const error = await server.facts().catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'DatabaseUnreachable',
      message: expect.stringContaining('database server lab'),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain('pw-canary');
    await server.close();
  });

  test('closes twice, and when it was never opened', async () => {
    const server = openDatabaseServer({ address: lab.mariadb.address, adminPassword: undefined, host: lab.host });
    await server.close();
    await server.facts();
    await server.close();
    await server.close();
  });
});

describe('databases', () => {
  test('are created and dropped as often as asked', async () => {
    await lab.server.createDatabase('made_1%', 'latin1', 'latin1_german1_ci');
    await lab.server.createDatabase('made_1%', 'utf8mb4', 'utf8mb4_bin');
    expect(await lab.server.describe('made_1%')).toMatchObject({ charset: 'utf8mb4', collation: 'utf8mb4_bin' });
    await lab.server.dropDatabase('made_1%');
    await lab.server.dropDatabase('made_1%');
    expect(await lab.server.databaseExists('made_1%')).toBe(false);
  });

  test('in use are dropped all the same', async () => {
    await lab.server.createDatabase('busy', 'utf8mb4', 'utf8mb4_general_ci');
    const user = await createConnection({
      socketPath: lab.mariadb.socket,
      user: lab.mariadb.address.admin.user,
      database: 'busy',
    });
    user.on('error', () => undefined);
    await user.query('CREATE TABLE t (id int)');
    await user.query('BEGIN');
    await user.query('INSERT INTO t VALUES (1)');
    await lab.server.dropDatabase('busy');
    expect(await lab.server.databaseExists('busy')).toBe(false);
    user.destroy();
  });

  test.each(['mysql', 'MySQL', 'information_schema', 'sys'])(
    'of the server itself are left alone: %s',
    async (name) => {
      await expect(lab.server.dropDatabase(name)).rejects.toMatchObject({ code: 'DatabaseRefused' });
      await expect(lab.server.createDatabase(name, 'utf8mb4', 'utf8mb4_bin')).rejects.toMatchObject({
        code: 'DatabaseRefused',
      });
    },
  );

  test.each([
    ['utf8mb4; DROP', 'x'],
    ['utf8mb4', "x'"],
    ['', ''],
  ])('with charset %j and collation %j are refused', async (charset, collation) => {
    await expect(lab.server.createDatabase('no', charset, collation)).rejects.toMatchObject({
      code: 'DumpIncompatible',
    });
  });
});
