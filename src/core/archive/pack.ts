import { join } from 'node:path';
import { recordText } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { SITE_FOLDER, type SiteRoot } from '../../contract/target';
import { tellsOfFullDisk } from '../complaints/file-errors';
import { followPosition } from '../hosts/file-position';
import { writeBehind } from '../hosts/write-behind';
import type { MasterHost, OpenFile } from '../hosts/master-host';
import { diskFullOr } from '../hosts/disk-full';
import type { Operation } from '../operation';
import type { PackRequest, PackResult, PackedFolder } from './archive';
import { COMPRESSORS } from './compression';
import { PACK_TRANSFORM, ROOTS, tooLongPattern } from './layout';
import { lookForLeftOut } from './left-out';
import { type Place, tarComplaints } from './tar-complaints';

/** `Archives.pack`; its contract is there. */
export async function pack(master: MasterHost, request: PackRequest, operation: Operation): Promise<PackResult> {
  const record = join(request.scratch, 'backup.json');
  await master.writeFile(record, recordText(request.record), { mode: 0o600 });
  const file = await master.openForWriting(request.destination);
  const unfollow = followPosition(file, operation);
  const onDisk = writeBehind(file);
  const complaints = tarComplaints(operation.log, request.record.site, placeOf, request.saveWhatCanBe);
  try {
    const leftOut = await lookForLeftOut(master, request, operation);
    const archive = { request, record, leftOut: leftOut.list, file, complaints };
    // In one run tar would pack a file of two folders once, and each folder is restored by itself.
    const runs = leftOut.joined ? request.roots.slice(1).map((root) => [root]) : [request.roots.slice(1)];
    if (leftOut.joined) runs.push([]);
    for (const [at, declared] of runs.entries())
      await runTar(master, archive, { declared, first: at === 0, last: at === runs.length - 1 }, operation);
    const warnings = [...leftOut.warnings, ...complaints.conclude()];
    const lost = complaints.notSaved();
    const notSaved = Object.fromEntries(
      request.roots
        .map(({ name }) => [name, [...(leftOut.notSaved.get(name) ?? []), ...(lost.get(name) ?? [])]] as const)
        .filter(([, sentences]) => sentences.length > 0),
    );
    await onDisk();
    return { bytes: (await file.stat()).size, warnings, notSaved };
  } catch (error) {
    throw diskFullOr(error, master.name);
  } finally {
    unfollow();
    await onDisk().catch(() => undefined);
    await file.close();
  }
}

interface OpenArchive {
  readonly request: PackRequest;
  readonly record: string;
  readonly leftOut: string;
  readonly file: OpenFile;
  readonly complaints: ReturnType<typeof tarComplaints>;
}

/** What one run of tar adds: the first what is ours, the last the site folder, which stands behind all others. */
interface Part {
  readonly declared: readonly PackedFolder[];
  readonly first: boolean;
  readonly last: boolean;
}

/** Packs a part of an archive into the open file. @throws KedgeError */
async function runTar(
  master: MasterHost,
  { request, record, leftOut, file, complaints }: OpenArchive,
  { declared, first, last }: Part,
  operation: Operation,
): Promise<void> {
  const [siteFolder] = request.roots;
  const compressor = COMPRESSORS[request.compression];
  const said = complaints.hear();
  const { exitCode, stderr } = await master.run({
    argv: [
      'tar',
      ...['--create', '--file=-', '--format=posix', '--pax-option=delete=atime,delete=ctime'],
      // What an owner may set, and no more: capabilities and what the kernel trusts are no part of a site.
      ...['--numeric-owner', '--acls', '--xattrs', '--xattrs-include=user.*'],
      ...['--sort=name', '--one-file-system', '--quoting-style=escape'],
      ...(last
        ? // What fits into a pipe: tar's own ten kilobytes at a time cost an eighth of the time.
          ['--blocking-factor=128', `--use-compress-program=${compressor}`]
        : // The end of an archive is two blocks then, and is no end here: frames one behind the other are one stream.
          ['--blocking-factor=1', `--use-compress-program=sh -c 'head -c -1024 | ${compressor}'`]),
      ...['--anchored', '--no-wildcards', '--exclude-from=/pack/left-out', '--wildcards', '--wildcards-match-slash'],
      ...request.roots.map(({ name }) => `--exclude=${prefixOf(name)}${tooLongPattern(name)}`),
      '--no-wildcards-match-slash',
      ...request.exclude.map((pattern) => `--exclude=${memberPattern(pattern, request.roots.slice(1))}`),
      `--transform=${PACK_TRANSFORM}`,
      ...(first ? ['--directory=/pack', 'database.sql', '.kedge/backup.json'] : []),
      ...(declared.length > 0 ? ['--directory=/pack', ...declared.map(({ name }) => `${ROOTS}/${name}`)] : []),
      ...(last ? ['--directory=/site', '.'] : []),
    ],
    sandbox: {
      readOnly: [
        { from: siteFolder?.from ?? siteFolder?.path ?? '', to: '/site' },
        ...declared.map(({ name, path, from = path }) => ({ from, to: `/pack/${ROOTS}/${name}` })),
        { from: request.dump, to: '/pack/database.sql' },
        { from: record, to: '/pack/.kedge/backup.json' },
        { from: leftOut, to: '/pack/left-out' },
      ],
      capabilities: ['DAC_READ_SEARCH'],
    },
    // Names are bytes: elsewhere a pattern matches characters, and not at all what is none.
    environment: { LC_ALL: 'C' },
    outputFile: file,
    onErrorOutput: (chunk) => said.take(chunk),
    acceptExitCodes: [0, 1, 2],
    operation,
  });
  said.end();
  if (complaints.grave.length > 0 || (exitCode === 2 && !complaints.any))
    throw packingFailure(request, siteFolder?.path ?? '', stderr, complaints.grave, master.name);
}

/** What stands before the names of a folder's files, as tar has them. */
function prefixOf(root: string): string {
  return root === SITE_FOLDER ? './' : `${ROOTS}/${root}/`;
}

/** Where a name of a complaint belongs. */
function placeOf(name: string): Place {
  if (name === '.' || name === './') return { place: 'folder', root: SITE_FOLDER };
  if (name.startsWith('./')) return { place: 'inside', root: SITE_FOLDER };
  const [, root = '', path] = /^\.kedge\/roots\/([^/]+)\/?(.*)$/s.exec(name) ?? [];
  return { place: path === undefined ? 'ours' : path === '' ? 'folder' : 'inside', root };
}

/** A pattern of the configuration, for names as tar has them before they are changed. */
function memberPattern(pattern: string, declared: readonly SiteRoot[]): string {
  const root = declared.find(({ path }) => pattern.startsWith(`${path}/`));
  return root === undefined ? `./${pattern}` : `${prefixOf(root.name)}${pattern.slice(root.path.length + 1)}`;
}

function packingFailure(
  request: PackRequest,
  siteFolder: string,
  stderr: string,
  grave: readonly string[],
  master: string,
): KedgeError {
  const unreadable = grave.filter((line) => /Cannot (open|stat|read|readlink|savedir)/.test(line));
  const context = { server: master, state: 'the site is unchanged' };
  if (tellsOfFullDisk(stderr)) {
    return new KedgeError('DiskFull', `no space left on device for ${request.destination}`, { server: master });
  }
  if (unreadable.length > 0) {
    return new KedgeError(
      'FileRefused',
      `files of ${siteFolder} cannot be read: ${unreadable.slice(0, 5).join('; ')}`,
      context,
    );
  }
  return new KedgeError('ProgramFailed', `tar could not pack ${siteFolder}: ${stderr.trim()}`, context);
}
