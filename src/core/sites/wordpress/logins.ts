import type { DatabaseServer } from '../../databases/database-server';

/** So many accounts are looked at. */
const LIMIT = 2_000;

/** By account, its tokens and until when each lets somebody in, ms since 1970. */
type Tokens = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * What lets somebody in again once a WordPress has its database of before: sessions that had not ended by themselves, and
 * application passwords; those that the site has now too are none of them. A sentence each.
 * Names: WP_User_Meta_Session_Tokens and WP_Application_Passwords of WordPress.
 */
export async function wordPressLogins(
  server: DatabaseServer,
  {
    restored,
    live,
    tablePrefix,
  }: { readonly restored: string; readonly live: string | null; readonly tablePrefix: string },
  now: number,
): Promise<string[]> {
  const read = async (
    database: string | null,
    key: string,
    tokensIn: (text: string) => Map<string, number>,
  ): Promise<Tokens> => {
    if (database === null || !(await server.databaseExists(database))) return new Map();
    const rows = await server.textsOf(database, {
      ...{ table: `${tablePrefix}usermeta`, key: 'user_id', text: 'meta_value' },
      ...{ where: { column: 'meta_key', equals: key }, limit: LIMIT },
    });
    return new Map(rows.map(({ key: user, text }) => [user, tokensIn(text)]));
  };
  const found: string[] = [];
  const look = async (
    key: string,
    tokensIn: (text: string) => Map<string, number>,
    tell: (tokens: number, accounts: number) => string,
  ): Promise<void> => {
    const before = await read(restored, key, tokensIn);
    const { tokens, accounts } = returning(before, await read(live, key, tokensIn), now);
    if (tokens > 0) found.push(`${before.size >= LIMIT ? 'at least ' : ''}${tell(tokens, accounts)}`);
  };
  await look(
    'session_tokens',
    sessionsIn,
    (tokens, accounts) =>
      `${several(tokens, 'session')} of ${several(accounts, 'account')} ${tokens === 1 ? 'is' : 'are'} valid again, open when the backup was made: \`wp user session destroy\` ends them, and new keys and salts in wp-config.php end all`,
  );
  await look(
    '_application_passwords',
    applicationPasswordsIn,
    (tokens, accounts) =>
      `${several(tokens, 'application password')} of ${several(accounts, 'account')} ${tokens === 1 ? 'is' : 'are'} valid again that the site no longer had: \`wp user application-password delete\` takes them away`,
  );
  return found;
}

function returning(restored: Tokens, live: Tokens, now: number): { tokens: number; accounts: number } {
  let tokens = 0;
  let accounts = 0;
  for (const [user, itsTokens] of restored) {
    const known = live.get(user);
    const again = [...itsTokens].filter(([token, until]) => until > now && known?.has(token) !== true).length;
    tokens += again;
    if (again > 0) accounts += 1;
  }
  return { tokens, accounts };
}

/** Serialized by PHP: `s:64:"…";a:4:{s:10:"expiration";i:1764190000;…}`. Tokens are hashes; who holds a cookie has the token. */
function sessionsIn(text: string): Map<string, number> {
  const sessions = text.matchAll(/s:64:"([0-9a-f]{64})";a:\d+:\{[^{}]*?s:10:"expiration";i:(\d{1,12});/g);
  return new Map(Array.from(sessions, ([, token = '', seconds]) => [token, Number(seconds) * 1000]));
}

function applicationPasswordsIn(text: string): Map<string, number> {
  const passwords = text.matchAll(/s:4:"uuid";s:36:"([0-9a-f-]{36})"/g);
  return new Map(Array.from(passwords, ([, uuid = '']) => [uuid, Infinity]));
}

function several(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
