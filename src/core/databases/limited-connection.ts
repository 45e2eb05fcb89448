import { type LookupFunction, type Socket, connect as connectSocket, isIP } from 'node:net';
import type { Readable } from 'node:stream';
import type { Connection as Driver } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { KedgeError } from '../../contract/errors';

/** Where a server listens. Names are resolved before: `addresses` are what `host` stands for. */
export type Endpoint =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly addresses?: readonly string[] };

/** What a server may take and send. */
export interface ConnectionLimits {
  /** From the first packet to a session that takes statements, ms. */
  readonly handshakeMs: number;
  /** From a statement to the end of its answer, ms. */
  readonly statementMs: number;
  /** Of everything the server sends. */
  readonly answerBytes: number;
}

export interface ConnectionRequest {
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly password?: string;
  readonly database?: string;
  /** Name of the server, for errors. */
  readonly server: string;
  readonly limits: ConnectionLimits;
  /** Ends handshake, statement and connection. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A connection to a database server that ends when the server takes too long, sends too much, or the work is cancelled:
 * a server that settings of a site name may be anybody's, and any server can hang with its connections open.
 */
export class LimitedConnection {
  private failure: Error | undefined;
  private received = 0;
  private readonly onFailure = new Set<(error: Error) => void>();

  private constructor(
    private readonly socket: Socket,
    private readonly driver: Driver,
    private readonly connection: Connection,
    private readonly request: ConnectionRequest,
  ) {
    // Without listeners a connection lost while idle would end the process.
    connection.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.received += bytes.length;
      const { answerBytes } = request.limits;
      if (this.received > answerBytes) this.fail(this.unreachable(`sent more than ${answerBytes} bytes`));
    });
    request.signal?.addEventListener('abort', this.cancelled, { once: true });
    socket.once('close', () => request.signal?.removeEventListener('abort', this.cancelled));
  }

  /**
   * Connects, logs in and runs `settings`, all within the limit of the handshake.
   * @throws KedgeError DatabaseUnreachable when a limit is reached; the signal's reason; the driver's error
   */
  static async open(request: ConnectionRequest, settings: string): Promise<LimitedConnection> {
    request.signal?.throwIfAborted();
    // Loaded when it is needed: few commands ask a database.
    const { createConnection } = await import('mysql2');
    const socket = openSocket(request.endpoint);
    const { user, password, database, limits } = request;
    const driver = createConnection({
      stream: socket,
      // Its own limit ends with the handshake, before the session is set.
      connectTimeout: 0,
      // None is prepared, and the driver keeps room for 16,000: half a megabyte a connection.
      maxPreparedStatements: 1,
      charset: 'utf8mb4',
      supportBigNumbers: true,
      dateStrings: true,
      user,
      ...(password === undefined ? {} : { password }),
      ...(database === undefined ? {} : { database }),
    });
    const opened = new LimitedConnection(socket, driver, driver.promise(), request);
    try {
      await opened.within(limits.handshakeMs, 'let nobody in', async () => {
        await new Promise<void>((resolve, reject) => driver.connect((error) => (error ? reject(error) : resolve())));
        await opened.connection.query(settings);
      });
      return opened;
    } catch (error) {
      opened.destroy();
      throw error;
    }
  }

  /** Rows, or what the driver says of a statement. @throws as {@link open} */
  async query(statement: string): Promise<unknown> {
    return this.within(this.request.limits.statementMs, 'did not answer', async () => {
      const [result] = await this.connection.query(statement);
      return result;
    });
  }

  /**
   * Rows of a query one after another, as arrays of what the server sent: a Buffer for each value, null for NULL. Only the limit of
   * bytes holds for it, and the signal.
   */
  stream(statement: string): Readable {
    const rows = this.driver
      .query({ sql: statement, rowsAsArray: true, typeCast: false })
      .stream({ highWaterMark: 64 });
    const stop = (error: Error): void => void rows.destroy(error);
    if (this.failure) stop(this.failure);
    this.onFailure.add(stop);
    rows.once('close', () => this.onFailure.delete(stop));
    return rows;
  }

  /** Calls back when the connection is lost while nobody waits for it. */
  onLost(lost: () => void): void {
    this.connection.on('error', lost);
    this.socket.once('close', lost);
  }

  /** Ends the connection at once: the server may be gone, and a polite end would wait for it. */
  destroy(): void {
    this.connection.destroy();
    this.socket.destroy();
  }

  private readonly cancelled = (): void => this.fail(this.request.signal?.reason as Error);

  private async within<T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> {
    if (this.failure !== undefined) throw this.failure;
    let stop: (error: Error) => void = () => undefined;
    const failed = new Promise<never>((_resolve, reject) => (stop = reject));
    this.onFailure.add(stop);
    const timer = setTimeout(() => this.fail(this.unreachable(`${what} within ${limitMs / 1000} s`)), limitMs);
    const working = work();
    // What ends by the limit is not waited for.
    working.catch(() => undefined);
    try {
      return await Promise.race([working, failed]);
    } catch (error) {
      throw this.failure ?? error;
    } finally {
      clearTimeout(timer);
      this.onFailure.delete(stop);
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const stop of this.onFailure) stop(this.failure);
    this.destroy();
  }

  private unreachable(what: string): KedgeError {
    const { server, endpoint } = this.request;
    const where = 'socketPath' in endpoint ? endpoint.socketPath : `${endpoint.host}:${endpoint.port}`;
    return new KedgeError('DatabaseUnreachable', `what listens at ${where} ${what}`, { server });
  }
}

function openSocket(endpoint: Endpoint): Socket {
  if ('socketPath' in endpoint) return connectSocket({ path: endpoint.socketPath });
  const { host, port, addresses } = endpoint;
  return connectSocket({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    ...(addresses === undefined ? {} : { lookup: lookupOf(addresses) }),
  });
}

/** Gives addresses that are known already to whoever asks for those of a name. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  return (_name, options, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family ?? 0);
  };
}
