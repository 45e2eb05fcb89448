import { KedgeError } from '../../contract/errors';
import { tellsOfFullDisk } from '../complaints/file-errors';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import { LineReader } from '../lines';
import type { Operation } from '../operation';
import { AS_IT_IS, FAR, READS_FILES, WRITES_FILES } from './rsync-arguments';
import { runRsync } from './rsync-stream';

/** Where both ends see their folder. */
const FOLDER = '/folder';
/** Where the far end sees what is live there. */
const LIVE = '/live';
const LINES_KEPT = 5;

export interface PushRequest {
  /** The folder as it is to be, on the master. */
  readonly from: string;
  readonly host: Host;
  /** A folder of that host that nobody but the worker enters, made before. */
  readonly to: string;
  /** What visitors have of it now; null where nothing is there. What is the same does not cross. */
  readonly live: string | null;
}

/**
 * Makes a folder of a host what one of the master is: the same names, content, owners by number, modes, times, links, hard links, access
 * lists and extended attributes of users, and nothing else. Files that the live folder has, by their content, are copied there. Since its
 * owner may change them meanwhile, all that was copied is compared once more, where he does not reach it, and mended. Confined at both ends.
 * @throws KedgeError DiskFull, ProgramFailed, ProgramMissing, ProgramKilled
 */
export async function pushFolder(master: MasterHost, request: PushRequest, operation: Operation): Promise<void> {
  const { live } = request;
  await pass(master, request, live === null ? [] : [`--copy-dest=${LIVE}`], operation);
  await pass(master, request, ['--delete'], operation);
}

async function pass(
  master: MasterHost,
  { from, host, to, live }: PushRequest,
  more: readonly string[],
  operation: Operation,
): Promise<void> {
  const said: string[] = [];
  const hear = (): LineReader =>
    new LineReader('latin1', (line) => {
      if (line.trim() !== '' && said.length < LINES_KEPT) said.push(line.slice(0, 1000));
    });
  const [near, far] = [hear(), hear()];
  const { exitCode } = await runRsync(
    {
      master,
      host,
      args: [...AS_IT_IS, ...more, `${FOLDER}/`, `${FAR}:${FOLDER}/`],
      near: { readOnly: [{ from, to: FOLDER }], capabilities: READS_FILES },
      far: {
        ...(live === null ? {} : { readOnly: [{ from: live, to: LIVE }] }),
        writable: [{ from: to, to: FOLDER }],
        capabilities: [...WRITES_FILES, ...READS_FILES],
      },
      onErrorOutput: { near: (chunk) => near.take(chunk), far: (chunk) => far.take(chunk) },
    },
    operation,
  );
  for (const end of [near, far]) end.end();
  if (exitCode !== 0) throw failure(host, to, said.join('; ') || `it ended with ${exitCode}`);
}

function failure({ name: server }: Host, to: string, said: string): KedgeError {
  const context = { server, state: 'the site is unchanged' };
  if (tellsOfFullDisk(said))
    return new KedgeError('DiskFull', `no space left on ${server} for the files of ${to}`, context);
  return new KedgeError('ProgramFailed', `rsync could not bring files to ${to} on ${server}: ${said}`, context);
}
