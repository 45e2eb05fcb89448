import { Writable } from 'node:stream';
import type { Notice } from '../../contract/notices';
import { printable, printableJson } from '../../contract/printable';
import type { Host } from '../hosts/host';
import { trustedCommand } from '../hosts/trusted-command';
import type { Operation } from '../operation';

const TIME_LIMIT_MS = 30_000;
const READ_BYTES = 4_096;
const SHOWN_CHARACTERS = 300;

/**
 * Runs a program of the administrator's, as the worker's user, with a notice as JSON on its standard input. Taken is what it ends with 0
 * for. Returns the first line it printed, which may be empty.
 * @throws KedgeError OwnerRefused for one that somebody else could have written; ProgramMissing, ProgramFailed, ProgramKilled,
 *   ProgramTimedOut: then nothing of it lives on; the signal's reason
 */
export async function runProgram(
  notice: Notice,
  argv: readonly string[],
  { master, timeLimitMs = TIME_LIMIT_MS }: { readonly master: Host; readonly timeLimitMs?: number },
  operation: Operation,
): Promise<string> {
  const said = new Beginning();
  await master.run({
    argv: await trustedCommand(master, argv),
    input: `${printableJson(notice)}\n`,
    output: said,
    limits: { timeoutMs: timeLimitMs },
    operation,
  });
  return printable(said.text.split('\n')[0] ?? '').slice(0, SHOWN_CHARACTERS);
}

/** Keeps the first of what is written, and lets the rest go: who says much is not ended for it. */
class Beginning extends Writable {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.bytes < READ_BYTES) this.chunks.push(chunk);
    this.bytes += chunk.length;
    done();
  }

  get text(): string {
    return Buffer.concat(this.chunks).subarray(0, READ_BYTES).toString('utf8');
  }
}
