import { readdirSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { changingDatabaseServers } from './changed-sites';
import { SmallDisk } from '../../scripts/lab/small-disk';
import { type Lab, leftovers, startLab } from './e2e';

export { SmallDisk, canMount } from '../../scripts/lab/small-disk';

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
  return (real: ActivityDependencies): ActivityDependencies =>
    part === 'archives' ? { ...real, archives: wrap(real.archives) } : changingDatabaseServers(real, wrap);
}
