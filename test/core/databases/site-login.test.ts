import { type Server, createServer } from 'node:net';
import { type PrivateMariadb, startMariadb } from '../../../scripts/lab/mariadb';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
let foreign: PrivateMariadb;
beforeAll(async () => {
  lab = await openLab();
  await mkdir(join(lab.folder, 'foreign'), { mode: 0o755 });
  foreign = await startMariadb({ folder: join(lab.folder, 'foreign') });
  const accounts = `CREATE DATABASE shop; CREATE DATABASE other;
    CREATE USER 'shop'@'localhost' IDENTIFIED BY 'pass-canary'; GRANT ALL ON shop.* TO 'shop'@'localhost';
    CREATE USER 'shop'@'127.0.0.%' IDENTIFIED BY 'pass-canary'; GRANT ALL ON shop.* TO 'shop'@'127.0.0.%';
    CREATE USER 'odd@user'@'localhost' IDENTIFIED BY ''; GRANT ALL ON shop.* TO 'odd@user'@'localhost';`;
  await lab.query(accounts);
  await foreign.query(accounts);
});
afterAll(async () => {
  await foreign?.discard();
  await lab?.close();
});

const login = { database: 'shop', user: 'shop', password: 'pass-canary', address: 'localhost' };

test('the account the server took is returned, for each form of address', async () => {
  const { identity } = await lab.server.facts();
  for (const address of ['localhost', '', `localhost:${lab.mariadb.socket}`, `:${lab.mariadb.socket}`]) {
    expect(await lab.server.proveLogin({ ...login, address }, lab.host, testOperation())).toEqual({
      user: 'shop',
      host: 'localhost',
      database: 'shop',
      identity,
    });
  }
  const overTcp = await lab.server.proveLogin(
    { ...login, address: `127.0.0.1:${lab.mariadb.port}` },
    lab.host,
    testOperation(),
  );
  // The server may know 127.0.0.1 by name.
  expect(['127.0.0.%', 'localhost']).toContain(overTcp.host);
  expect(
    await lab.server.proveLogin({ ...login, user: 'odd@user', password: '' }, lab.host, testOperation()),
  ).toMatchObject({
    user: 'odd@user',
    host: 'localhost',
  });
});

test.each([
  ['a wrong password', { password: 'wrong' }, 'DatabaseAccessDenied'],
  ['an unknown account', { user: 'nobody' }, 'DatabaseAccessDenied'],
  ['a database it may not enter', { database: 'other' }, 'DatabaseRefused'],
  ['a database that does not exist and it may not see', { database: 'nowhere' }, 'DatabaseRefused'],
  ['a server that is not there', { address: '127.0.0.1:1' }, 'DatabaseUnreachable'],
  ['a socket that is not there', { address: 'localhost:/nonexistent.sock' }, 'DatabaseUnreachable'],
])('%s is refused, and says of whom', async (_what, change, code) => {
  const error = await lab.server
    .proveLogin({ ...login, ...change }, lab.host, testOperation())
    .catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code,
    server: 'lab',
    message: expect.stringContaining(('user' in change ? change.user : undefined) ?? 'shop'),
  });
  expect(String(error) + JSON.stringify(error)).not.toContain('pass-canary');
});

test('the admin account proves nothing, though the worker is let in as it', async () => {
  const { user } = lab.mariadb.address.admin;
  for (const address of ['localhost', `localhost:${lab.mariadb.socket}`]) {
    await expect(
      lab.server.proveLogin({ ...login, user, password: 'made up', address }, lab.host, testOperation()),
    ).rejects.toMatchObject({
      code: 'AdoptionRefused',
      message: expect.stringContaining('any password'),
    });
  }
});

test('another server that knows the same account is not this one', async () => {
  for (const address of [`localhost:${foreign.socket}`, `127.0.0.1:${foreign.port}`]) {
    await expect(lab.server.proveLogin({ ...login, address }, lab.host, testOperation())).rejects.toMatchObject({
      code: 'AdoptionRefused',
      message: expect.stringContaining('another server than lab'),
    });
  }
});

