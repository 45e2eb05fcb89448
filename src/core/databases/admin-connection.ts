import { z } from 'zod';
import type { DatabaseServerAddress } from '../../contract/target';
import type { Host, SocketAddress } from '../hosts/host';
import { type ConnectionLimits, type ConnectionRequest, LimitedConnection } from './limited-connection';
import { databaseError, isConnectionError } from './sql-errors';
import { becomeSole } from './sole-connection';

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
/** A server that hangs keeps no promise of its own. What it is asked for grows with its tables, and it is the administrator's. */
const LIMITS: ConnectionLimits = {
  handshakeMs: 10_000,
  statementMs: (STATEMENT_SECONDS + LOCK_WAIT_SECONDS) * 1000,
  answerBytes: 4 * 1024 ** 3,
};

/**
 * The one connection of the admin account: opened by the first statement, opened again by the next one after it was lost.
 * A lost connection is an error of the statement it carried, which may or may not have been executed. With a signal it
 * serves one piece of work, and ends with it.
 */
export class AdminConnection {
  private opened: Promise<LimitedConnection> | undefined;

  constructor(
    /** From where the server is reached. */
    readonly host: Host,
    private readonly address: DatabaseServerAddress,
    private readonly password: string | undefined,
    readonly signal?: AbortSignal | undefined,
    /** No other connection of this name executes a statement any more when this one is given its first. */
    private readonly holder?: string | undefined,
  ) {
    signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

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
      throw this.failure(error, what, secrets);
    }
  }

  /** Rows of a query, decoded. Columns need an alias: servers differ in the case of their names. */
  async rows<T>(query: string, row: z.ZodType<T>, { what }: StatementContext): Promise<T[]> {
    try {
      return z.array(row).parse(await this.send(query));
    } catch (error) {
      throw this.failure(error, what);
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
      if (this.signal?.aborted || isConnectionError(error)) throw this.failure(error, what);
      return error;
    }
  }

  /**
   * Rows of a query, or the error it met as {@link numberOf} reads it: for queries whose failure is an answer.
   * @throws KedgeError when the server cannot be asked
   */
  async tryRows<T>(
    query: string,
    row: z.ZodType<T>,
    { what }: StatementContext,
  ): Promise<{ rows: T[] } | { error: unknown }> {
    try {
      return { rows: z.array(row).parse(await this.send(query)) };
    } catch (error) {
      if (this.signal?.aborted || isConnectionError(error)) throw this.failure(error, what);
      return { error };
    }
  }

  /** Rows of queries on a connection of its own that has `database` as its current one. */
  async inDatabase<T>(
    database: string,
    context: StatementContext,
    work: (rows: <R>(query: string, row: z.ZodType<R>) => Promise<R[]>) => Promise<T>,
  ): Promise<T> {
    let connection: LimitedConnection | undefined;
    try {
      const own = await this.open(database);
      connection = own;
      return await work(async (query, row) => z.array(row).parse(await own.query(query)));
    } catch (error) {
      throw this.failure(error, context.what);
    } finally {
      connection?.destroy();
    }
  }

  /**
   * A connection of its own with `database` as its current one; whoever asked for it destroys it. `answerBytes`: as much as it may be
   * sent.
   * @throws KedgeError as {@link execute}
   */
  async session(database: string, answerBytes: number, { what }: StatementContext): Promise<LimitedConnection> {
    try {
      return await this.open(database, { ...LIMITS, answerBytes });
    } catch (error) {
      throw this.failure(error, what);
    }
  }

  /** An error of such a connection as one of Kedge's; the signal's reason once it is aborted. */
  errorOf(error: unknown, { what }: StatementContext): unknown {
    return this.failure(error, what);
  }

  async close(): Promise<void> {
    const opened = this.opened;
    this.opened = undefined;
    const connection = await opened?.catch(() => undefined);
    // The server may be gone: a polite end would wait for it.
    connection?.destroy();
  }

  /** The signal's reason once it is aborted; else the error as one of Kedge's. */
  private failure(error: unknown, what: string, secrets: readonly string[] = []): unknown {
    if (this.signal?.aborted) return this.signal.reason;
    const known = this.password === undefined ? secrets : [this.password, ...secrets];
    return databaseError(error, this.server, what, known);
  }

  private async send(statement: string): Promise<unknown> {
    this.opened ??= this.openAdmin();
    const { opened } = this;
    try {
      return await (await opened).query(statement);
    } catch (error) {
      if (isConnectionError(error) && this.opened === opened) await this.close();
      throw error;
    }
  }

  private openAdmin(): Promise<LimitedConnection> {
    const opening = this.openAsSole();
    opening.then(
      (connection) => connection.onLost(() => this.forget(opening)),
      () => this.forget(opening),
    );
    return opening;
  }

  private async openAsSole(): Promise<LimitedConnection> {
    const connection = await this.open(undefined);
    try {
      if (this.holder !== undefined) await becomeSole(connection, this.holder, this.server);
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  private open(database: string | undefined, limits = LIMITS): Promise<LimitedConnection> {
    return connect({
      host: this.host,
      endpoint: endpointOf(this.address),
      server: this.server,
      limits,
      signal: this.signal,
      user: this.address.admin.user,
      ...(this.password === undefined ? {} : { password: this.password }),
      ...(database === undefined ? {} : { database }),
    });
  }

  private forget(opening: Promise<LimitedConnection>): void {
    if (this.opened === opening) this.opened = undefined;
  }
}

/** Socket, or host and port, of a server. */
export function endpointOf(address: DatabaseServerAddress): SocketAddress {
  if (address.socket !== undefined) return { socketPath: address.socket };
  return { host: address.host ?? '127.0.0.1', port: address.port ?? 3306 };
}

/** Connects with the session settings that the quoting of identifiers.ts relies on. @throws as {@link LimitedConnection.open} */
export function connect(request: ConnectionRequest): Promise<LimitedConnection> {
  return LimitedConnection.open(
    request,
    `SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', lock_wait_timeout = ${LOCK_WAIT_SECONDS}, sql_quote_show_create = 1 /*M!100100 , max_statement_time = ${STATEMENT_SECONDS} */`,
  );
}
