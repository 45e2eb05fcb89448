import { execFileSync } from 'node:child_process';

/** True where this process may mount a disk of its own. */
export const canMount = process.getuid?.() === 0 && mounts();

function mounts(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'kedge-test', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function shell(...argv: [string, ...string[]]): string {
  return execFileSync(argv[0], argv.slice(1)).toString();
}

/** A folder of a lab that is a disk of its own, small enough to be filled. */
export class SmallDisk {
  constructor(readonly folder: string) {
    shell('mkdir', '-p', '-m', '700', folder);
    shell('mount', '-t', 'tmpfs', '-o', 'size=700m,mode=0700', 'kedge-test', folder);
  }

  /** Moves what lies in a folder of a lab to a disk mounted in its place. */
  static inPlaceOf(folder: string): SmallDisk {
    shell('mv', folder, `${folder}.moved`);
    const disk = new SmallDisk(folder);
    shell('cp', '-a', `${folder}.moved/.`, folder);
    shell('rm', '-rf', `${folder}.moved`);
    return disk;
  }

  /** Leaves about so many bytes. */
  leaveBytes(bytes: number): void {
    const kib = (column: string): number => Number(shell('df', '-k', `--output=${column}`, this.folder).split('\n')[1]);
    this.remount(`size=${kib('used') + Math.ceil(bytes / 1024)}k`);
  }

  leaveInodes(count: number): void {
    const used = Number(shell('df', '--output=iused', this.folder).split('\n')[1]);
    this.remount(`nr_inodes=${used + count}`);
  }

  makeReadOnly(): void {
    this.remount('ro');
  }

  mend(): void {
    this.remount('rw,size=700m,nr_inodes=100000');
  }

  unmount(): void {
    // A server that was stopped a moment ago may be in there still.
    execFileSync('umount', ['--lazy', this.folder]);
  }

  private remount(options: string): void {
    shell('mount', '-o', `remount,${options}`, this.folder);
  }
}
