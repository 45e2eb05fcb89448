import { isKedgeError, KedgeError } from '../../contract/errors';
import { firstOf } from '../findings';
import { LineReader } from '../lines';
import type { UnreadableTable } from './database-server';
import { codeOfNumber } from './sql-errors';

/** Of the server's words for one table. */
const MAXIMUM_WORDS = 300;

/** `mariadb-dump: Error 1194: … when dumping table `wp_posts` at row: 17` */
const ROWS = /^[\w-]+: Error (\d+): (.*) when dumping table `((?:[^`]|``)+)` at row: \d+$/s;
/** `mariadb-dump: Couldn't execute 'show create table `wp_posts`': … (1932)`, and the same of `SELECT … FROM`. */
const STATEMENT =
  /^[\w-]+: Couldn't execute '(?:show create table|SHOW CREATE TABLE|SELECT [^']* FROM) `((?:[^`]|``)+)`[^']*': (.*) \((\d+)\)$/s;

/**
 * Errors that say nothing of a table's files: it was altered or dropped meanwhile, or the statement waited too long, or was
 * ended. All that a lost connection or a full disk can cause has codes of its own.
 */
const PASSING: ReadonlySet<number> = new Set([1146, 1205, 1213, 1317, 1412, 1969, 3024]);

/** What a dump program says of the tables that it could not read: `client/mysqldump.cc` of MariaDB 10.11. */
export class DumpComplaints {
  private readonly lines = new LineReader('utf8', (line) => this.see(line));
  private readonly found = new Map<string, string>();
  /** It complained of something else. */
  private other = false;

  /** A piece of standard error. */
  take(chunk: Buffer): void {
    this.lines.take(chunk);
  }

  /** Tables that cannot be read, once the program has ended; none where that is not all that went wrong. */
  tables(): UnreadableTable[] {
    this.lines.end();
    return this.other ? [] : [...this.found].map(([name, why]) => ({ name, why }));
  }

  private see(line: string): void {
    if (line.trim() === '' || /^[\w-]+: (\[Warning\]|Warning:)/i.test(line)) return;
    const [, number, why, name] = ROWS.exec(line) ?? reordered(STATEMENT.exec(line)) ?? [];
    const isOfTable = name !== undefined && codeOfNumber(Number(number)) === 'DatabaseRefused';
    if (!isOfTable || PASSING.has(Number(number))) this.other = true;
    else if (!this.found.has(unquoted(name))) this.found.set(unquoted(name), why ?? '');
  }
}

function reordered(match: RegExpExecArray | null): (string | undefined)[] | null {
  return match && [match[0], match[3], match[2], match[1]];
}

function unquoted(name: string): string {
  return name.replaceAll('``', '`');
}

/** Tells which tables of a site cannot be read. */
class UnreadableTables extends KedgeError {
  constructor(
    message: string,
    readonly tables: readonly UnreadableTable[],
    server: string,
  ) {
    super('TableUnreadable', message, { server });
  }
}

/** The error of a dump that met them. */
export function tablesUnreadable(database: string, server: string, tables: readonly UnreadableTable[]): KedgeError {
  const named = firstOf(tables.map(describeUnreadable));
  const message = `tables of ${database} on database server ${server} cannot be read: ${named}`;
  return new UnreadableTables(message, tables, server);
}

/** `wp_posts (Table 'wp_posts' is marked as crashed)` */
export function describeUnreadable({ name, why }: UnreadableTable): string {
  return `${name} (${why.slice(0, MAXIMUM_WORDS)})`;
}

/** The tables that an error tells of; none for every other error. */
export function unreadableTablesOf(error: unknown): readonly UnreadableTable[] {
  return isKedgeError(error) && error.code === 'TableUnreadable' && 'tables' in error
    ? (error as UnreadableTables).tables
    : [];
}
