import { join } from 'node:path';
import { SmallDisk } from '../../scripts/lab/small-disk';
import type { Breakage, BrokenSite, Ground, LabDisks } from './broken-sites';
import { type Lab, shell } from './e2e';

const MIB = 1024 * 1024;

/** Moves what a lab has on disk to disks of their own. */
export async function toDisksOfTheirOwn(lab: Lab): Promise<Ground> {
  const inLab = (name: string): string => join(lab.folder, name);
  await lab.mariadb.stop();
  const database = SmallDisk.inPlaceOf(inLab('mariadb-data'));
  await lab.mariadb.start();
  shell('mkdir', '-p', join(lab.state, 'spool'));
  const disks = {
    database,
    site: SmallDisk.inPlaceOf(inLab('srv')),
    backups: new SmallDisk(lab.backups),
    spool: SmallDisk.inPlaceOf(join(lab.state, 'spool')),
  };
  return {
    disks,
    close: async () => {
      await lab.mariadb.stop();
      for (const disk of Object.values(disks)) disk.unmount();
    },
  };
}

/** Moves the sites of a lab to a file system whose disk can be made to fail: an image, cut short at the end. */
export function toFailingDisk(lab: Lab): Promise<Ground> {
  const folder = join(lab.folder, 'srv');
  const image = imageOf(lab);
  shell('truncate', '--size', IMAGE_BYTES, image);
  shell('mkfs.ext4', '-q', '-F', '-b', '4096', image);
  shell('mv', folder, `${folder}.moved`);
  shell('mkdir', folder);
  shell('mount', '-o', 'loop', image, folder);
  shell('rmdir', join(folder, 'lost+found'));
  shell('cp', '-a', `${folder}.moved/.`, folder);
  shell('rm', '-rf', `${folder}.moved`);
  return Promise.resolve({
    close: () => {
      shell('umount', '--lazy', folder);
      shell('rm', image);
      return Promise.resolve();
    },
  });
}

/** Beside the lab: the passwords of its sites, which are in there, may not be in what is its own. */
const imageOf = (lab: Lab): string => `${lab.folder}-srv.img`;
const IMAGE_BYTES = String(700 * MIB);
/** From here on nothing of the image can be read; no file lies there yet. */
const CUT_BYTES = String(600 * MIB);

/** Where the content of a file or folder can be said to lie: a block of 4 KiB behind the cut, or one behind the end of the file system. */
const BEHIND_THE_CUT = 170_000;
const BEHIND_THE_END = 0xffffff;

interface Misplaced {
  readonly device: string;
  readonly inode: string;
  readonly block: string;
}

/**
 * Has the file system look elsewhere for the content of what lies at a path, once it has forgotten what it knows. Word 5 of the block
 * map is where the first extent lies (ext4, `struct ext4_extent`).
 */
function misplace(path: string, block: number): Misplaced {
  // What is to be written yet stays in memory.
  shell('sync', '--file-system', path);
  const device = shell('findmnt', '--noheadings', '--output=SOURCE', '--target', join(path, '..')).trim();
  const inode = shell('stat', '-c', '%i', path).trim();
  const before = shell('debugfs', '-R', `bmap <${inode}> 0`, device).trim();
  place({ device, inode, block: String(block) });
  shell('sh', '-c', '[ -d "$1" ] || dd "if=$1" of=/dev/null iflag=nocache count=0 status=none', 'sh', path);
  return { device, inode, block: before };
}

function place({ device, inode, block }: Misplaced): void {
  shell('debugfs', '-w', '-R', `set_inode_field <${inode}> block[5] ${block}`, device);
}

/** Inodes and names that nobody uses; content stays. */
function forgetInodes(): void {
  shell('sh', '-c', 'echo 2 > /proc/sys/vm/drop_caches');
}

const misplaced: Misplaced[] = [];

