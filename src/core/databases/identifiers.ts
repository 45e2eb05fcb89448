import { KedgeError } from '../../contract/errors';

/**
 * Quoting for statements. The connections that use it have a sql_mode of their own, without NO_BACKSLASH_ESCAPES and
 * ANSI_QUOTES, and speak utf8mb4: the rules below hold only there.
 */

/**
 * A name of a database, table, view or event, in backticks.
 * @throws KedgeError DatabaseRefused for what no server takes as a name: empty, longer than 64 characters, with NUL
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.length > 64 || name.includes('\0')) {
    throw new KedgeError('DatabaseRefused', `${JSON.stringify(name)} is no name a database server can take`);
  }
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A text as a literal in single quotes. */
export function quoteLiteral(text: string): string {
  const escaped = text.replace(/[\0'\\]/g, (character) => (character === '\0' ? '\\0' : `\\${character}`));
  return `'${escaped}'`;
}

/** An account as `'user'@'host'`. */
export function quoteAccount(user: string, host: string): string {
  return `${quoteLiteral(user)}@${quoteLiteral(host)}`;
}

/** A database's name as GRANT takes it, meaning this one database: `_` and `%` are wildcards there and are escaped. */
export function quoteGrantPattern(database: string): string {
  quoteIdentifier(database);
  return `\`${database.replace(/[\\_%]/g, '\\$&').replaceAll('`', '``')}\``;
}

/** The pattern of a row of `mysql.db` as REVOKE and GRANT take it, to mean just that row. */
export function quoteGrantRow(pattern: string): string {
  return `\`${pattern.replaceAll('`', '``')}\``;
}

/** True when a pattern of `mysql.db` holds a wildcard that is not escaped. */
export function isWildcardPattern(pattern: string): boolean {
  return /[_%]/.test(pattern.replace(/\\[_%\\]/g, ''));
}

/** True when a pattern of `mysql.db` reaches the database of that name. */
export function grantPatternMatches(pattern: string, database: string): boolean {
  const parts = pattern.match(/\\[_%\\]|[\s\S]/gu) ?? [];
  const expression = parts
    .map((part) => {
      if (part === '%') return '[\\s\\S]*';
      if (part === '_') return '[\\s\\S]';
      return (part.length === 2 && part.startsWith('\\') ? part.slice(1) : part).replace(
        /[.*+?^${}()|[\]\\/]/g,
        '\\$&',
      );
    })
    .join('');
  return new RegExp(`^${expression}$`, 'u').test(database);
}

/** Splits `CURRENT_USER()`: the user may hold an `@`, the host never does. */
export function splitAccount(account: string): { user: string; host: string } {
  const at = account.lastIndexOf('@');
  return { user: account.slice(0, at), host: account.slice(at + 1) };
}
