import { join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { followPosition } from '../hosts/file-position';
import { openForWriting } from '../hosts/files';
import type { Host } from '../hosts/host';
import { diskFullOr } from '../hosts/disk-full';
import type { Operation } from '../operation';
import type { PackRequest, PackResult } from './archive';
import { COMPRESSORS } from './compression';
import { PACK_TRANSFORM } from './layout';

/** tar's words for files that moved under its hands: the backup is whole but for them. */
const PASSING =
  /: (?:file changed as we read it|File removed before we read it|File shrank by \d+ bytes; padding with zeros|socket ignored)$/;

/** `Archives.pack`; its contract is there. */
export async function pack(master: Host, request: PackRequest, operation: Operation): Promise<PackResult> {
  await master.makeFolder(request.scratch, { mode: 0o700 });
  const record = join(request.scratch, 'backup.json');
  await master.writeFile(record, `${JSON.stringify(request.record, null, 2)}\n`, { mode: 0o600 });
  const file = await openForWriting(request.destination, master.name);
  const unfollow = followPosition(file, operation);
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
        ...['--sort=name', '--one-file-system', `--use-compress-program=${COMPRESSORS[request.compression]}`],
        ...[
          '--anchored',
          '--wildcards',
          '--no-wildcards-match-slash',
          ...request.exclude.map((pattern) => `--exclude=./${pattern}`),
        ],
        `--transform=${PACK_TRANSFORM}`,
        ...['--directory=/pack', 'database.sql', '.kedge/backup.json', '--directory=/site', '.'],
      ],
      sandbox: {
        readOnly: [
          { from: request.siteFolder, to: '/site' },
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
      throw packingFailure(request, stderr, grave, master.name);
    await file.sync();
    return {
      bytes: (await file.stat()).size,
      warnings: complaints.filter((line) => PASSING.test(line)).map((line) => line.slice('tar: '.length)),
    };
  } catch (error) {
    throw diskFullOr(error, master.name);
  } finally {
    unfollow();
    await file.close();
  }
}

function packingFailure(request: PackRequest, stderr: string, grave: readonly string[], master: string): KedgeError {
  const unreadable = grave.filter((line) => /Cannot (open|stat|read|readlink|savedir)/.test(line));
  const context = { server: request.host.name, state: 'the site is unchanged' };
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    return new KedgeError('DiskFull', `no space left on device for ${request.destination}`, { server: master });
  }
  if (unreadable.length > 0) {
    return new KedgeError(
      'FileRefused',
      `files of ${request.siteFolder} cannot be read: ${unreadable.slice(0, 5).join('; ')}`,
      context,
    );
  }
  return new KedgeError('ProgramFailed', `tar could not pack ${request.siteFolder}: ${stderr.trim()}`, context);
}
