import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress } from '../../contract/target';
import { type Completed, type Host, SECRET_PATH, type Sandbox } from '../hosts/host';
import { type Listener, withRelay } from '../hosts/relay';
import type { Operation } from '../operation';
import { endpointOf } from './admin-connection';
import { type ClientLogin, optionFile } from './option-file';
import { databaseError } from './sql-errors';

export interface ClientRun {
  readonly address: DatabaseServerAddress;
  /** The machine that reaches the server at this address. */
  readonly from: Host;
  /** Whether what it sends and gets is compressed where that is another machine than the one it runs on. */
  readonly compresses: boolean;
  readonly program: string;
  readonly arguments: readonly string[];
  readonly user: string;
  readonly password: string | undefined;
  readonly input?: Readable;
  readonly output?: Writable;
  /** As `Command.onErrorOutput`. */
  readonly onErrorOutput?: (chunk: Buffer) => void;
  readonly operation: Operation;
}

/** A dump program writes four kilobytes at a time, and waking up for each costs a seventh of the dump's time. */
const LARGE_WRITES = ['stdbuf', '--output=64K'] as const;

/** Where a confined client finds the socket that leads to another machine. */
const RELAYED = '/server';

/**
 * Runs clients of database servers on the master, also of those that another machine reaches. The programs of both kinds of server go by two
 * names. What a program can do is asked once.
 */
export class ClientPrograms {
  private readonly found = new Map<string, Promise<{ program: string; help: string }>>();

  constructor(
    private readonly host: Host,
    /** A folder of the master, for sockets that lead to other machines; made when it is missing. Null where there is no other machine. */
    private readonly sockets: string | null = null,
  ) {}

  /**
   * Runs a client, confined: it sees the folder of the socket, or the network when there is none, and its login by descriptor. One whose
   * server another machine reaches sees a socket that leads there, through the connection to that machine.
   * @throws as `Host.run`; KedgeError HostUnreachable when that machine is lost, DatabaseUnreachable when nobody listens there
   */
  async run(client: ClientRun): Promise<Completed> {
    const { address, from, compresses } = client;
    const { socket, host, port } = address;
    if (from === this.host) {
      const sandbox = socket === undefined ? { network: true } : { readOnly: [{ from: dirname(socket) }] };
      return this.runIn(sandbox, { socket, host, port }, client);
    }
    if (this.sockets === null) throw new TypeError(`there is no folder for the socket that leads to ${from.name}`);
    await this.host.makeFolder(this.sockets, { mode: 0o700 });
    const listener: Listener = { from, address: endpointOf(address) };
    try {
      return await withRelay(listener, this.sockets, client.operation, ({ folder, name }) =>
        this.runIn(
          { readOnly: [{ from: folder, to: RELAYED }] },
          { socket: `${RELAYED}/${name}`, host: undefined, port: undefined, compresses },
          client,
        ),
      );
    } catch (error) {
      client.operation.signal.throwIfAborted();
      if (isKedgeError(error)) throw error;
      throw databaseError(error, address.name, `connecting ${client.program} from ${from.name}`);
    }
  }

  private runIn(
    sandbox: Sandbox,
    place: Omit<ClientLogin, 'user' | 'password'>,
    client: ClientRun,
  ): Promise<Completed> {
    const command = [client.program, `--defaults-file=${SECRET_PATH}`, ...client.arguments] as const;
    return this.host.run({
      argv: client.output ? [...LARGE_WRITES, ...command] : command,
      sandbox,
      secret: optionFile({ user: client.user, password: client.password, ...place }),
      ...(client.input ? { input: client.input } : {}),
      ...(client.output ? { output: client.output } : {}),
      ...(client.onErrorOutput ? { onErrorOutput: client.onErrorOutput } : {}),
      operation: client.operation,
    });
  }

  /** @throws KedgeError ProgramMissing, naming the first of the names */
  find(names: readonly [string, ...string[]], operation: Operation): Promise<{ program: string; help: string }> {
    const known = this.found.get(names[0]);
    if (known) return known;
    const finding = this.look(names, operation);
    this.found.set(names[0], finding);
    finding.catch(() => this.found.delete(names[0]));
    return finding;
  }

  private async look(
    names: readonly [string, ...string[]],
    operation: Operation,
  ): Promise<{ program: string; help: string }> {
    let missing: unknown = new KedgeError('ProgramMissing', `${names[0]} is not installed on ${this.host.name}`);
    for (const program of names) {
      try {
        const { stdout } = await this.host.run({ argv: [program, '--no-defaults', '--help'], sandbox: {}, operation });
        return { program, help: stdout };
      } catch (error) {
        if (!isKedgeError(error) || error.code !== 'ProgramMissing') throw error;
        missing = error;
      }
    }
    throw missing;
  }
}
