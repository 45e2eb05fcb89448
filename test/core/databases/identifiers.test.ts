import fc from 'fast-check';
import { createConnection } from 'mysql2/promise';
import { generatedName, generatedPassword } from '../../../src/core/databases/generated-name';
import {
  grantPatternMatches,
  isWildcardPattern,
  quoteGrantPattern,
  quoteIdentifier,
  quoteLiteral,
  splitAccount,
} from '../../../src/core/databases/identifiers';
import type { LimitedConnection } from '../../../src/core/databases/limited-connection';
import { optionFile } from '../../../src/core/databases/option-file';
import { endpointOfSite } from '../../../src/core/databases/site-login';
import { clientError, databaseError } from '../../../src/core/databases/sql-errors';
import { connect } from '../../../src/core/databases/admin-connection';
import { type DatabaseLab, openLab } from './lab';

let lab: DatabaseLab;
let connection: LimitedConnection;
beforeAll(async () => {
  // A server whose own sql_mode would make the quoting wrong, were it not set anew.
  lab = await openLab(['--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES']);
  connection = await connect({
    host: lab.host,
    endpoint: { socketPath: lab.mariadb.socket },
    server: 'lab',
    user: lab.mariadb.address.admin.user,
    limits: { handshakeMs: 10_000, statementMs: 10_000, answerBytes: 64 * 1024 ** 2 },
  });
});
afterAll(async () => {
  connection?.destroy();
  await lab?.close();
});

const nasty = fc.string({
  unit: fc.constantFrom("'", '"', '`', '\\', '\0', '\n', '%', '_', ';', '--', 'é', '😀', 'a', '\x1a'),
  maxLength: 20,
});

test('a literal means just its text to a server', async () => {
  await fc.assert(
    fc.asyncProperty(nasty, async (text) => {
      const rows = await connection.query(`SELECT ${quoteLiteral(text)} AS text`);
      expect(rows).toEqual([{ text }]);
    }),
    { numRuns: 200 },
  );
});

test('an identifier means just its text to a server', async () => {
  await fc.assert(
    fc.asyncProperty(
      nasty.filter((text) => text !== '' && !/[\0😀]/u.test(text)),
      async (text) => {
        const rows = await connection.query(
          `WITH named (${quoteIdentifier(text)}) AS (SELECT 1) SELECT ${quoteIdentifier(text)} AS one FROM named`,
        );
        expect(rows).toEqual([{ one: 1 }]);
      },
    ),
    { numRuns: 100 },
  );
  for (const name of ['', 'a\0b', 'x'.repeat(65)]) expect(() => quoteIdentifier(name)).toThrow('is no name');
});

