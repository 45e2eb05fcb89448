import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, filesOf } from '../../scripts/lab/fingerprint';
import { breakWordPress } from '../../scripts/lab/wordpress';
import { describeAsRoot } from '../helpers/as-root';
import { PlacedSite } from '../helpers/placed-site';
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
  const site = PlacedSite.of(placement);

  test('a site is saved, broken and brought back', async () => {
    const before = await site.look();
    const nothing = await site.left();
    const backup = await site.tasks.backUp();
    expect(await site.left()).toEqual(nothing);
    expect(unpacked(backup)).toEqual(filesOf(site.root));

    await breakWordPress({ ...site.ring.site, root: site.root }, site.placed.there.mariadb);
    rmSync(join(site.root, 'wp-content'), { recursive: true });
    writeFileSync(join(site.root, 'index.php'), '<?php echo "defaced";');
    const restore = site.tasks.begin('restore', { backup });
    await site.tasks.take(restore, null);
    await site.tasks.finish(restore);
    expect(differences(before, await site.look())).toEqual([]);
  });

  /** Files of the site in its archive, as another tar unpacks them. */
  const unpacked = (id: string): Record<string, string> => {
    const folder = mkdtempSync('/var/tmp/kedge-unpacked-');
    try {
      const archive = join(site.ring.lab.backups, site.ring.site.uri, `${id}.tar.zst`);
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

  // Where both are others, nothing is the master's: what holds there does so for fewer.
  if (placement.web !== 'web1' || placement.database !== 'db1') return;

  restoresElsewhere(() => site);

  test('a server that ends in the middle of an import is told as that, and the import begins again', async () => {
    const backup = await site.tasks.backUp();
    const before = await site.look();
    const given = site.tasks.begin('restore', { backup });
    await site.tasks.takeUntil(given, 'importDatabase');
    const importing = site.tasks.call(given, 'importDatabase').then(
      () => null,
      (error: Error & { code?: string }) => error.code ?? error.message,
    );
    const { mariadb } = site.placed.there;
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
    const plan = site.tasks.planOf(given);
    for (const step of plan.slice(plan.indexOf('importDatabase'))) await site.tasks.call(given, step);
    await site.tasks.finish(given);
    expect(differences(before, await site.look())).toEqual([]);
  });
});
