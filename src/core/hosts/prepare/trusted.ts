import { ANY_EXIT_CODE, type AdminShell } from '../ssh/admin-shell';

/** Type and mode of something on the way, and who owns it. */
const MET = /^(\S)(.{9})\s+(\S+)\s/;

/**
 * Whether root may run what lies at a path of a server: it, and each folder and link on the way to it, belong to root, and nobody else may write
 * there but into sticky folders.
 */
export async function isTrustedAt(shell: AdminShell, path: string): Promise<boolean> {
  const { isThere, met } = await walk(shell, path);
  return isThere && met.every(isOfRootAlone);
}

/** As {@link isTrustedAt}, as far as the path is there: nobody but root can make what is missing. */
export async function isTrustedSoFar(shell: AdminShell, path: string): Promise<boolean> {
  const { met } = await walk(shell, path);
  return met.length > 0 && met.every(isOfRootAlone);
}

/** One path at a time: what others have named on one way could pass for a part of another. */
async function walk(shell: AdminShell, path: string): Promise<{ readonly isThere: boolean; readonly met: string[] }> {
  const { exitCode, stdout } = await shell.run({ argv: ['namei', '-l', '--', path] }, ANY_EXIT_CODE);
  const [, ...lines] = stdout.split('\n').filter((line) => line !== '');
  // What is missing is told by its name alone, below those of the others.
  return { isThere: exitCode === 0, met: exitCode === 0 ? lines : lines.slice(0, -1) };
}

function isOfRootAlone(line: string): boolean {
  const [, type, mode = '', owner] = MET.exec(line) ?? [];
  if (owner !== 'root') return false;
  // The mode of a link says nothing.
  if (type === 'l') return true;
  const isWritableByOthers = mode[4] === 'w' || mode[7] === 'w';
  // In a sticky folder nobody renames what is root's.
  return type === 'd' ? !isWritableByOthers || /t$/i.test(mode) : type === '-' && !isWritableByOthers;
}
