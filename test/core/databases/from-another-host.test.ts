import { createWriteStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AdminConnection } from '../../../src/core/databases/admin-connection';
import { ClientPrograms } from '../../../src/core/databases/client-program';
import type { DatabaseServer } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Host } from '../../../src/core/hosts/host';
import { type PipedHost, pipedHost } from '../../helpers/host-program';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { type DatabaseLab, IMPORT_PASSWORD, openLab } from './lab';

/* A database server that is reached from another machine than the one that client programs run on. */

let lab: DatabaseLab;
let remote: PipedHost;
let server: DatabaseServer;
beforeAll(async () => {
  lab = await openLab(['--max-allowed-packet=64M']);
  remote = pipedHost();
  server = openServer(remote.host);
});
afterAll(async () => {
  await server?.close();
  await remote?.host.close();
  await lab?.close();
});

function openServer(from: Host, compresses = false): DatabaseServer {
  // No connection of this machine's own goes there.
  const host = Object.assign(createLocalHost({ name: 'here' }), {
    connectTo: () => Promise.reject(new Error('connected from the wrong machine')),
  });
  const programs = new ClientPrograms(host, join(lab.folder, 'sockets'));
  return openDatabaseServer({
    address: lab.mariadb.address,
    adminPassword: undefined,
    host,
    from,
    compresses,
    programs,
  });
}
const SLEEP = `SELECT COUNT(*) AS count FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(%' AND ID <> CONNECTION_ID()`;

test('statements and logins go by that machine', async () => {
  await server.createDatabase('shop', 'utf8mb4', 'utf8mb4_general_ci');
  const account = { user: 'shop', hosts: ['localhost'] };
  await server.createAccount(account, 'pass-canary', 'shop');
  expect(await server.databasesOf(account)).toEqual(['shop']);
  expect(await server.canLogIn('shop', 'pass-canary', 'shop')).toBe(true);
  expect(await server.canLogIn('shop', 'wrong', 'shop')).toBe(false);
  for (const address of ['localhost', `localhost:${lab.mariadb.socket}`, `127.0.0.1:${lab.mariadb.port}`])
    expect(
      await server.proveLogin(
        { user: 'shop', password: 'pass-canary', database: 'shop', address },
        remote.host,
        testOperation(),
      ),
    ).toMatchObject({ user: 'shop', database: 'shop' });
});

test('a server that is down is told from a machine that is away, and neither is taken for an answer', async () => {
  const down = new AdminConnection(remote.host, { ...lab.mariadb.address, socket: '/no/such.sock' }, undefined);
  await expect(down.tryStatement('DO 1', { what: 'asking' })).rejects.toMatchObject({ code: 'DatabaseUnreachable' });

  const admin = new AdminConnection(remote.host, lab.mariadb.address, undefined);
  const asking = admin.tryStatement('DO SLEEP(600)', { what: 'sleeping' });
  const outcome = expect(asking).rejects.toMatchObject({ code: 'HostUnreachable', server: 'there' });
  await until('it sleeps', async () => (await lab.query(SLEEP)).trim() === '1');
  remote.channels.at(-1)?.child.kill('SIGKILL');
  await outcome;
  // By a new connection to that machine.
  expect(await admin.rows('SELECT 7 AS seven', z.object({ seven: z.number() }), { what: 'asking' })).toEqual([
    { seven: 7 },
  ]);
  await admin.close();
});

const BYTES = 20 * 1024 ** 2;
const DIGESTS = 'SELECT id, LENGTH(bytes), MD5(bytes), HEX(LEFT(bytes, 16)) FROM';

/** A table with what compresses and what does not, one value of which is larger than a packet of the protocol. */
async function fill(database: string): Promise<void> {
  await lab.query(`
    CREATE DATABASE ${database}; USE ${database};
    CREATE TABLE things (id INT PRIMARY KEY, bytes LONGBLOB);
    INSERT INTO things VALUES (1, REPEAT('a', ${BYTES})), (2, x'00ff27225c0a0d1a'), (3, NULL), (4, ''),
      (5, (SELECT GROUP_CONCAT(UNHEX(MD5(seq)) SEPARATOR '') FROM seq_1_to_60000));
    CREATE VIEW few AS SELECT id FROM things WHERE id < 3;`);
}

test('a dump is made, and imported, by way of that machine', async () => {
  await fill('many');
  const path = join(lab.folder, 'many.sql');
  const { summary } = await server.dump('many', createWriteStream(path), testOperation());
  expect(summary.tables).toEqual([{ name: 'things', rows: 5 }]);
  const account = { user: 'copy', hosts: [await server.clientHost()] };
  await server.createDatabase('copy', 'utf8mb4', 'utf8mb4_general_ci');
  await server.createAccount(account, IMPORT_PASSWORD, 'copy');
  await server.importDump(path, 'copy', 'copy', IMPORT_PASSWORD, testOperation());
  expect(await lab.query(`${DIGESTS} copy.things`)).toBe(await lab.query(`${DIGESTS} many.things`));
  expect(await readdir(join(lab.folder, 'sockets'))).toEqual([]);
});

test('what crosses is compressed where that was asked for', async () => {
  await lab.query(
    `CREATE DATABASE plain; CREATE TABLE plain.t (b LONGBLOB); INSERT INTO plain.t VALUES (REPEAT('a', ${BYTES}))`,
  );
  let crossed = 0;
  const counting = Object.assign(Object.create(remote.host) as Host, {
    async connectTo(...asked: Parameters<Host['connectTo']>) {
      const stream = await remote.host.connectTo(...asked);
      stream.on('data', (piece: Buffer) => (crossed += piece.length));
      return stream;
    },
  });
  const dump = async (compresses: boolean): Promise<number> => {
    crossed = 0;
    const own = openServer(counting, compresses);
    await own.dump('plain', createWriteStream('/dev/null'), testOperation());
    await own.close();
    return crossed;
  };
  expect(await dump(false)).toBeGreaterThan(BYTES);
  expect(await dump(true)).toBeLessThan(BYTES / 10);
});

test('a machine that is lost in the middle of a dump is told as that', async () => {
  await lab.query(`
    CREATE DATABASE slow; CREATE TABLE slow.t (id INT PRIMARY KEY, b LONGBLOB);
    INSERT INTO slow.t SELECT seq, REPEAT(MD5(seq), 100000) FROM slow.seq_1_to_30`);
  const operation = testOperation();
  operation.progress = () => void remote.channels.at(-1)?.child.kill('SIGKILL');
  const output = createWriteStream(join(lab.folder, 'slow.sql'));
  await expect(server.dump('slow', output, operation)).rejects.toMatchObject({
    code: 'HostUnreachable',
    server: 'there',
  });
  expect(await readdir(join(lab.folder, 'sockets'))).toEqual([]);
});
