import { z } from 'zod';
import { AdminConnection } from '../../../src/core/databases/admin-connection';
import type { DatabaseServer } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Host } from '../../../src/core/hosts/host';
import { type PipedHost, pipedHost } from '../../helpers/host-program';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { type DatabaseLab, openLab } from './lab';

/* A database server that is reached from another machine than the one that client programs run on. */

let lab: DatabaseLab;
let remote: PipedHost;
let server: DatabaseServer;
beforeAll(async () => {
  lab = await openLab();
  remote = pipedHost();
  server = openServer(remote.host);
});
afterAll(async () => {
  await server?.close();
  await remote?.host.close();
  await lab?.close();
});

function openServer(from: Host): DatabaseServer {
  // No connection of this machine's own goes there.
  const host = Object.assign(createLocalHost({ name: 'here' }), {
    connectTo: () => Promise.reject(new Error('connected from the wrong machine')),
  });
  return openDatabaseServer({ address: lab.mariadb.address, adminPassword: undefined, host, from });
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
