import { wordPressLogins } from '../../../src/core/sites/wordpress/logins';
import { type DatabaseLab, openLab } from './lab';

jest.setTimeout(120_000);

const NOW = Date.UTC(2026, 10, 24);
const [SOON, PAST] = [NOW / 1000 + 3600, NOW / 1000 - 3600];

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab?.close());

let number = 0;
/** A database with what is said of accounts in a table of this definition. */
async function database(rows: readonly (readonly [number, string, string])[]): Promise<string> {
  const name = `wp${(number += 1)}`;
  await lab.query(`CREATE DATABASE ${name}; USE ${name};
    CREATE TABLE wp_usermeta (umeta_id INT PRIMARY KEY AUTO_INCREMENT, user_id INT, meta_key VARCHAR(255), meta_value LONGTEXT)`);
  for (const [user, key, value] of rows)
    await lab.query(
      `INSERT INTO ${name}.wp_usermeta (user_id, meta_key, meta_value) VALUES (${user}, '${key}', '${value}')`,
    );
  return name;
}

const token = (digit: string): string => digit.repeat(64);
const sessions = (...some: [string, number][]): string =>
  `a:${some.length}:{${some
    .map(
      ([digit, until]) =>
        `s:64:"${token(digit)}";a:4:{s:10:"expiration";i:${until};s:2:"ip";s:9:"192.0.2.7";s:2:"ua";s:4:"curl";s:5:"login";i:1764000000;}`,
    )
    .join('')}}`;
const passwords = (...digits: string[]): string =>
  `a:${digits.length}:{${digits
    .map((digit, at) => {
      const uuid = `${digit.repeat(8)}-0000-4000-8000-000000000000`;
      return `i:${at};a:3:{s:4:"uuid";s:36:"${uuid}";s:4:"name";s:3:"app";s:8:"password";s:4:"hash";}`;
    })
    .join('')}}`;

const told = (restored: string, live: string | null) =>
  wordPressLogins(lab.server, { restored, live, tablePrefix: 'wp_' }, NOW);

test('sessions that had not ended, and that the site has not now, are valid again', async () => {
  const restored = await database([
    [1, 'session_tokens', sessions(['a', SOON], ['b', PAST], ['c', SOON])],
    [2, 'session_tokens', sessions(['d', SOON])],
    [3, 'session_tokens', sessions(['e', PAST])],
    [4, 'nickname', sessions(['f', SOON])],
  ]);
  const live = await database([
    [1, 'session_tokens', sessions(['c', SOON], ['0', SOON])],
    // The same token of another account is another one.
    [3, 'session_tokens', sessions(['d', SOON])],
  ]);
  expect(await told(restored, live)).toEqual([expect.stringMatching(/^2 sessions of 2 accounts are valid again/)]);
  expect(await told(restored, restored)).toEqual([]);
  // A new site, or one whose database is gone.
  expect(await told(restored, null)).toEqual([expect.stringMatching(/^3 sessions of 2 accounts/)]);
  expect(await told(restored, 'gone')).toEqual([expect.stringMatching(/^3 sessions of 2 accounts/)]);
});

test('so are application passwords that were taken away', async () => {
  const restored = await database([[1, '_application_passwords', passwords('1', '2')]]);
  const live = await database([[1, '_application_passwords', passwords('2')]]);
  expect(await told(restored, live)).toEqual([
    expect.stringMatching(/^1 application password of 1 account is valid again/),
  ]);
});

test('what is no such thing says nothing', async () => {
  expect(
    await told(
      await database([
        [1, 'session_tokens', 'nonsense'],
        [2, 'session_tokens', 'a:0:{}'],
      ]),
      null,
    ),
  ).toEqual([]);
  await lab.query('CREATE DATABASE empty');
  expect(await told('empty', null)).toEqual([]);
});

test('a view in the place of the table is not read: it would call functions of the site with the rights of Kedge', async () => {
  await lab.query(`CREATE DATABASE hostile; USE hostile;
    CREATE VIEW wp_usermeta AS SELECT 1 AS user_id, 'session_tokens' AS meta_key, '${sessions(['a', SOON])}' AS meta_value`);
  expect(await told('hostile', null)).toEqual([]);
});
