import type { Duplex, Readable } from 'node:stream';
import type { Connection as Driver } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { KedgeError } from '../../contract/errors';
import { monotonicMs } from '../clock';
import type { Host, SocketAddress } from '../hosts/host';
import { breakOff, withListener } from '../streams';

/** What a server may take and send. */
export interface ConnectionLimits {
  /** From the connection to a session that takes statements, ms. */
  readonly handshakeMs: number;
  /** From a statement to the end of its answer, ms. */
  readonly statementMs: number;
  /** Of everything the server sends. */
  readonly answerBytes: number;
}

export interface ConnectionRequest {
  /** From where it is connected to. */
  readonly host: Host;
  /** Where it listens, as that host reaches it. */
  readonly endpoint: SocketAddress;
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
    private readonly socket: Duplex,
    private readonly driver: Driver,
    private readonly connection: Connection,
    private readonly request: ConnectionRequest,
  ) {
    // Without listeners a connection lost while idle would end the process.
    withListener(connection);
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.length;
      const { answerBytes } = request.limits;
      if (this.received > answerBytes) this.fail(unreachable(request, `sent more than ${answerBytes} bytes`));
    });
    request.signal?.addEventListener('abort', this.cancelled, { once: true });
    socket.once('close', () => request.signal?.removeEventListener('abort', this.cancelled));
  }

  /**
   * Connects, logs in and runs `settings`, all within the limit of the handshake.
   * @throws KedgeError DatabaseUnreachable when a limit is reached, HostUnreachable; the signal's reason; the error of driver or system
   */
  static async open(request: ConnectionRequest, settings: string): Promise<LimitedConnection> {
    request.signal?.throwIfAborted();
    // Loaded when it is needed: few commands ask a database.
    const { createConnection } = await import('mysql2');
    const { user, password, database, limits, signal } = request;
    const began = monotonicMs();
    const socket = await connectWithin(request);
    if (signal?.aborted) {
      socket.destroy();
      throw signal.reason;
    }
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
      const leftMs = Math.max(0, limits.handshakeMs - (monotonicMs() - began));
      await opened.within(leftMs, nobodyIn(limits), async () => {
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
    const { statementMs } = this.request.limits;
    return this.within(statementMs, `did not answer within ${statementMs / 1000} s`, async () => {
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
    // The driver tells it what becomes of the query, also when nobody reads it any more.
    withListener(rows);
    const stop = (error: Error): void => breakOff(rows, error);
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
    const timer = setTimeout(() => this.fail(unreachable(this.request, what)), limitMs);
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
}

/**
 * A connection that is whoever asked for it's to end. A server that is away answers no attempt to connect, and counts as one that lets
 * nobody in.
 */
async function connectWithin(request: ConnectionRequest): Promise<Duplex> {
  const { host, endpoint, limits, signal } = request;
  const attempt = new AbortController();
  const cancel = (): void => attempt.abort(signal?.reason);
  const timer = setTimeout(() => attempt.abort(unreachable(request, nobodyIn(limits))), limits.handshakeMs);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const socket = await host.connectTo(endpoint, attempt.signal);
    socket.allowHalfOpen = false;
    return socket;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  }
}

function nobodyIn({ handshakeMs }: ConnectionLimits): string {
  return `let nobody in within ${handshakeMs / 1000} s`;
}

function unreachable({ server, endpoint }: ConnectionRequest, what: string): KedgeError {
  const where = 'socketPath' in endpoint ? endpoint.socketPath : `${endpoint.host}:${endpoint.port}`;
  return new KedgeError('DatabaseUnreachable', `what listens at ${where} ${what}`, { server });
}
