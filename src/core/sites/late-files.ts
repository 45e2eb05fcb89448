import { SITE_FOLDER } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';

const MAXIMUM_BYTES = 16 * 1024 * 1024;
const WILDCARD = /[*?[\]\\]/;

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
  // Patterns about a declared path begin with it; all others are about the site folder.
  const patterns = exclude.flatMap((pattern) => {
    if (name === SITE_FOLDER) return [pattern];
    return pattern.startsWith(`${live}/`) ? [pattern.slice(live.length + 1)] : [];
  });
  // tar and find read patterns alike but for the slash, which find lets a `*` match: more is left out, below that folder.
  const leftOut = patterns.flatMap((pattern) => {
    const below = WILDCARD.test(pattern) ? [] : ['-o', '-path', `./${pattern}/*`];
    return ['-not', '(', '-path', `./${pattern}`, ...below, ')'];
  });
  const { stdout } = await host.run({
    argv: [
      'find',
      '.',
      ...['-not', '-type', 'd', '-newerct', `@${since.getTime() / 1000}`],
      ...leftOut,
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
