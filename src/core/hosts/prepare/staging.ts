import { dirname, join } from 'node:path/posix';
import type { AdminShell } from '../ssh/admin-shell';

/** For each folder what stands above it, up to the root; first the account that Kedge logs in with. */
const WALK = [
  'id -u -- "$1"; shift',
  'for path; do echo',
  'stat -c "%d %u %a %n" -- "$path" 2>/dev/null || echo "- - - $path"',
  'while [ "$path" != / ]; do path=$(dirname -- "$path"); stat -c "%d %u %a %n" -- "$path" 2>/dev/null; done',
  'done',
].join('; ');
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

interface Above {
  readonly device: string;
  readonly uid: string;
  readonly mode: number;
  readonly path: string;
}

/**
 * Where what is restored into folders of a server waits, as a restore looks for it: `.kedge` in the nearest folder above on the same file system
 * that nobody but root and the account may change. Of a folder that has none, `.kedge` beside it, where a restore will be refused.
 */
export async function stagingFoldersOf(
  shell: AdminShell,
  user: string,
  folders: readonly string[],
): Promise<(folder: string) => string> {
  const found = new Map<string, string>();
  if (folders.length > 0) {
    const { stdout } = await shell.run({ argv: ['sh', '-c', WALK, 'walk', user, ...folders] });
    const [account = '', ...blocks] = stdout.split('\n\n');
    for (const [at, block] of blocks.entries()) {
      const [own, ...above] = block.split('\n').filter(Boolean).map(read);
      const parent = nearestTrusted(own?.device ?? '-', above, account.trim());
      const folder = folders[at];
      if (parent !== null && folder !== undefined) found.set(folder, join(parent, '.kedge'));
    }
  }
  return (folder) => found.get(folder) ?? join(dirname(folder), '.kedge');
}

/** `above`: nearest first. A folder that is not there yet will be on the file system of the nearest one that is. */
function nearestTrusted(device: string, above: readonly Above[], account: string): string | null {
  const wanted = device === '-' ? above[0]?.device : device;
  let nearest: string | null = null;
  for (const { device: of, uid, mode, path } of above.toReversed()) {
    const isTrusted = (uid === '0' || uid === account) && ((mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0);
    if (!isTrusted) break;
    if (of === wanted) nearest = path;
  }
  return nearest;
}

function read(line: string): Above {
  const [device = '', uid = '', mode = '', ...path] = line.split(' ');
  return { device, uid, mode: Number.parseInt(mode, 8), path: path.join(' ') };
}
