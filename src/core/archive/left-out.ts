import { join } from 'node:path';
import { SITE_FOLDER, type SiteRoot } from '../../contract/target';
import { Findings } from '../findings';
import type { MasterHost } from '../hosts/master-host';
import { nullRecords } from '../null-records';
import type { Log, Operation } from '../operation';
import { excludedTest } from '../sites/exclusion';
import type { PackRequest } from './archive';
import { ROOTS, longestPath, tooLongPattern } from './layout';

/** What is not packed of the folders of a site, as it was found just before packing. */
export interface LeftOut {
  /** A file on the master with the names of pipes, sockets and devices, as tar has them, one a line. */
  readonly list: string;
  /** A sentence for each kind that is left out. */
  readonly warnings: readonly string[];
  /** Those of them that tell of content, by the name of the folder. */
  readonly notSaved: ReadonlyMap<string, readonly string[]>;
  /** A hard link joins two of the folders. */
  readonly joined: boolean;
}

/** Pipes, sockets and devices of a folder: nobody reads them, and nobody but who made them can make them anew. */
export function specialFiles(log: Log, root: SiteRoot): Findings {
  return new Findings(log, `pipes, sockets and devices in ${root.path}, which are in no backup`);
}

/** Paths of a folder that tar could pack and not unpack. */
export function tooLongPaths(log: Log, root: SiteRoot): Findings {
  return new Findings(
    log,
    `paths in ${root.path} longer than ${longestPath(root.name)} bytes, which are in no backup, nor is what is below them`,
  );
}

/** Inodes with several names that are remembered; where there are more, the folders are taken to be joined. */
const MAXIMUM_INODES = 200_000;

/** tar reads its list by lines, and takes blanks at the end of one away: such names it cannot be told. A byte a character. */
export function untellable(name: string): boolean {
  return /[\t-\r ]$|\n/.test(name);
}

/**
 * Looks through the folders of a site for what is not packed. What their owner puts there after this look is packed, as is
 * what cannot be told to tar; whoever reads the archive leaves it out.
 */
export async function lookForLeftOut(master: MasterHost, request: PackRequest, operation: Operation): Promise<LeftOut> {
  const list = join(request.scratch, 'left-out');
  const file = await master.openForWriting(list);
  const inodes = new Map<string, SiteRoot>();
  const warnings: string[] = [];
  const notSaved = new Map<string, readonly string[]>();
  let joined = false;
  try {
    for (const root of request.roots) {
      const [special, tooLong] = [specialFiles(operation.log, root), tooLongPaths(operation.log, root)];
      const prefix = root.name === SITE_FOLDER ? './' : `${ROOTS}/${root.name}/`;
      let lines: Buffer[] = [];
      const see = ([kind, path = Buffer.alloc(0), inode]: readonly Buffer[]): void => {
        if (String(kind) === TOO_LONG) return tooLong.add(path.toString());
        if (String(kind) === LINKED) {
          const other = inodes.get(String(inode));
          joined ||= (other !== undefined && other !== root) || inodes.size > MAXIMUM_INODES;
          if (!joined) inodes.set(String(inode), root);
          return;
        }
        special.add(path.toString());
        if (!untellable(path.toString('latin1'))) lines.push(Buffer.from(prefix), path, NEWLINE);
      };
      const write = async (): Promise<void> => {
        if (lines.length > 0) await file.writeFile(Buffer.concat(lines));
        lines = [];
      };
      await master.run({
        argv: ['find', '.', ...search(root, request)],
        sandbox: {
          readOnly: [{ from: root.from ?? root.path, to: '/folder' }],
          capabilities: ['DAC_READ_SEARCH'],
          workingFolder: '/folder',
        },
        environment: { LC_ALL: 'C' },
        output: nullRecords(PRINTED, see, write),
        // Files vanish while it looks; of all else tar will complain.
        acceptExitCodes: [0, 1],
        operation,
      });
      const lost = tooLong.conclude();
      if (lost !== null) notSaved.set(root.name, [lost]);
      warnings.push(...[special.conclude(), lost].filter((sentence) => sentence !== null));
    }
  } finally {
    await file.close();
  }
  return { list, warnings, notSaved, joined };
}

const NEWLINE = Buffer.from('\n');
const PRINTED = 3;
const [TOO_LONG, LINKED, SPECIAL] = ['long', 'linked', 'special'];

/** Arguments for `find` that print what is looked for: the kind, the path, the inode. */
function search(root: SiteRoot, { roots, exclude }: PackRequest): string[] {
  const print = (kind: string): string[] => ['-printf', `${kind}\\0%P\\0%D:%i\\0`];
  return [
    '-xdev',
    ...[...excludedTest(root, exclude), '-prune'],
    ...['-o', '-path', `./${tooLongPattern(root.name)}`, '-prune', ...print(TOO_LONG)],
    ...['-o', '-type', 'd'],
    // Where there is one folder alone nothing can join it to another.
    ...['-o', '-type', 'f,l', '(', ...(roots.length === 1 ? ['-true'] : ['-links', '1', '-o', ...print(LINKED)]), ')'],
    ...['-o', ...print(SPECIAL)],
  ];
}