/** Files and folders that their disk cannot read. Once it can again, what was kept is whole. */
export const FAILING_DISK: Breakage = {
  name: 'files and a folder that the disk cannot read',
  break({ lab, site, run }) {
    run(
      'mkdir -p wp-content/uploads/lost; for f in torn senseless lost/one; do head -c 300000 /dev/urandom > wp-content/uploads/$f; done',
    );
    const uploads = join(site.root, 'wp-content/uploads');
    misplaced.push(
      misplace(join(uploads, 'torn'), BEHIND_THE_CUT),
      misplace(join(uploads, 'senseless'), BEHIND_THE_END),
      misplace(join(uploads, 'lost'), BEHIND_THE_CUT),
    );
    shell('truncate', '--size', CUT_BYTES, imageOf(lab));
    forgetInodes();
    for (const name of ['torn', 'senseless', 'lost'])
      expect(() =>
        shell('sh', '-c', 'if [ -d "$1" ]; then ls "$1"; else cat "$1"; fi > /dev/null', 'sh', join(uploads, name)),
      ).toThrow(/Command failed/);
  },
  said: /folders in .* that cannot be looked through/,
  keeps: 'folder',
  incomplete: /that the disk cannot read, .*: .*wp-content\/uploads\/torn/,
  after({ lab }) {
    shell('truncate', '--size', IMAGE_BYTES, imageOf(lab));
    // An inode that is to be written yet, for the time of its last reading, would be written over what is mended.
    shell('sync', '--file-system', join(lab.folder, 'srv'));
    for (const one of misplaced.splice(0)) place(one);
    forgetInodes();
  },
};

function disksOf({ disks }: BrokenSite): LabDisks {
  if (!disks) throw new Error('the lab has no disks of its own');
  return disks;
}

const mended = (at: BrokenSite): void => {
  const { site, backups, spool, database } = disksOf(at);
  for (const disk of [site, backups, spool, database]) disk.mend();
};

/** Files that no compression makes smaller. */
const grow = ({ run }: BrokenSite, mib: number): string =>
  run(`head -c ${mib * MIB} /dev/urandom > wp-content/uploads/grown`);

/** Rows of a table, in MiB. */
const growDatabase = ({ sql, database }: BrokenSite, mib: number): Promise<string> =>
  sql(`USE \`${database}\`; CREATE TABLE wp_grown (id INT PRIMARY KEY, text LONGTEXT);
    INSERT INTO wp_grown SELECT seq, REPEAT(MD5(seq), 32768) FROM seq_1_to_${mib}; ANALYZE TABLE wp_grown`);

/** Ways in which the disks under a site break it, or stand in the way of its restore. */
export const DISK_BREAKAGES: readonly Breakage[] = [
  {
    name: 'the disk of its files full',
    break: (at) => disksOf(at).site.leaveBytes(0),
    refused: /web staging on \S+ need \d+ bytes, the file system of \S+ has \d+$/,
    after: mended,
  },
  {
    name: 'no inodes left on the disk of its files',
    break: (at) => disksOf(at).site.leaveInodes(0),
    refused: /web staging on \S+ need \d+ inodes, the file system of \S+ has 0$/,
    after: mended,
  },
  {
    name: 'a disk of its files that is read-only',
    break: (at) => disksOf(at).site.makeReadOnly(),
    refused: /web staging on \S+: the file system of \S+ is read-only$/,
    after: mended,
  },
  {
    name: 'the disk of its database full',
    break: (at) => disksOf(at).database.leaveBytes(0),
    refused: /database server on \S+ need \d+ bytes, the file system of \S+ has \d+$/,
    hangs: true,
    after: mended,
  },
  {
    name: 'no room for any backup',
    break: (at) => disksOf(at).backups.leaveBytes(0),
    refused: /backups on \S+ need \d+ bytes, the file system of \S+ has \d+$/,
    after: mended,
  },
  {
    name: 'no inodes left for any backup',
    break: (at) => disksOf(at).backups.leaveInodes(0),
    refused: /backups on \S+ need \d+ inodes, the file system of \S+ has 0$/,
    after: mended,
  },
  {
    name: 'more files than there is room for in the backups',
    break(at) {
      grow(at, 60);
      disksOf(at).backups.leaveBytes(60 * MIB);
    },
    said: /backups on \S+ need \d+ bytes, .*: the safety backup does without the files of /,
    keeps: 'folder',
    incomplete: /backups on \S+ need \d+ bytes, .*: the safety backup does without the files of /,
    after: mended,
  },
  {
    name: 'a database that does not fit into the spool',
    async break(at) {
      await growDatabase(at, 40);
      disksOf(at).spool.leaveBytes(40 * MIB);
    },
    said: /spool on \S+ need \d+ bytes, .*: the safety backup does without the database of /,
    keeps: 'database',
    incomplete: /spool on \S+ need \d+ bytes, .*: the safety backup does without the database of /,
    after: mended,
  },
  {
    name: 'files and a database that fit nowhere',
    async break(at) {
      grow(at, 60);
      await growDatabase(at, 40);
      disksOf(at).backups.leaveBytes(20 * MIB);
      disksOf(at).spool.leaveBytes(40 * MIB);
    },
    said: /does without the files of [^]*does without the database of /,
    keeps: 'both',
    incomplete: /does without the database of [^]*does without the files of /,
    after: mended,
  },
];
