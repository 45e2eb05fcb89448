import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../operation';
import { filesOn } from './disk';

/** Programs that unpack archives, by the command that unpacks $1 into the folder it is started in. */
const PROGRAMS: Readonly<Record<string, { readonly needs: string; readonly command: string }>> = {
  'GNU tar': {
    needs: '/bin/tar',
    command: 'tar --extract --file "$1" --numeric-owner --same-permissions --same-owner',
  },
  bsdtar: { needs: '/usr/bin/bsdtar', command: 'bsdtar -x -f "$1" -p --same-owner --numeric-owner' },
  busybox: { needs: '/bin/busybox', command: 'busybox tar -x -p -f "$1"' },
  Python: {
    needs: '/usr/bin/python3',
    command: `/usr/bin/python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(".", numeric_owner=True)' "$1"`,
  },
  'npm’s tar': {
    needs: process.execPath,
    command: `'${process.execPath}' -e 'require("/modules/tar").x({ file: process.argv[1], sync: true, preserveOwner: true, processUmask: 0 })' "$1"`,
  },
};

export function isInstalled(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Those that this machine has. */
export const REAL_PROGRAMS = Object.keys(PROGRAMS).filter((name) => isInstalled(PROGRAMS[name]?.needs ?? ''));

const SCRIPT = `
umask 0
cd /lab
for archive in archives/*; do
  n=\${archive#archives/}
  mkdir -p out/$n/tree
  (cd out/$n/tree; set -- /lab/archives/$n; COMMAND) >/dev/null 2>&1 </dev/null
done
true`;

/**
 * What each of the programs unpacks from each of the archives: all that lies on the disk, as text. They run confined, with
 * what they need to give files away and to make programs setuid.
 */
export async function unpackedBy(archives: readonly Buffer[]): Promise<Record<string, string>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-programs-'));
  try {
    await mkdir(join(folder, 'archives'));
    for (const [at, bytes] of archives.entries()) await writeFile(join(folder, 'archives', String(at)), bytes);
    const answers: Record<string, string>[] = archives.map(() => ({}));
    for (const program of REAL_PROGRAMS) {
      await runConfined(folder, PROGRAMS[program]?.command ?? '');
      for (const [at, answer] of answers.entries())
        answer[program] = described(join(folder, 'out', String(at), 'tree'));
      remove(join(folder, 'out'));
    }
    return answers;
  } finally {
    remove(folder);
  }
}

async function runConfined(folder: string, command: string): Promise<void> {
  await createLocalHost({ name: 'master' }).run({
    argv: ['bash', '-c', SCRIPT.replace('COMMAND', () => command)],
    sandbox: {
      writable: [{ from: folder, to: '/lab' }],
      readOnly: [{ from: resolve(__dirname, '../../../node_modules'), to: '/modules' }],
      capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
    },
    operation: testOperation(),
  });
}

/** Without times, which a program that stopped half-way has not set yet, and without modes of folders, which no member may have named. */
function described(path: string): string {
  return [...filesOn(path)]
    .filter(([name]) => name !== '')
    .map(([name, { type, mode, uid, gid, sha256, target, links }]) =>
      [
        JSON.stringify(name),
        type,
        type === 'file' ? mode.toString(8) : '',
        uid,
        gid,
        links,
        sha256 ?? target ?? '',
      ].join(' '),
    )
    .sort()
    .join('\n');
}

/** Some make paths that are longer than Node can name. */
function remove(path: string): void {
  execFileSync('rm', ['-rf', path]);
}
