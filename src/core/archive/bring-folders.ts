import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { KedgeError } from '../../contract/errors';
import { SITE_FOLDER, type SiteRoot } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import type { BringRequest, BroughtFolders } from './archive';
import { Complaints, type Place } from './complaints';
import { tooLongPattern } from './layout';
import { lookForLeftOut } from './left-out';

const FOLDER = '/folder';

/** `Archives.bring`; its contract is there. */
export async function bringFolders(
  master: MasterHost,
  request: BringRequest,
  operation: Operation,
): Promise<BroughtFolders> {
  const warnings: string[] = [];
  const notSaved: Record<string, readonly string[]> = {};
  const roots: SiteRoot[] = [];
  let bytes = 0;
  const count = (more: number): void => operation.progress({ bytes: (bytes += more) });
  for (const root of request.roots) {
    const leftOut = await lookForLeftOut(
      {
        host: request.host,
        roots: [root],
        exclude: request.exclude,
        list: join(request.folder, `${root.name}.left-out`),
      },
      master,
      operation,
    );
    const complaints = new Complaints(
      operation.log,
      request.site,
      (name) => placeIn(root.name, name),
      request.saveWhatCanBe,
    );
    const path = join(request.folder, root.name);
    // What an earlier attempt brought may be a part, or of another time.
    await master.removeTree(path, operation);
    await master.makeFolder(path, { mode: 0o700 });
    await bring(master, request, { root, leftOut: leftOut.list, path, complaints, count }, operation);
    roots.push({ name: root.name, path });
    warnings.push(...leftOut.warnings, ...complaints.conclude());
    const lost = [...(leftOut.notSaved.get(root.name) ?? []), ...(complaints.notSaved().get(root.name) ?? [])];
    if (lost.length > 0) notSaved[root.name] = lost;
  }
  return { bytes, roots, warnings, notSaved };
}

interface Bringing {
  readonly root: SiteRoot;
  /** File of the master with the names that are left out. */
  readonly leftOut: string;
  /** Where it goes on the master. */
  readonly path: string;
  readonly complaints: Complaints;
  readonly count: (bytes: number) => void;
}

/** One tar writes on the site's host what another unpacks on the master, each shown that one folder alone. */
async function bring(
  master: MasterHost,
  request: BringRequest,
  { root, leftOut, path, complaints, count }: Bringing,
  operation: Operation,
): Promise<void> {
  const { host } = request;
  const stream = new PassThrough().on('data', (chunk: Buffer) => count(chunk.length));
  const list = await master.openForReading(leftOut);
  const endWith = async <T>(program: Promise<T>): Promise<T> => {
    try {
      return await program;
    } catch (error) {
      stream.destroy(error as Error);
      throw error;
    }
  };
  const packing = endWith(
    host.run({
      argv: [
        'tar',
        ...['--create', '--file=-', '--blocking-factor=128', '--format=posix'],
        ...[
          '--pax-option=delete=atime,delete=ctime',
          '--numeric-owner',
          '--acls',
          '--xattrs',
          '--xattrs-include=user.*',
        ],
        ...['--sort=name', '--one-file-system', '--quoting-style=escape'],
        ...['--anchored', '--no-wildcards', '--exclude-from=/dev/stdin', '--wildcards', '--wildcards-match-slash'],
        `--exclude=./${tooLongPattern(root.name)}`,
        '--no-wildcards-match-slash',
        ...patternsIn(root, request).map((pattern) => `--exclude=./${pattern}`),
        `--directory=${FOLDER}`,
        '.',
      ],
      sandbox: { readOnly: [{ from: root.path, to: FOLDER }], capabilities: ['DAC_READ_SEARCH'] },
      // Names are bytes: elsewhere a pattern matches characters, and not at all what is none.
      environment: { LC_ALL: 'C' },
      input: list.createReadStream(),
      output: stream,
      onErrorOutput: (chunk) => complaints.take(chunk),
      acceptExitCodes: [0, 1, 2],
      operation,
    }),
  );
  const unpacking = endWith(
    master.run({
      argv: [
        'tar',
        ...['--extract', '--file=-', '--blocking-factor=128', `--directory=${FOLDER}`],
        ...['--numeric-owner', '--same-permissions', '--delay-directory-restore', '--acls'],
        ...['--xattrs', '--xattrs-include=user.*', '--absolute-names'],
        master.privileged ? '--same-owner' : '--no-same-owner',
      ],
      sandbox: {
        writable: [{ from: path, to: FOLDER }],
        capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
      },
      input: stream,
      operation,
    }),
  );
  const [packed, unpacked] = await Promise.allSettled([packing, unpacking]);
  operation.signal.throwIfAborted();
  if (packed.status === 'rejected' && !isPrematureClose(packed.reason)) throw packed.reason;
  if (unpacked.status === 'rejected') throw unpacked.reason;
  if (packed.status === 'rejected') throw packed.reason;
  complaints.end();
  const { exitCode, stderr } = packed.value;
  if (complaints.grave.length === 0 && (exitCode !== 2 || complaints.any)) return;
  throw failureOf(host, root, complaints.grave, stderr);
}

/** Patterns of the configuration for one folder, without what stands before its names. */
function patternsIn(root: SiteRoot, { roots, exclude }: BringRequest): string[] {
  const isDeclared = (pattern: string, path: string): boolean => pattern.startsWith(`${path}/`);
  if (root.name !== SITE_FOLDER)
    return exclude
      .filter((pattern) => isDeclared(pattern, root.path))
      .map((pattern) => pattern.slice(root.path.length + 1));
  const others = roots.filter(({ name }) => name !== SITE_FOLDER);
  return exclude.filter((pattern) => !others.some(({ path }) => isDeclared(pattern, path)));
}

function placeIn(root: string, name: string): Place {
  return name === '.' || name === './' ? { place: 'folder', root } : { place: 'inside', root };
}

function isPrematureClose(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function failureOf(host: Host, root: SiteRoot, grave: readonly string[], stderr: string): KedgeError {
  const context = { server: host.name, state: 'the site is unchanged' };
  const unreadable = grave.filter((line) => /Cannot (open|stat|read|readlink|savedir)/.test(line));
  if (unreadable.length > 0)
    return new KedgeError(
      'FileRefused',
      `files of ${root.path} cannot be read: ${unreadable.slice(0, 5).join('; ')}`,
      context,
    );
  return new KedgeError('ProgramFailed', `tar could not read ${root.path}: ${stderr.trim()}`, context);
}
