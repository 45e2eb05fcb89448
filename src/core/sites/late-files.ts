import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { excludedTest } from './exclusion';

const MAXIMUM_BYTES = 16 * 1024 * 1024;

/** One folder of a site that was replaced. */
export interface ReplacedFolder {
  /** Its name among the folders of the site. */
  readonly name: string;
  /** Where visitors had it. */
  readonly live: string;
  /** Where it lies now. */
  readonly path: string;
}

/**
 * Files of a folder that were written or put there since a time, by their paths in it, sorted; without what backups leave
 * out. The look is confined to the folder, and by the kernel's time of change, which no writer can set.
 */
export async function filesChangedSince(
  host: Host,
  { name, live, path }: ReplacedFolder,
  exclude: readonly string[],
  since: Date,
  operation: Operation,
): Promise<string[]> {
  const { stdout } = await host.run({
    argv: [
      'find',
      '.',
      ...['-not', '-type', 'd', '-newerct', `@${since.getTime() / 1000}`],
      '-not',
      ...excludedTest({ name, path: live }, exclude),
      ...['-printf', '%P\\0'],
    ],
    sandbox: {
      readOnly: [{ from: path, to: '/folder' }],
      capabilities: ['DAC_READ_SEARCH'],
      workingFolder: '/folder',
    },
    limits: { captureBytes: MAXIMUM_BYTES },
    // Files vanish while it looks.
    acceptExitCodes: [0, 1],
    operation,
  });
  return stdout.split('\0').filter(Boolean).sort();
}
