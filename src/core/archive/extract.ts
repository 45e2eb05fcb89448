import { KedgeError } from '../../contract/errors';
import { openForWriting } from '../hosts/files';
import type { Host } from '../hosts/host';
import { diskFullOr } from '../hosts/disk-full';
import type { Operation } from '../operation';
import type { ExtractRequest } from './archive';
import { DUMP_MEMBER, EXTRACT_TRANSFORM, OWN_MEMBERS } from './layout';
import { reading } from './reading';

const UNCHANGED = { state: 'the site is unchanged' };

/** `Archives.extract`; its contract is there. */
export async function extract(
  master: Host,
  { path, judged, host, folders, dump }: ExtractRequest,
  operation: Operation,
): Promise<{ bytes: number }> {
  const { bytes, sha256 } = await reading(
    path,
    operation,
    (file, decompressor) =>
      host.run({
        argv: [
          'tar',
          ...['--extract', '--file=-', decompressing(decompressor)],
          ...['--directory=/unpack', '--numeric-owner', '--same-permissions', '--delay-directory-restore', '--acls'],
          ...(host.privileged ? ['--same-owner'] : ['--no-same-owner']),
          ...[
            '--anchored',
            '--no-wildcards',
            ...OWN_MEMBERS.map((member) => `--exclude=${member}`),
            `--transform=${EXTRACT_TRANSFORM}`,
          ],
        ],
        sandbox: {
          writable: folders.map(({ name, path: from }) => ({ from, to: `/unpack/${name}` })),
          capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
        },
        inputFile: file,
        operation,
      }),
    UNCHANGED,
  );
  if (sha256 !== judged.sha256)
    throw new KedgeError('ArchiveInvalid', `${path} changed while it was unpacked`, UNCHANGED);
  // Read from the same archive: counted once.
  await extractDump(master, path, dump, { ...operation, progress: () => undefined });
  return { bytes };
}

async function extractDump(
  master: Host,
  path: string,
  destination: string,
  operation: Operation,
): Promise<{ bytes: number }> {
  const file = await openForWriting(destination, master.name);
  try {
    await reading(
      path,
      operation,
      (archive, decompressor) =>
        master.run({
          argv: [
            'tar',
            ...['--extract', '--to-stdout', '--file=-', decompressing(decompressor)],
            ...['--no-wildcards', '--occurrence=1', DUMP_MEMBER],
          ],
          sandbox: {},
          inputFile: archive,
          outputFile: file,
          operation,
        }),
      UNCHANGED,
    );
    await file.sync();
    return { bytes: (await file.stat()).size };
  } catch (error) {
    throw diskFullOr(error, master.name);
  } finally {
    await file.close();
  }
}

/** tar runs the program by itself, with options of its own choice. */
function decompressing(decompressor: readonly string[]): string {
  return `--use-compress-program=${decompressor.filter((part) => part !== '-c').join(' ')}`;
}
