import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import manifest from '../../../../package.json';
import { closeInheritedDescriptors } from '../inherited-descriptors';
import { createLocalHost } from '../local-host';
import type { ByteChannel } from './byte-channel';
import { serveHost } from './served-host';

/*
 * The program at the far end: serves this machine to the master that started it, over standard input and output. It ends when the
 * master closes them, or says nothing any more, or by a signal; and with it ends all that it started.
 */

function main(): void {
  const { version } = manifest;
  closeInheritedDescriptors();
  if (process.argv.includes('--version')) {
    console.log(version);
    return;
  }
  if (![0, 1].every(isPipe)) {
    console.error('kedge-host is started by Kedge, over SSH, and speaks to it alone; --version says which it is.');
    process.exitCode = 2;
    return;
  }
  const channel = standardChannel();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => channel.close());
  // Who reads standard error may be gone.
  process.stderr.on('error', () => undefined);
  void serveHost(channel, { version, makeHost: (name) => createLocalHost({ name }) }).then((reason) => {
    process.stderr.write(`kedge-host: ${reason.message}\n`, () => process.exit(0));
    // Nobody is waited for who does not read it.
    setTimeout(() => process.exit(0), 200);
  });
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

main();
