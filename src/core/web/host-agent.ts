import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { type KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { withListener } from '../streams';

/** What is asked of an agent. */
interface ConnectionOptions extends ClientRequestArgs {
  /** The name that TLS asks for. */
  readonly servername?: string;
}

/**
 * Makes the connections of HTTP requests from a host, one at a time; also those of TLS: requests themselves are always those of
 * `node:http`. `destroy` ends them all, also those that are being made.
 */
export class HostAgent extends Agent {
  /** Why its last connection is gone, where that is because the host is; null where it is not. */
  lost: KedgeError | null = null;
  private readonly ended = new AbortController();
  private making = new AbortController();
  private readonly host: Host;
  private readonly tls: boolean;

  constructor(host: Host, { tls, keepAlive }: { readonly tls: boolean; readonly keepAlive: boolean }) {
    super({ keepAlive, maxSockets: 1 });
    this.host = host;
    this.tls = tls;
  }

  /** Ends the making of a connection: a request that is aborted does not do so itself. */
  giveUp(reason: unknown): void {
    this.making.abort(reason);
  }

  override destroy(): void {
    super.destroy();
    this.ended.abort(new Error('it is not needed any more'));
  }

  override createConnection(
    options: ConnectionOptions,
    done: (error: Error | null, stream: Duplex) => void = () => undefined,
  ): undefined {
    this.connect(options).then(
      (stream) => done(null, stream),
      (error: Error) => done(error, undefined as never),
    );
  }

  /** A stream of a host has no timers, and none of it keeps the process running. */
  override keepSocketAlive(): boolean {
    return true;
  }

  override reuseSocket(_stream: Duplex, outgoing: ClientRequest): void {
    outgoing.reusedSocket = true;
  }

  private async connect({ host, port, servername }: ConnectionOptions): Promise<Duplex> {
    this.lost = null;
    this.making = new AbortController();
    const { signal } = this.making;
    const stream = await this.host.connectTo(
      { host: host ?? '127.0.0.1', port: Number(port) },
      AbortSignal.any([this.ended.signal, signal]),
    );
    stream.allowHalfOpen = false;
    stream.on('error', (error) => {
      if (isKedgeError(error)) this.lost = error;
    });
    if (stream.errored) throw stream.errored;
    if (!this.tls) return stream;
    const secure = connectTls({
      socket: stream,
      ALPNProtocols: ['http/1.1'],
      // Its own server, at its own address: what it answers matters, not who vouches for it.
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
    });
    return withListener(secure);
  }
}
