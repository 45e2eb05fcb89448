import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { ByteChannel } from './byte-channel';
import { type ServedOptions, serveHost } from './served-host';

/**
 * Serves a host over standard input and output of this process, until the other end closes them, says nothing any more, or a signal comes; then
 * ends the process, and with it all that it started. False, and nothing happens, where they lead to a terminal or a file.
 */
export function serveStandardStreams(options: ServedOptions): boolean {
  if (![0, 1].every(isPipe)) return false;
  const channel = standardChannel();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => channel.close());
  // Who reads standard error may be gone.
  process.stderr.on('error', () => undefined);
  void serveHost(channel, options).then((reason) => {
    process.stderr.write(`kedge-host: ${reason.message}\n`, () => process.exit(0));
    // Nobody is waited for who does not read it.
    setTimeout(() => process.exit(0), 200);
  });
  return true;
}

/** A pipe or a socket: no terminal, and no file. */
function isPipe(descriptor: number): boolean {
  const status = fstatSync(descriptor);
  return status.isFIFO() || status.isSocket();
}

/**
 * Standard input and output, neither of which ever keeps this process waiting: `process.stdout` writes to a pipe at once, however long that
 * takes, and nothing would be ended then when the connection is gone.
 */
function standardChannel(): ByteChannel {
  const input = new Socket({ fd: 0, readable: true, writable: false });
  const output = new Socket({ fd: 1, readable: false, writable: true });
  return {
    input,
    output,
    close() {
      input.destroy();
      output.destroy();
    },
    ended: new Promise(() => undefined),
  };
}
