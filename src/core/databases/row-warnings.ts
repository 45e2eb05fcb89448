import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import { firstOf } from '../findings';
import { LineReader } from '../lines';
import type { AdminConnection } from './admin-connection';
import type { NextStatement } from './dump-listener';
import { quoteIdentifier, quoteLiteral } from './identifiers';

/** What a client that shows warnings writes: `Warning (Code 1265): Data truncated for column 'e' at row 1`. */
const WARNING = /^(?:Warning|Error) \(Code (\d+)\): (.*)$/;
/** As much of a column's name as a server's message has, whatever it says of the value. */
const COLUMN = /\bcolumn (?:`[^`]*`\.`[^`]*`\.)?['`]?(.*?)['`]?(?: at row \d+)?$/;
/** WARN_DATA_TRUNCATED: what an ENUM says of a text that is none of its labels, and of a row that held such a one before. */
const TRUNCATED = 1265;
/** ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: bytes that are no letters of a column's character set, and question marks in their place. */
const REPLACED = 1366;
/** ER_WARNING_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN: dump programs write such values, and servers make them anew. */
const GENERATED = 1906;
/** So many different ones are kept. */
const KEPT = 1000;

interface RowWarning {
  readonly table: string;
  readonly column: string;
  readonly code: number;
  count: number;
}

/**
 * What a server says of rows while it takes them: a value that it changed is a warning to it. Which table it speaks of is known by lines
 * that Kedge lets the client write between the tables.
 */
export class RowWarnings extends Writable {
  private readonly mark = `kedge ${randomBytes(12).toString('hex')}`;
  private readonly tables: string[] = [];
  private readonly warnings = new Map<string, RowWarning>();
  private inRowsOf: string | undefined;
  private table: string | undefined;
  private readonly lines = new LineReader('utf8', (line) => this.read(line));

  /** Statements to be put before the next one. */
  before(next: NextStatement): readonly string[] {
    const table = next.kind === 'rows' ? (next.table ?? '') : next.firstWord === 'SET' ? this.inRowsOf : undefined;
    if (table === this.inRowsOf) return [];
    this.inRowsOf = table;
    if (table !== undefined) this.tables.push(table);
    return [`SELECT '${this.mark} ${table === undefined ? '' : this.tables.length}'`];
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.lines.take(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.lines.end();
    done();
  }

  /**
   * Looks whether a warning was about a value that came in as another one, but for bytes that are known to be no letters: `replaced`, as
   * many values of `table.column`. An ENUM warns of a row that holds none of its labels, and takes it as it
   * was.
   * @throws KedgeError ImportFailed for any other
   */
  async assertNone(
    admin: AdminConnection,
    database: string,
    replaced: ReadonlyMap<string, number> = new Map(),
  ): Promise<void> {
    const changed: string[] = [];
    for (const { table, column, code, count } of this.warnings.values()) {
      if (code === REPLACED && (replaced.get(`${table}.${column}`) ?? 0) >= count) continue;
      if (code === TRUNCATED && (await withoutLabel(admin, database, table, column)) >= count) continue;
      changed.push(`${table}${column === '' ? '' : `.${column}`} (warning ${code}, ${count} times)`);
    }
    if (changed.length === 0) return;
    throw new KedgeError(
      'ImportFailed',
      `the server took rows for ${database} otherwise than the dump has them: ${firstOf(changed)}`,
      {
        server: admin.server,
        hint: 'What it changed would be lost: import the dump by hand to see its warnings; the site is unchanged.',
      },
    );
  }

  private read(line: string): void {
    if (line.startsWith(this.mark)) {
      const index = Number(line.slice(this.mark.length));
      this.table = index > 0 ? this.tables[index - 1] : undefined;
      return;
    }
    const [, code, message = ''] = this.table === undefined ? [] : (WARNING.exec(line) ?? []);
    if (code === undefined || this.table === undefined || Number(code) === GENERATED) return;
    const column = COLUMN.exec(message)?.[1] ?? '';
    const key = JSON.stringify([this.table, column, code]);
    const known = this.warnings.get(key);
    if (known) known.count += 1;
    else if (this.warnings.size < KEPT)
      this.warnings.set(key, { table: this.table, column, code: Number(code), count: 1 });
  }
}

/** How many rows have none of its labels, in a column that is an ENUM; 0 in others. */
async function withoutLabel(admin: AdminConnection, database: string, table: string, column: string): Promise<number> {
  const context = { what: `looking at ${database}.${table}` };
  const [found] = await admin.rows(
    `SELECT COUNT(*) AS value FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${quoteLiteral(database)}
      AND TABLE_NAME = ${quoteLiteral(table)} AND COLUMN_NAME = ${quoteLiteral(column)} AND DATA_TYPE = 'enum'`,
    z.object({ value: z.coerce.number() }),
    context,
  );
  if (found?.value !== 1) return 0;
  const name = `${quoteIdentifier(database)}.${quoteIdentifier(table)}`;
  const [rows] = await admin.rows(
    `SELECT COUNT(*) AS value FROM ${name} WHERE ${quoteIdentifier(column)} + 0 = 0`,
    z.object({ value: z.coerce.number() }),
    context,
  );
  return rows?.value ?? 0;
}
