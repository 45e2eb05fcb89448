import { createWriteStream } from 'node:fs';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { decompressorOf } from './compression';
import { hashedFile } from './inspect';
import { DUMP_MEMBER, EXTRACT_TRANSFORM, OWN_MEMBERS } from './layout';

/** `Archives.extract`; its contract is there. */
export async function extract(
  path: string,
  expectedSha256: string,
  host: Host,
  folder: string,
  operation: Operation,
): Promise<{ bytes: number }> {
  const decompressor = await decompressorOf(path);
  const { stream, digest } = await hashedFile(path, operation);
  await unpacking(path, operation, () =>
    host.run({
      argv: [
        'tar',
        ...[
          '--extract',
          '--file=-',
          `--use-compress-program=${decompressor.filter((part) => part !== '-c').join(' ')}`,
        ],
        ...['--directory=/site', '--numeric-owner', '--same-permissions', '--delay-directory-restore', '--acls'],
        ...(host.privileged ? ['--same-owner'] : ['--no-same-owner']),
        ...[
          '--anchored',
          '--no-wildcards',
          ...OWN_MEMBERS.map((member) => `--exclude=${member}`),
          `--transform=${EXTRACT_TRANSFORM}`,
        ],
      ],
      sandbox: {
        writable: [{ from: folder, to: '/site' }],
        capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
      },
      input: stream,
      operation,
    }),
  );
  const { bytes, sha256 } = digest();
  if (sha256 !== expectedSha256)
    throw new KedgeError('ArchiveInvalid', `${path} changed while it was unpacked`, { state: 'the site is unchanged' });
  return { bytes };
}

/** `Archives.extractDump`; its contract is there. */
export async function extractDump(
  master: Host,
  path: string,
  destination: string,
  operation: Operation,
): Promise<{ bytes: number }> {
  const decompressor = await decompressorOf(path);
  const { stream } = await hashedFile(path, operation);
  const file = createWriteStream(destination, { mode: 0o600, flush: true });
  await unpacking(path, operation, () =>
    master.run({
      argv: [
        'tar',
        ...[
          '--extract',
          '--to-stdout',
          '--file=-',
          `--use-compress-program=${decompressor.filter((part) => part !== '-c').join(' ')}`,
        ],
        ...['--no-wildcards', '--occurrence=1', DUMP_MEMBER],
      ],
      sandbox: {},
      input: stream,
      output: file,
      operation,
    }),
  );
  return { bytes: file.bytesWritten };
}

async function unpacking(path: string, operation: Operation, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    operation.signal.throwIfAborted();
    if (isKedgeError(error) && error.code === 'ProgramFailed') {
      throw new KedgeError('ArchiveInvalid', `${path} cannot be unpacked: ${error.message}`, {
        cause: error,
        state: 'the site is unchanged',
      });
    }
    throw error;
  }
}
