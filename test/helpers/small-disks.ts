import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { works } from '../core/hosts/machine';
import { type Lab, leftovers, shell, startLab } from './e2e';

export const canMount =
  process.getuid?.() === 0 && works('unshare', '--mount', 'mount', '-t', 'tmpfs', 'kedge-test', '/mnt');

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

/** A lab whose backups and spool are disks of their own. */
export async function startLabOnDisks(
  databaseOptions: readonly string[] = [],
): Promise<{ lab: Lab; backups: SmallDisk; spool: SmallDisk }> {
  const lab = await startLab({ sites: ['gazette.example'], databaseOptions });
  const spool = join(lab.folder, 'spool-disk');
  await appendFile(lab.configuration, `spool: ${spool}\n`);
  return { lab, backups: new SmallDisk(lab.backups), spool: new SmallDisk(spool) };
}

/** What a lab's site is, and what lies around it. */
export interface Surroundings {
  readonly site: Fingerprint;
  readonly left: Record<string, string[]>;
}

export async function surroundingsOf(lab: Lab): Promise<Surroundings> {
  const [site] = lab.sites;
  if (!site) throw new Error('the lab has no site');
  const spool = join(lab.folder, 'spool-disk');
  const temporary = readdirSync(join(lab.backups, site.uri)).filter((name) => name.startsWith('.'));
  return {
    site: await fingerprint(site, lab.nginx.port, lab.mariadb),
    left: { ...(await leftovers(lab)), spool: readdirSync(spool), temporary },
  };
}

/** The site answers and is as it was; nothing was left behind. */
export async function expectAsBefore(lab: Lab, before: Surroundings): Promise<void> {
  const after = await surroundingsOf(lab);
  expect(differences(before.site, after.site)).toEqual([]);
  expect((await get(lab.nginx.port, lab.sites[0]?.uri ?? '', '/')).status).toBe(200);
  expect(after.left).toEqual(before.left);
}

/** Something that happens right before the first call of a method, when preflight has long been content. */
export function justBefore(part: 'archives' | 'databaseServer', method: string, happen: () => void) {
  let happened = false;
  const wrap = <T extends object>(real: T): T =>
    new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (name === method && !happened) {
            happened = true;
            happen();
          }
          return Reflect.apply(value, target, args);
        };
      },
    });
  return (real: ActivityDependencies): ActivityDependencies => ({
    ...real,
    ...(part === 'archives' ? { archives: wrap(real.archives) } : {}),
    ...(part === 'databaseServer'
      ? { databaseServer: async (...asked) => wrap(await real.databaseServer(...asked)) }
      : {}),
  });
}
