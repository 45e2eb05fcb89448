import { Stream } from 'node:stream';
import { withListener } from '../streams';
import type { Command } from './host';

/**
 * Listens to the streams that a host is given with a command, from the call on: until its program runs nobody reads or writes
 * them, and they may fail meanwhile.
 */
export function listenToStreams({
  input,
  output,
  resultOutput,
}: Pick<Command, 'input' | 'output' | 'resultOutput'>): void {
  for (const stream of [input, output, resultOutput]) if (stream instanceof Stream) withListener(stream);
}
