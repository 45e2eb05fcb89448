import type { Operation } from '../operation';
import type { SiteFolder } from './site-folder';

const MAXIMUM_BYTES = 16 * 1024 * 1024;
const WILDCARD = /[*?[\]\\]/;

/**
 * Files of a folder that were written or put there since a time, by their paths in it, sorted; without what backups leave
 * out. The look is confined to the folder, and by the kernel's time of change, which no writer can set.
 */
export async function filesChangedSince(folder: SiteFolder, since: Date, operation: Operation): Promise<string[]> {
  const { host, path, site } = folder;
  // tar and find read patterns alike but for the slash, which find lets a `*` match: more is left out, below that folder.
  const leftOut = site.exclude.flatMap((pattern) => {
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
      readOnly: [{ from: path, to: site.root }],
      capabilities: ['DAC_READ_SEARCH'],
      workingFolder: site.root,
    },
    limits: { captureBytes: MAXIMUM_BYTES },
    // Files vanish while it looks.
    acceptExitCodes: [0, 1],
    operation,
  });
  return stdout.split('\0').filter(Boolean).sort();
}