test('a grant reaches the one database it names', async () => {
  for (const name of ['a_b', 'a%b', 'a\\_b', 'a`b', 'a%']) {
    await lab.query(`CREATE DATABASE \`${name.replaceAll('`', '``')}\``);
  }
  await lab.query("CREATE DATABASE aXb; CREATE USER 'g'@'localhost' IDENTIFIED BY 'g'");
  for (const name of ['a_b', 'a%b', 'a\\_b', 'a`b', 'a%']) {
    await connection.query(`GRANT ALL ON ${quoteGrantPattern(name)}.* TO 'g'@'localhost'`);
    const site = await createConnection({ socketPath: lab.mariadb.socket, user: 'g', password: 'g' });
    const [rows] = await site.query(
      "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'a%'",
    );
    site.destroy();
    expect(rows).toEqual([{ name }]);
    await connection.query(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'g'@'localhost'`);
  }
});

test.each([
  ['shop', 'shop', true],
  ['shop', 'shopx', false],
  ['a_b', 'aXb', true],
  ['a\\_b', 'aXb', false],
  ['a\\_b', 'a_b', true],
  ['a%', 'a.b', true],
  ['a\\%', 'ab', false],
  ['%', '', true],
  ['a.b', 'aXb', false],
  ['(', '(', true],
])('the pattern %j and the database %j: %s', (pattern, database, matches) => {
  expect(grantPatternMatches(pattern, database)).toBe(matches);
});

test('wildcards are seen', () => {
  expect(['a_b', '%', 'a\\_b_'].map(isWildcardPattern)).toEqual([true, true, true]);
  expect(['ab', 'a\\_b', 'a\\%'].map(isWildcardPattern)).toEqual([false, false, false]);
});

test('an account is split at its last @', () => {
  expect(splitAccount('a@b@localhost')).toEqual({ user: 'a@b', host: 'localhost' });
  expect(splitAccount('@%')).toEqual({ user: '', host: '%' });
});

test('generated names hold letters and digits alone, and the whole token', () => {
  expect(generatedName('www.shop.example.com', 'k3x9q2m1ab')).toBe('shopexamplecomk3x9q2m1ab');
  expect(generatedName('a-very-long-name.of-a-site.example', 'k3x9q2m1aba')).toBe('averylongnameofak3x9q2m1aba');
  expect(generatedName('x.example', 'z'.repeat(40))).toHaveLength(32);
  fc.assert(
    fc.property(fc.domain(), fc.stringMatching(/^[a-z0-9]{10,20}$/), (uri, token) => {
      expect(generatedName(uri, token)).toMatch(/^[a-z0-9]{10,32}$/);
      expect(generatedName(uri, token).endsWith(token)).toBe(true);
    }),
  );
  expect(generatedPassword()).toMatch(/^[0-9a-f]{48}$/);
  expect(generatedPassword()).not.toBe(generatedPassword());
});

test('an option file holds no login it would garble', () => {
  const login = { user: 'u', password: 'p', socket: '/s', host: undefined, port: undefined };
  expect(() => optionFile({ ...login, password: 'a\0b' })).toThrow('cannot be written');
  expect(() => optionFile({ ...login, password: '\\'.repeat(3000) })).toThrow('cannot be written');
  expect(optionFile({ ...login, user: 'a\nuser=root' }).split('\n')).toHaveLength(6);
});

test.each([
  ['localhost', { socketPath: '/own.sock' }],
  ['', { socketPath: '/own.sock' }],
  ['localhost:/run/other.sock', { socketPath: '/run/other.sock' }],
  [':/run/other.sock', { socketPath: '/run/other.sock' }],
  ['localhost:3307', { host: 'localhost', port: 3307 }],
  ['127.0.0.1', { host: '127.0.0.1', port: 3306 }],
  ['db.example:3307', { host: 'db.example', port: 3307 }],
  ['[::1]:3307', { host: '::1', port: 3307 }],
  ['[::1]', { host: '::1', port: 3306 }],
  ['::1', { host: '::1', port: 3306 }],
])('the address %j of a site', (address, endpoint) => {
  expect(endpointOfSite(address, { name: 'x', kind: 'mariadb', socket: '/own.sock', admin: { user: 'root' } })).toEqual(
    endpoint,
  );
});

test.each([
  [
    "--------------\nX\n--------------\n\nERROR 1273 (HY000) at line 12: Unknown collation: 'x'\n",
    1273,
    "ERROR 1273 (HY000) at line 12: Unknown collation: 'x'",
  ],
  ['mariadb-dump: Got error: 2002: "Can\'t connect (111)" when trying to connect', 2002, undefined],
  ['mariadb-dump: Got error: 1045: "Access denied" when trying to connect', 1045, undefined],
  [
    "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'a.v' references invalid table(s) (1356)",
    1356,
    undefined,
  ],
  [
    'mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 1',
    2013,
    undefined,
  ],
  ['something else', undefined, 'something else'],
  ['', undefined, ''],
])('the error of a client: %j', (stderr, number, message) => {
  expect(clientError(stderr)).toMatchObject({ number, ...(message === undefined ? {} : { message }) });
});

test('an error of a statement keeps its statement and its secrets to itself', () => {
  const error = Object.assign(new Error("You have an error near 'canary'' at line 1"), {
    errno: 1064,
    sql: "… 'canary'",
  });
  const mapped = databaseError(error, 'db1', 'creating the account x', ['canary']);
  expect(mapped).toMatchObject({ code: 'DatabaseRefused', server: 'db1' });
  expect(mapped.message).toBe(
    "creating the account x failed on database server db1: You have an error near '[redacted]'' at line 1",
  );
  expect(mapped.cause).toBeUndefined();
});
