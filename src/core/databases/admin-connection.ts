import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { z } from 'zod';
import type { DatabaseServerAddress } from '../../contract/target';
import { databaseError, isConnectionError } from './sql-errors';

export interface StatementContext {
  /** What the statement is for, in lower case: `creating the database shop`. */
  readonly what: string;
  /** Never appear in an error. */
  readonly secrets?: readonly string[];
}

/** How long a statement waits for others to let go of a table or database, s. The server's default is a day. */
const LOCK_WAIT_SECONDS = 30;
/** A server whose binary log finds no room lets statements wait for whoever makes some, for ever. MariaDB alone can end that. */
const STATEMENT_SECONDS = 120;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * The one connection of the admin account: opened by the first statement, opened again by the next one after it was lost.
 * A lost connection is an error of the statement it carried, which may or may not have been executed.
 */
export class AdminConnection {
  private opened: Promise<Connection> | undefined;

  constructor(
    private readonly address: DatabaseServerAddress,
    private readonly password: string | undefined,
  ) {}

  get server(): string {
    return this.address.name;
  }

  get user(): string {
    return this.address.admin.user;
  }

  /**
   * Runs one statement whose values are quoted already (identifiers.ts).
   * @throws KedgeError DatabaseUnreachable, DatabaseAccessDenied, DatabaseUnknown, DiskFull, DatabaseRefused
   */
  async execute(statement: string, { what, secrets }: StatementContext): Promise<void> {
    try {
      await this.send(statement);
    } catch (error) {
      throw databaseError(error, this.server, what, [...this.secrets, ...(secrets ?? [])]);
    }
  }

  /** Rows of a query, decoded. Columns need an alias: servers differ in the case of their names. */
  async rows<T>(query: string, row: z.ZodType<T>, { what }: StatementContext): Promise<T[]> {
    try {
      return z.array(row).parse(await this.send(query));
    } catch (error) {
      throw databaseError(error, this.server, what, this.secrets);
    }
  }

  /**
   * The error a statement meets, or undefined when it meets none. For statements whose failure is an answer.
   * @throws KedgeError when the server cannot be asked
   */
  async tryStatement(statement: string, { what }: StatementContext): Promise<unknown> {
    try {
      await this.send(statement);
      return undefined;
    } catch (error) {
      if (isConnectionError(error)) throw databaseError(error, this.server, what, this.secrets);
      return error;
    }
  }

  /** Rows of queries on a connection of its own that has `database` as its current one. */
  async inDatabase<T>(
    database: string,
    context: StatementContext,
    work: (rows: <R>(query: string, row: z.ZodType<R>) => Promise<R[]>) => Promise<T>,
  ): Promise<T> {
    let connection: Connection | undefined;
    try {
      const own = await this.open(database);
      connection = own;
      return await work(async (query, row) => z.array(row).parse((await own.query(query))[0]));
    } catch (error) {
      throw databaseError(error, this.server, context.what, this.secrets);
    } finally {
      connection?.destroy();
    }
  }

  async close(): Promise<void> {
    const opened = this.opened;
    this.opened = undefined;
    const connection = await opened?.catch(() => undefined);
    // The server may be gone: a polite end would wait for it.
    connection?.destroy();
  }

  private get secrets(): string[] {
    return this.password === undefined ? [] : [this.password];
  }

  private async send(statement: string): Promise<unknown> {
    this.opened ??= this.openAdmin();
    const { opened } = this;
    try {
      const connection = await opened;
      const [result] = await connection.query(statement);
      return result;
    } catch (error) {
      if (isConnectionError(error) && this.opened === opened) await this.close();
      throw error;
    }
  }

  private openAdmin(): Promise<Connection> {
    const opening = this.open(undefined);
    opening.then(
      (connection) => connection.on('error', () => this.forget(opening)),
      () => this.forget(opening),
    );
    return opening;
  }

  private open(database: string | undefined): Promise<Connection> {
    return connect({
      ...endpointOf(this.address),
      user: this.address.admin.user,
      ...(this.password === undefined ? {} : { password: this.password }),
      ...(database === undefined ? {} : { database }),
    });
  }

  private forget(opening: Promise<Connection>): void {
    if (this.opened === opening) this.opened = undefined;
  }
}

/** Socket, or host and port, of a server. */
export function endpointOf(address: DatabaseServerAddress): Pick<ConnectionOptions, 'socketPath' | 'host' | 'port'> {
  if (address.socket !== undefined) return { socketPath: address.socket };
  return { host: address.host ?? '127.0.0.1', port: address.port ?? 3306 };
}

/** Connects with the session settings that the quoting of identifiers.ts relies on. */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  // Loaded when it is needed: few commands ask a database.
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection({
    connectTimeout: CONNECT_TIMEOUT_MS,
    charset: 'utf8mb4',
    supportBigNumbers: true,
    dateStrings: true,
    ...options,
  });
  // Without a listener a connection lost while idle would end the process.
  connection.on('error', () => undefined);
  try {
    await connection.query(
      `SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', lock_wait_timeout = ${LOCK_WAIT_SECONDS}, sql_quote_show_create = 1 /*M!100100 , max_statement_time = ${STATEMENT_SECONDS} */`,
    );
  } catch (error) {
    connection.destroy();
    throw error;
  }
  return connection;
}
