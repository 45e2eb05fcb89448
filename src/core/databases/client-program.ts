import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress } from '../../contract/target';
import { type Completed, type Host, SECRET_PATH } from '../hosts/host';
import type { Operation } from '../operation';
import { optionFile } from './option-file';

export interface ClientRun {
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

/**
 * Runs a client of the database server, confined: it sees the folder of the socket, or the network when there is none, and
 * its login by descriptor.
 */
export async function runClient(host: Host, address: DatabaseServerAddress, client: ClientRun): Promise<Completed> {
  const command = [client.program, `--defaults-file=${SECRET_PATH}`, ...client.arguments] as const;
  return host.run({
    argv: client.output ? [...LARGE_WRITES, ...command] : command,
    sandbox: address.socket === undefined ? { network: true } : { readOnly: [{ from: dirname(address.socket) }] },
    secret: optionFile({
      user: client.user,
      password: client.password,
      socket: address.socket,
      host: address.host,
      port: address.port,
    }),
    ...(client.input ? { input: client.input } : {}),
    ...(client.output ? { output: client.output } : {}),
    ...(client.onErrorOutput ? { onErrorOutput: client.onErrorOutput } : {}),
    operation: client.operation,
  });
}

/** The programs of both servers go by two names. What a program can do is asked once. */
export class ClientPrograms {
  private readonly found = new Map<string, Promise<{ program: string; help: string }>>();

  constructor(private readonly host: Host) {}

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