test('an answer that is no database server is an error in time', async () => {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    await expect(
      lab.server.proveLogin({ ...login, address: `127.0.0.1:${port}` }, lab.host, testOperation()),
    ).rejects.toMatchObject({
      name: 'KedgeError',
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a login is tried from where the server sees this machine', async () => {
  expect(await lab.server.clientHost()).toBe('localhost');
  expect(await lab.server.canLogIn('shop', 'pass-canary', 'shop')).toBe(true);
  expect(await lab.server.canLogIn('shop', 'wrong', 'shop')).toBe(false);
  await lab.query(
    `CREATE USER 'afar'@'192.0.2.%' IDENTIFIED BY 'pass-canary'; GRANT ALL ON shop.* TO 'afar'@'192.0.2.%'`,
  );
  expect(await lab.server.canLogIn('afar', 'pass-canary', 'shop')).toBe(false);
  await expect(lab.server.canLogIn('shop', 'pass-canary', 'other')).rejects.toMatchObject({ code: 'DatabaseRefused' });
});

test.each([
  ["IDENTIFIED VIA ed25519 USING PASSWORD('pw')", /'by-key'@'localhost' logs in by ed25519/],
  ["IDENTIFIED BY 'pw' REQUIRE X509", /'by-key'@'localhost' asks for a certificate \(REQUIRE X509\)/],
  ["IDENTIFIED BY 'pw' REQUIRE SUBJECT '/CN=x'", /'by-key'@'localhost' asks for a certificate/],
  ['IDENTIFIED VIA unix_socket', /'by-key'@'localhost' logs in by unix_socket/],
])('an account that no password lets in is refused in words: %s', async (identified, message) => {
  await lab.query(`INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'`);
  await lab.query(
    `CREATE OR REPLACE USER 'by-key'@'localhost' ${identified}; GRANT ALL ON shop.* TO 'by-key'@'localhost'`,
  );
  await expect(
    lab.server.proveLogin({ ...login, user: 'by-key', password: 'pw' }, lab.host, testOperation()),
  ).rejects.toMatchObject({
    code: 'AdoptionRefused',
    message: expect.stringMatching(message) as string,
    hint: expect.stringContaining('a new account with a password') as string,
  });
});

test.each([
  ['in UTF-8, with dot, hyphen and blank', 'Ma.base-ö x', 'jörg.o-x y', 'pässwörd☃'],
  ['as long as the server takes them', 'd'.repeat(64), 'u'.repeat(80), 'p'.repeat(79)],
  ['with quotes, backslashes and wildcards', "a`b'c\\d_%", "o'b\\r_%@x", `'"\\\``],
])('names %s are logged in with, fenced, dumped and restored', async (_what, database, user, password) => {
  const account = { user, hosts: ['localhost'] };
  await lab.server.createDatabase(database, 'utf8mb4', 'utf8mb4_general_ci');
  await lab.server.createAccount(account, password, database);
  const own = `\`${database.replaceAll('`', '``')}\``;
  await lab.query(`CREATE TABLE ${own}.t (a INT); INSERT INTO ${own}.t VALUES (7);
    CREATE TRIGGER ${own}.tr BEFORE INSERT ON ${own}.t FOR EACH ROW SET NEW.a = (SELECT MAX(a) FROM ${own}.t) + 1`);
  const proved = await lab.server.proveLogin(
    { database, user, password, address: 'localhost' },
    lab.host,
    testOperation(),
  );
  expect(proved).toMatchObject({ user, host: 'localhost', database });
  expect(await lab.server.accountIsShared(account, database)).toBe(false);
  expect(await lab.server.databasesOf(account)).toEqual([database]);
  const fence = await lab.server.planFence(account, database);
  await lab.server.raiseFence(fence);
  expect(await lab.server.canLogIn(user, password, database)).toBe(false);
  await lab.server.lowerFence(fence);
  expect(await lab.server.canLogIn(user, password, database)).toBe(true);
  const dump = await lab.dump(database);
  await lab.server.dropDatabase(database);
  await lab.restore(dump.path, 'odd');
  expect(await lab.query('INSERT INTO odd.t VALUES (1); SELECT * FROM odd.t')).toBe('7\n8\n');
  await lab.server.dropAccount(account);
  await lab.server.dropDatabase('odd');
});
