import { KedgeError } from '../../contract/errors';
import type { Bind, Host } from '../hosts/host';
import { linesInto } from '../lines';
import type { Operation } from '../operation';
import { sideBySide } from '../side-by-side';
import { type Attributes, SPECIAL_BITS, Tally } from './tally';

/** A folder of a site that an archive was unpacked into. */
export interface UnpackedFolder extends Bind {
  readonly name: string;
  readonly to: string;
}

const TYPES: Readonly<Record<string, Attributes['type']>> = { f: 'file', d: 'folder', l: 'symbolic link' };

/**
 * Looks through folders that were unpacked, confined to them: whether there lies what was judged, by type, owner, group
 * and setuid, setgid and sticky bits, as many of each, and no file with capabilities. Changes nothing.
 * @throws KedgeError ArchiveRefused
 */
export async function checkUnpacked(
  host: Host,
  folders: readonly UnpackedFolder[],
  judged: Tally,
  operation: Operation,
): Promise<void> {
  const [found] = await sideBySide([
    countFiles(host, folders, operation),
    refuseCapabilities(host, folders, operation),
  ]);
  // An ordinary user's files are all its own, whatever the archive says.
  const { privileged } = await host.account();
  const difference = (privileged ? judged : judged.withoutOwners()).differenceTo(found);
  if (difference === null) return;
  const { attributes, here, there } = difference;
  throw refusal(host, `${there} of what was to be ${here}: ${describe(attributes)}`);
}

async function countFiles(host: Host, folders: readonly UnpackedFolder[], operation: Operation): Promise<Tally> {
  const found = new Tally();
  const byPath = new Map(folders.map(({ name, to }) => [to, name]));
  const { privileged } = await host.account();
  await host.run({
    argv: ['find', ...folders.map(({ to }) => to), '-printf', '%y %m %U %G %H\n'],
    sandbox: { readOnly: folders, capabilities: ['DAC_READ_SEARCH'] },
    // No name, or an escaped one.
    output: linesInto('latin1', (line) => {
      const [kind = '', mode = '', uid, gid, path = ''] = line.split(' ');
      const type = TYPES[kind];
      if (type === undefined) throw refusal(host, `a file of a kind that no site backup holds (${kind})`);
      const special = type === 'symbolic link' ? 0 : Number.parseInt(mode, 8) & SPECIAL_BITS;
      const owner = privileged ? { uid: Number(uid), gid: Number(gid) } : { uid: 0, gid: 0 };
      found.add({ root: byPath.get(path) ?? '', type, ...owner, special });
    }),
    operation,
  });
  return found;
}

/** GNU tar, asked to pack to nowhere, reads no file and marks in its list those that have the attribute. */
async function refuseCapabilities(host: Host, folders: readonly UnpackedFolder[], operation: Operation): Promise<void> {
  await host.run({
    argv: [
      'tar',
      ...['--create', '--file=/dev/null', '--verbose', '--verbose', '--numeric-owner', '--quoting-style=escape'],
      ...['--xattrs', '--xattrs-include=security.capability', '--absolute-names'],
      ...folders.map(({ to }) => to),
    ],
    sandbox: { readOnly: folders, capabilities: ['DAC_READ_SEARCH'] },
    // No name, or an escaped one.
    output: linesInto('latin1', (line) => {
      if (line[MODE_CHARACTERS] === '*') throw refusal(host, 'a file with capabilities');
    }),
    operation,
  });
}
/** As in `-rwxr-xr-x`. */
const MODE_CHARACTERS = 10;

function describe({ root, type, uid, gid, special }: Attributes): string {
  return `${type}s in the folder ${root}, owner ${uid}, group ${gid}, special bits ${special.toString(8)}`;
}

function refusal(host: Host, found: string): KedgeError {
  return new KedgeError('ArchiveRefused', `what was unpacked on ${host.name} is not what was judged: ${found}`, {
    server: host.name,
    state: 'the site is unchanged',
  });
}
