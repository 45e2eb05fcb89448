import { KedgeError } from '../../../src/contract/errors';
import { addressesOf, provenAddress } from '../../../src/core/sites/new-address';
import { testOperation } from '../../helpers/operation';

const admin = { user: 'root' };
const bySocket = { name: 'db', kind: 'mariadb' as const, socket: '/srv/db/my.sock', admin };
const usual = { ...bySocket, socket: '/run/mysqld/mysqld.sock' };
const byNetwork = { name: 'db', kind: 'mariadb' as const, host: 'db.example', admin };
const mysqli = { inOneText: true };
const pdo = { inOneText: false };

test.each([
  [
    'as the backup had it, then as mysqli takes a socket',
    bySocket,
    mysqli,
    '127.0.0.1:3307',
    null,
    ['127.0.0.1:3307', 'localhost:/srv/db/my.sock'],
  ],
  [
    'no socket in one text for PDO',
    bySocket,
    pdo,
    '127.0.0.1',
    null,
    ['127.0.0.1', '::1', 'localhost:/srv/db/my.sock'],
  ],
  [
    'localhost of the backup is another socket here',
    bySocket,
    pdo,
    'localhost',
    null,
    ['127.0.0.1', '::1', 'localhost:/srv/db/my.sock'],
  ],
  [
    'localhost is where packages have it',
    usual,
    pdo,
    'localhost',
    null,
    ['localhost', '127.0.0.1', '::1', 'localhost:/run/mysqld/mysqld.sock'],
  ],
  [
    'localhost is where PHP of the site looks',
    bySocket,
    pdo,
    'db9',
    '/srv/db/my.sock',
    ['db9', 'localhost', '127.0.0.1', '::1', 'localhost:/srv/db/my.sock'],
  ],
  [
    'PHP looks elsewhere for localhost, which is tried there',
    usual,
    pdo,
    'localhost',
    '/tmp/mysql.sock',
    ['localhost', '127.0.0.1', '::1', 'localhost:/run/mysqld/mysqld.sock'],
  ],
  [
    'the alias of /run',
    usual,
    mysqli,
    'localhost',
    '/var/run/mysqld/mysqld.sock',
    ['localhost', 'localhost:/run/mysqld/mysqld.sock'],
  ],
  ['a server on the network', byNetwork, pdo, 'old.example', null, ['old.example', 'db.example']],
  [
    'localhost of a server on the network, where PHP is not known to reach it',
    byNetwork,
    pdo,
    'localhost',
    null,
    ['db.example'],
  ],
  ['and where it may', byNetwork, pdo, 'localhost', '/run/mysqld/mysqld.sock', ['localhost', 'db.example']],
  ['IPv6', { ...byNetwork, host: '::1' }, mysqli, null, null, ['::1']],
  ['IPv6 with a port', { ...byNetwork, host: '::1', port: 3307 }, mysqli, null, null, ['[::1]:3307']],
  ['with the usual port, which PDO has by itself', { ...byNetwork, port: 3306 }, pdo, null, null, ['db.example']],
  ['with a port', { ...byNetwork, port: 3307 }, mysqli, null, null, ['db.example:3307']],
] as const)('%s', (_, server, forms, ofBackup, socket, expected) => {
  expect(addressesOf(server, forms, ofBackup, socket)).toEqual(expected);
});

test('the first that reaches the server is taken; where none does, the last says why', async () => {
  const login = { database: 'd', user: 'u', password: 'p' };
  const tried: string[] = [];
  const prove = ({ address }: { address: string }): Promise<null> => {
    tried.push(address);
    return address === 'right' || address === 'also right'
      ? Promise.resolve(null)
      : Promise.reject(new KedgeError('DatabaseUnreachable', `nobody at ${address}`));
  };
  expect(await provenAddress(['wrong', 'right', 'also right'], login, null, prove, testOperation())).toBe('right');
  expect(tried).toEqual(['wrong', 'right']);
  await expect(provenAddress(['wrong', 'last'], login, null, prove, testOperation())).rejects.toMatchObject({
    code: 'DatabaseUnreachable',
    message: 'nobody at last',
  });
});

test('localhost is proved at the socket where PHP of the site looks, and stays localhost', async () => {
  const tried: string[] = [];
  const prove = ({ address }: { address: string }): Promise<void> => {
    tried.push(address);
    return Promise.resolve();
  };
  const login = { database: 'd', user: 'u', password: 'p' };
  expect(await provenAddress(['localhost'], login, '/srv/x.sock', prove, testOperation())).toBe('localhost');
  expect(await provenAddress([''], login, '/srv/x.sock', prove, testOperation())).toBe('');
  expect(await provenAddress(['localhost'], login, null, prove, testOperation())).toBe('localhost');
  expect(tried).toEqual(['localhost:/srv/x.sock', 'localhost:/srv/x.sock', 'localhost']);
});

test('what is no failure of a login is no reason to try the next', async () => {
  const login = { database: 'd', user: 'u', password: 'p' };
  const prove = (): Promise<void> => Promise.reject(new TypeError('a mistake'));
  await expect(provenAddress(['a', 'b'], login, null, prove, testOperation())).rejects.toThrow('a mistake');
});
