import { join, relative } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SiteRoot } from '../../contract/target';
import { tellsOfFailingDisk, tellsOfFullDisk } from '../complaints/file-errors';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import { patternsAbout } from '../sites/exclusion';
import { AS_IT_IS, FAR, READS_FILES, WRITES_FILES } from './rsync-arguments';
import { rsyncComplaints } from './rsync-complaints';
import { rsyncExclusions } from './rsync-patterns';
import { runRsync } from './rsync-stream';

/** Where the far end sees its folder. */
const FOLDER = '/folder';
/** Where the near end sees what it brings into, and what it has of before: links go no further than one mount. */
const MIRRORS = '/mirrors';
/** Exit codes of rsync that tell of single files. */
const OF_FILES = [0, 23, 24];

export interface BringRequest {
  /** URI of the site, for sentences. */
  readonly site: string;
  readonly host: Host;
  /** The folder as it lies on the host. */
  readonly folder: SiteRoot;
  /** Patterns left out, as a backup leaves them out. */
  readonly exclude: readonly string[];
  /** An empty folder on the master, made before, below `within`. */
  readonly to: string;
  /** A folder of the master's that nobody else can enter; all that is brought of the site is below it. */
  readonly within: string;
  /** What was brought of the same folder before, the best first, below `within`: files that are the same become links to theirs. */
  readonly bases: readonly string[];
  /** Go on behind errors of the disk too: what cannot be read is told, and kept elsewhere. */
  readonly saveWhatCanBe: boolean;
}

export interface Brought {
  /** A sentence for each kind of what did not come as it is there. */
  readonly warnings: readonly string[];
  /** Those of them about content that is there and did not come. */
  readonly notSaved: readonly string[];
}

/**
 * Brings a folder of a site from its host to the master: content, owners by number, modes, times, links, hard links within the folder,
 * access lists, the extended attributes that an owner may set. Pipes, sockets and devices stay where they are, as does what lies on
 * another file system. Files are the same by their content, whatever their sizes and times say. Confined at both ends: neither writes
 * anything but the folder brought into.
 * @throws KedgeError FileRefused for files that cannot be read at all, DiskFull, ProgramFailed, ProgramMissing, ProgramKilled
 */
export async function bringFolder(
  master: MasterHost,
  { site, host, folder, exclude, to, within, bases, saveWhatCanBe }: BringRequest,
  operation: Operation,
): Promise<Brought> {
  const inside = (path: string): string => join(MIRRORS, relative(within, path));
  for (const basis of bases) await separateLinks(master, basis, operation);
  const complaints = rsyncComplaints(operation.log, site, { root: folder.name, path: FOLDER }, saveWhatCanBe);
  // What each end finds it says by itself.
  const [near, far] = [complaints.hear(), complaints.hear()];
  const { exitCode, stderr } = await runRsync(
    {
      master,
      host,
      args: [
        ...[...AS_IT_IS, '--info=nonreg0'],
        // What is cut off stays, as a basis for what comes after.
        ...['--partial', ...bases.map((basis) => `--link-dest=${inside(basis)}`)],
        ...rsyncExclusions(patternsAbout(folder, exclude)),
        ...[`${FAR}:${FOLDER}/`, `${inside(to)}/`],
      ],
      near: {
        writable: [{ from: within, to: MIRRORS }],
        capabilities: WRITES_FILES,
      },
      far: { readOnly: [{ from: folder.path, to: FOLDER }], capabilities: READS_FILES },
      onErrorOutput: { near: (chunk) => near.take(chunk), far: (chunk) => far.take(chunk) },
    },
    operation,
  );
  for (const end of [near, far]) end.end();
  const { grave, any } = complaints;
  if (!OF_FILES.includes(exitCode) || grave.length > 0 || (exitCode !== 0 && !any))
    throw failure(master, host, folder, grave[0] ?? stderr);
  return { warnings: complaints.conclude(), notSaved: complaints.notSaved().get(folder.name) ?? [] };
}

/**
 * Files of a basis that are one there and may be two by now: both would become links to the same. Such are rare, and brought again.
 */
const SEPARATE = `
find "$1" -xdev -type f -links +1 -printf '%i\\n' | sort -n | uniq -d | sed 's/^/-o -inum /' |
  xargs -r -n 1500 sh -c 'find "$0" -xdev -type f "(" -false "$@" ")" -delete' "$1"
`;

async function separateLinks(master: MasterHost, basis: string, operation: Operation): Promise<void> {
  await master.run({
    argv: ['sh', '-ec', SEPARATE, 'separate-links', FOLDER],
    sandbox: { writable: [{ from: basis, to: FOLDER }], capabilities: ['DAC_OVERRIDE', 'DAC_READ_SEARCH'] },
    operation,
  });
}

function failure(master: MasterHost, host: Host, { path }: SiteRoot, said: string): KedgeError {
  const context = { server: host.name, state: 'the site is unchanged' };
  if (tellsOfFullDisk(said))
    return new KedgeError('DiskFull', `no space left on ${master.name} for the files of ${path} on ${host.name}`, {
      ...context,
      server: master.name,
    });
  const why = said.trim().split('\n').slice(0, 5).join('; ');
  if (tellsOfFailingDisk(said))
    return new KedgeError('FileRefused', `files of ${path} on ${host.name} cannot be read: ${why}`, context);
  return new KedgeError('ProgramFailed', `rsync could not bring ${path} from ${host.name}: ${why}`, context);
}
