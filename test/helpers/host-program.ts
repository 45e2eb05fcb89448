import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { version } from '../../package.json';
import type { ByteChannel, ChannelEnd } from '../../src/core/hosts/remote/byte-channel';
import { RemoteHost, type RemoteHostOptions } from '../../src/core/hosts/remote/remote-host';

/** The program of servers, as the build makes it. It does nothing without rules. */
export const HOST_PROGRAM = join(__dirname, '../../dist/kedge-host.cjs');
/** One that does whatever it is asked for. */
export const UNRULED_PROGRAM = join(__dirname, 'unruled-host.js');

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface PipedChannel extends ByteChannel {
  readonly child: Child;
}

/** A program as a child of this process, on pipes. Default: one without rules. */
export function pipedChannel(argv: readonly [string, ...string[]] = [process.execPath, UNRULED_PROGRAM]): PipedChannel {
  const [program, ...args] = argv;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return {
    child,
    input: child.stdout,
    output: child.stdin,
    close() {
      child.stdin.destroy();
      child.stdout.destroy();
    },
    ended: new Promise<ChannelEnd>((resolve) => {
      child.once('close', (exitCode, signal) =>
        resolve({ exitCode, said, lost: signal === null ? null : `it was ended by ${signal}` }),
      );
    }),
  };
}

export interface PipedHost {
  readonly host: RemoteHost;
  /** The children that were started for it, in turn. */
  readonly channels: PipedChannel[];
}

/** A host that is served by a child of this process. */
export function pipedHost(more: Partial<RemoteHostOptions> = {}): PipedHost {
  const channels: PipedChannel[] = [];
  const host = new RemoteHost({
    name: 'there',
    master: 'here',
    version,
    installCommand: 'install it',
    async openChannel() {
      const channel = pipedChannel();
      channels.push(channel);
      return channel;
    },
    ...more,
  });
  return { host, channels };
}
