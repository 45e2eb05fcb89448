import type { Owner } from '../../../contract/target';
import type { Operation } from '../../operation';
import { linesInto } from '../../lines';
import type { GuardedMachine } from '../local-host';
import type { RunGuard } from '../run';
import { refused } from './refusal';

const SPECIAL_BITS = 0o6000;
/** As find's `%y` has them: files, folders, links, sockets and pipes. No devices. */
const TYPES = 'fdlsp';
const FORMAT = '%y %m %U %G %D:%i %n\\n';

/**
 * Looks through what a task has staged, before it comes to where others are: files belong to owners of the site or to root, run with the rights
 * of an owner at most, and have no second name that would stay behind, by which they could be changed afterwards.
 * @throws KedgeError HostRefused
 */
export async function assertHarmless(
  machine: GuardedMachine,
  path: string,
  owners: readonly Owner[],
  guard: RunGuard,
  operation: Operation,
): Promise<void> {
  const uids = new Set(owners.map(({ uid }) => uid));
  const gids = new Set(owners.map(({ gid }) => gid));
  const names = new Map<string, { here: number; all: number }>();
  const refuse = (why: string): Error => refused(machine.name, `putting ${path} in the place of a site`, why);
  await machine.runGuarded(
    {
      argv: ['find', '/folder', '-printf', FORMAT],
      sandbox: { readOnly: [{ from: path, to: '/folder' }], capabilities: ['DAC_READ_SEARCH'] },
      // No name is in it.
      output: linesInto('latin1', (line) => {
        const [type = '', mode = '', uid = '', gid = '', inode = '', links = ''] = line.split(' ');
        if (!TYPES.includes(type) || type.length !== 1) throw refuse('it holds a device');
        const [owner, group, bits] = [Number(uid), Number(gid), Number.parseInt(mode, 8)];
        if (owner !== 0 && !uids.has(owner)) throw refuse(`it holds files of account ${owner}`);
        // Of a folder the setgid bit says whose group new files get.
        if (type === 'f' && (bits & SPECIAL_BITS) !== 0 && (!uids.has(owner) || !gids.has(group)))
          throw refuse(`it holds a file that runs with the rights of account ${owner} and group ${group}`);
        if (type === 'd' || Number(links) === 1) return;
        const known = names.get(inode) ?? { here: 0, all: Number(links) };
        names.set(inode, { ...known, here: known.here + 1 });
      }),
      operation,
    },
    guard,
  );
  for (const { here, all } of names.values()) if (here !== all) throw refuse('a file in it has another name elsewhere');
}
