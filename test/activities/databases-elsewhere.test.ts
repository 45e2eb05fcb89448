import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, filesOf, fingerprint } from '../../scripts/lab/fingerprint';
import { leftovers } from '../../scripts/lab/leftovers';
import { type PlacedLab, placeOnMachines } from '../../scripts/lab/placed-lab';
import { breakWordPress } from '../../scripts/lab/wordpress';
import { ActivityLab } from '../helpers/activity-lab';
import { describeAsRoot } from '../helpers/as-root';
import { DrivenTasks } from '../helpers/driven-tasks';
import { restoresElsewhere } from '../helpers/restores-elsewhere';
import { until } from '../helpers/until';

/*
 * A site whose database server is a machine that is reached by SSH, with the rules that `kedge servers prepare` writes: its dumps and its
 * imports go through that connection.
 */

jest.setTimeout(240_000);

describeAsRoot.each([
  ['the database server, with the site', { web: 'web1', database: 'web1' }],
  ['the database server, and the web server another one', { web: 'web1', database: 'db1' }],
  ['the database server alone', { web: null, database: 'db1' }],
])('a machine is %s (needs root)', (_what, placement) => {
  let ring: ActivityLab;
  let tasks: DrivenTasks;
  let placed: PlacedLab;
  let root: string;

  beforeAll(async () => {
    ring = await ActivityLab.start({}, (real) => real, {
      place: async (lab) => {
        placed = await placeOnMachines(lab, placement);
        return placed.hosts;
      },
    });
    tasks = new DrivenTasks(ring);
    root = placed.there.sites[0]?.root ?? '';
  });
  afterEach(() => {
    expect(placed.misplaced()).toEqual([]);
  });
  afterAll(async () => {
    await ring?.stop();
    await placed?.stop();
  });

  const look = () => fingerprint({ ...ring.site, root }, ring.lab.nginx.port, placed.there.mariadb);
  const left = () => leftovers(placed.there);

  test('a site is saved, broken and brought back', async () => {
    const before = await look();
    const nothing = await left();
    const backup = await tasks.backUp();
    expect(await left()).toEqual(nothing);
    expect(unpacked(backup)).toEqual(filesOf(root));

    await breakWordPress({ ...ring.site, root }, placed.there.mariadb);
    rmSync(join(root, 'wp-content'), { recursive: true });
    writeFileSync(join(root, 'index.php'), '<?php echo "defaced";');
    const restore = tasks.begin('restore', { backup });
    await tasks.take(restore, null);
    await tasks.finish(restore);
    expect(differences(before, await look())).toEqual([]);
  });

  /** Files of the site in its archive, as another tar unpacks them. */
  const unpacked = (id: string): Record<string, string> => {
    const folder = mkdtempSync('/var/tmp/kedge-unpacked-');
    try {
      const archive = join(ring.lab.backups, ring.site.uri, `${id}.tar.zst`);
      const options = ['--numeric-owner', '--same-owner', '--same-permissions', '--xattrs', '--acls'];
      execFileSync('tar', ['--extract', '--zstd', `--file=${archive}`, `--directory=${folder}`, ...options]);
      // The site's own, beside what Kedge adds.
      const own = join(folder, '.kedge/site/database.sql');
      rmSync(join(folder, 'database.sql'));
      execFileSync('cp', ['--archive', own, join(folder, 'database.sql')]);
      rmSync(join(folder, '.kedge'), { recursive: true });
      return filesOf(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  // Where both are others, nothing is the master's.
  if (placement.web === 'web1' && placement.database === 'db1')
    restoresElsewhere(() => ({ ring, tasks, root, look, left }));

  test('a server that ends in the middle of an import is told as that, and the import begins again', async () => {
    const backup = await tasks.backUp();
    const before = await look();
    const given = tasks.begin('restore', { backup });
    await tasks.takeUntil(given, 'importDatabase');
    const importing = tasks.call(given, 'importDatabase').then(
      () => null,
      (error: Error & { code?: string }) => error.code ?? error.message,
    );
    const { mariadb } = placed.there;
    await until('it imports', async () =>
      /[1-9]/.test(
        await mariadb
          .query(`SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'gazette%'`)
          .catch(() => '0'),
      ),
    );
    mariadb.kill();
    // It may have been done by then.
    expect([null, 'DatabaseUnreachable']).toContain(await importing);
    await mariadb.start();
    const plan = tasks.planOf(given);
    for (const step of plan.slice(plan.indexOf('importDatabase'))) await tasks.call(given, step);
    await tasks.finish(given);
    expect(differences(before, await look())).toEqual([]);
  });
});
