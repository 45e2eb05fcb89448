import { join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SiteRoot } from '../../contract/target';
import { followPosition } from '../hosts/file-position';
import { openForWriting } from '../hosts/files';
import { writeBehind } from '../hosts/write-behind';
import type { Host } from '../hosts/host';
import { diskFullOr } from '../hosts/disk-full';
import type { Operation } from '../operation';
import type { PackRequest, PackResult } from './archive';
import { COMPRESSORS } from './compression';
import { PACK_TRANSFORM, ROOTS } from './layout';

/** tar's words for files that moved under its hands: the backup is whole but for them. */
const PASSING =
  /: (?:file changed as we read it|File removed before we read it|File shrank by \d+ bytes; padding with zeros|socket ignored)$/;

/** `Archives.pack`; its contract is there. */
export async function pack(master: Host, request: PackRequest, operation: Operation): Promise<PackResult> {
  await master.makeFolder(request.scratch, { mode: 0o700 });
  const record = join(request.scratch, 'backup.json');
  await master.writeFile(record, `${JSON.stringify(request.record, null, 2)}\n`, { mode: 0o600 });
  const [site, ...declared] = request.roots;
  const siteFolder = site?.path ?? '';
  const file = await openForWriting(request.destination, master.name);
  const unfollow = followPosition(file, operation);
  const onDisk = writeBehind(file);
  try {
    const { exitCode, stderr } = await request.host.run({
      argv: [
        'tar',
        ...[
          '--create',
          '--file=-',
          '--format=posix',
          '--pax-option=delete=atime,delete=ctime',
          '--numeric-owner',
          '--acls',
        ],
        // What fits into a pipe: tar's own ten kilobytes at a time cost an eighth of the time.
        '--blocking-factor=128',
        ...['--sort=name', '--one-file-system', `--use-compress-program=${COMPRESSORS[request.compression]}`],
        ...[
          '--anchored',
          '--wildcards',
          '--no-wildcards-match-slash',
          ...request.exclude.map((pattern) => `--exclude=${memberPattern(pattern, declared)}`),
        ],
        `--transform=${PACK_TRANSFORM}`,
        ...['--directory=/pack', 'database.sql', '.kedge/backup.json'],
        ...[...declared.map(({ name }) => `${ROOTS}/${name}`), '--directory=/site', '.'],
      ],
      sandbox: {
        readOnly: [
          { from: siteFolder, to: '/site' },
          ...declared.map(({ name, path: from }) => ({ from, to: `/pack/${ROOTS}/${name}` })),
          { from: request.dump, to: '/pack/database.sql' },
          { from: record, to: '/pack/.kedge/backup.json' },
        ],
        capabilities: ['DAC_READ_SEARCH'],
      },
      outputFile: file,
      acceptExitCodes: [0, 1, 2],
      operation,
    });
    const complaints = stderr.split('\n').filter((line) => line.startsWith('tar: '));
    const grave = complaints.filter((line) => !PASSING.test(line) && !line.includes('Exiting with failure status'));
    if (exitCode === 2 || (exitCode !== 0 && grave.length > 0))
      throw packingFailure(request, siteFolder, stderr, grave, master.name);
    await onDisk();
    return {
      bytes: (await file.stat()).size,
      warnings: complaints.filter((line) => PASSING.test(line)).map((line) => line.slice('tar: '.length)),
    };
  } catch (error) {
    throw diskFullOr(error, master.name);
  } finally {
    unfollow();
    await onDisk().catch(() => undefined);
    await file.close();
  }
}

/** A pattern of the configuration, for names as tar has them before they are changed. */
function memberPattern(pattern: string, declared: readonly SiteRoot[]): string {
  const root = declared.find(({ path }) => pattern.startsWith(`${path}/`));
  return root === undefined ? `./${pattern}` : `${ROOTS}/${root.name}${pattern.slice(root.path.length)}`;
}

function packingFailure(
  request: PackRequest,
  siteFolder: string,
  stderr: string,
  grave: readonly string[],
  master: string,
): KedgeError {
  const unreadable = grave.filter((line) => /Cannot (open|stat|read|readlink|savedir)/.test(line));
  const context = { server: request.host.name, state: 'the site is unchanged' };
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
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
