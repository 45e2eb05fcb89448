import { setTimeout as delay } from 'node:timers/promises';
import { findingsOf } from '../findings';
import type { Operation } from '../operation';
import type { AdminConnection } from './admin-connection';
import { quoteIdentifier } from './identifiers';
import type { InexactTable } from './inexact-tables';
import type { LimitedConnection } from './limited-connection';
import { LongRow } from './long-row';
import { rowLiteral } from './row-literals';
import { PLAIN_LEXIS } from './sql-tokens';

/** How long the lock of a table is waited for: whoever writes to it meanwhile waits too. */
const LOCK_SECONDS = 1;
const LOCK_TRIES = 10;
const BETWEEN_TRIES_MS = 500;
const STATEMENT_BYTES = 512 * 1024;
/** As long as a dump may take. */
const SESSION_SETTINGS = [
  `SET SESSION time_zone = '+00:00', sql_mode = '', wait_timeout = 604800, net_write_timeout = 86400 /*M!100100 , max_statement_time = 0 */`,
  'SET NAMES binary',
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
  'START TRANSACTION WITH CONSISTENT SNAPSHOT',
];
const NO_LIMIT = Number.POSITIVE_INFINITY;

const BEFORE_ROWS = `
SET NAMES binary;
SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;
`;
const AFTER_ROWS = `COMMIT;
SET AUTOCOMMIT=@OLD_AUTOCOMMIT;
`;

/**
 * The rows of tables that a dump program does not write as they are, read as they were when its dump began: those tables
 * are locked for writers from before it begins until both transactions have begun, a fraction of a second.
 */
export class ExactRows {
  private readonly byName: ReadonlyMap<string, InexactTable>;
  private lock: LimitedConnection | undefined;
  private reading: LimitedConnection | undefined;
  private readonly what: string;

  constructor(
    private readonly admin: AdminConnection,
    private readonly database: string,
    readonly tables: readonly InexactTable[],
    private readonly operation: Operation,
    private readonly longRowBytes: number,
    /** Told of the length, in bytes, of a value that goes in pieces. */
    private readonly onLongValue: (table: string, bytes: number) => void = () => undefined,
  ) {
    this.byName = new Map(tables.map((table) => [table.name, table]));
    this.what = `reading rows of ${database}`;
  }

  has(table: string): boolean {
    return this.byName.has(table);
  }

  /** Keeps writers from the tables. To be called before the dump begins. Where they cannot be had a warning says so. */
  async hold(): Promise<void> {
    const tables = this.tables.filter(({ transactional }) => transactional);
    if (tables.length === 0) return;
    const lock = await this.admin.session(this.database, NO_LIMIT, { what: this.what });
    const list = tables.map(({ name }) => `${quoteIdentifier(name)} READ`).join(', ');
    let failure: unknown;
    for (let tries = 0; tries < LOCK_TRIES; tries += 1) {
      try {
        await lock.query(`SET SESSION lock_wait_timeout = ${LOCK_SECONDS}`);
        await lock.query(`LOCK TABLES ${list}`);
        this.lock = lock;
        return;
      } catch (error) {
        failure = error;
        this.operation.signal.throwIfAborted();
        // Writers that waited behind this have their turn.
        await delay(BETWEEN_TRIES_MS, undefined, { signal: this.operation.signal });
      }
    }
    lock.destroy();
    const { message } = this.admin.errorOf(failure, { what: this.what }) as Error;
    const said = findingsOf(
      this.operation.log,
      `tables of ${this.database} that could not be locked for a moment (${message}), so that their rows are of a later one than the others`,
      tables.map(({ name }) => name),
    );
    if (said !== null) this.operation.log.warn(said);
  }

  /**
   * Begins to read, and lets go of the lock. To be called when the dump program has begun its own transaction: it has when it
   * writes its first definition.
   * @throws KedgeError as statements of the admin connection do
   */
  async begin(): Promise<void> {
    if (this.tables.length === 0) return;
    try {
      this.reading = await this.admin.session(this.database, NO_LIMIT, { what: this.what });
      for (const statement of SESSION_SETTINGS) await this.reading.query(statement);
    } catch (error) {
      throw this.admin.errorOf(error, { what: this.what });
    } finally {
      this.lock?.destroy();
      this.lock = undefined;
    }
  }

  /** The statements that bring back the rows of a table; `counted` is told how many there are. After {@link begin}. */
  async *statements(name: string, counted: (rows: number) => void): AsyncGenerator<Buffer> {
    const table = this.byName.get(name);
    if (!table || !this.reading) return;
    const { columns, withHistory } = table;
    const from = `${quoteIdentifier(name)}${withHistory ? ' FOR SYSTEM_TIME ALL' : ''}`;
    const head = Buffer.from(
      `INSERT INTO ${quoteIdentifier(name)} (${columns.map((column) => quoteIdentifier(column.name)).join(', ')}) VALUES\n`,
    );
    let rows = 0;
    let statement: Buffer[] = [];
    let bytes = 0;
    const query = `SELECT ${columns.map(({ expression }) => expression).join(', ')} FROM ${from}`;
    // The driver writes a byte a letter once the session is binary; names are UTF-8 there.
    const all = this.reading.stream(Buffer.from(query, 'utf8').toString('latin1'));
    try {
      for await (const values of all as AsyncIterable<(Buffer | null)[]>) {
        if (rows === 0) yield Buffer.from(BEFORE_ROWS + (withHistory ? INSERT_HISTORY : ''));
        const row = columns.map(({ form }, index) => rowLiteral(values[index] ?? null, form));
        rows += 1;
        if (row.reduce((sum, value) => sum + value.length, 0) > this.longRowBytes) {
          if (statement.length > 0) yield Buffer.concat([...statement, Buffer.from(';\n')]);
          statement = [];
          bytes = 0;
          yield* inPieces(head, row, (length) => this.onLongValue(name, length));
          continue;
        }
        statement.push(statement.length === 0 ? head : Buffer.from(',\n'), Buffer.from('('));
        for (const [index, value] of row.entries()) {
          if (index > 0) statement.push(Buffer.from(','));
          statement.push(value);
          bytes += value.length + 1;
        }
        statement.push(Buffer.from(')'));
        if (bytes > STATEMENT_BYTES) {
          yield Buffer.concat([...statement, Buffer.from(';\n')]);
          statement = [];
          bytes = 0;
        }
      }
    } catch (error) {
      throw this.admin.errorOf(error, { what: `${this.what}: ${name}` });
    } finally {
      all.destroy();
    }
    if (statement.length > 0) yield Buffer.concat([...statement, Buffer.from(';\n')]);
    if (rows > 0) yield Buffer.from(AFTER_ROWS + (withHistory ? NO_MORE_HISTORY : ''));
    counted(rows);
  }

  close(): void {
    this.lock?.destroy();
    this.reading?.destroy();
  }
}

function* inPieces(head: Buffer, values: readonly Buffer[], onLongValue: (bytes: number) => void): Generator<Buffer> {
  const row = new LongRow(head, Buffer.from(';'), PLAIN_LEXIS);
  for (const [index, value] of values.entries()) {
    yield* row.push(Buffer.from(index === 0 ? '(' : ','));
    yield* row.push(value);
  }
  yield* row.push(Buffer.from(')'));
  onLongValue(row.longestValue);
  yield* row.end();
}

const INSERT_HISTORY =
  '/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1 */;\n';
const NO_MORE_HISTORY = '/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */;\n';
