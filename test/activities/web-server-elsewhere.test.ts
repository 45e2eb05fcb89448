import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, get } from '../../scripts/lab/fingerprint';
import { describeAsRoot } from '../helpers/as-root';
import { PlacedSite } from '../helpers/placed-site';
import { restoresElsewhere } from '../helpers/restores-elsewhere';
import { ON_THE_NETWORK } from '../../scripts/lab/placed-lab';

/*
 * A site whose web server is a machine of its own, reached by SSH, with the rules that `kedge servers prepare` writes: its files come by rsync
 * over that connection, its databases are the master's.
 */

jest.setTimeout(240_000);

describeAsRoot('the web server is a machine that is reached by SSH (needs root)', () => {
  const site = PlacedSite.of({ web: 'web1', database: null }, { lab: { databaseOptions: ON_THE_NETWORK } });

  test('a site is saved, broken and brought back', async () => {
    const before = await site.look();
    const nothing = await site.left();
    const backup = await site.tasks.backUp();
    expect(await site.left()).toEqual(nothing);

    rmSync(join(site.root, 'wp-content'), { recursive: true });
    writeFileSync(join(site.root, 'index.php'), '<?php echo "defaced";');
    const restore = site.tasks.begin('restore', { backup });
    await site.tasks.take(restore, null);
    await site.tasks.finish(restore);
    expect(differences(before, await site.look())).toEqual([]);
    // As the database server sees that machine, and where the import came from, which defines views.
    expect((await site.left())['accounts']?.filter((name) => !nothing['accounts']?.includes(name))).toEqual(
      expect.arrayContaining([expect.stringMatching(`@${site.placed.machine('web1').address.host}$`)]),
    );
  });

  restoresElsewhere(() => site);

  test.each([
    ['fenceWrites', 200],
    // Its account is locked, on the master.
    ['switchSite', 500],
  ] as const)(
    'a site whose master is lost before %s is opened by its own machine, and the task then may only undo',
    async (next, status) => {
      const backup = await site.tasks.backUp();
      const before = await site.look();
      const given = site.tasks.begin('restore', { backup });
      await site.tasks.takeUntil(given, next);
      const { uri } = site.ring.site;
      const visit = async (): Promise<number> => (await get(site.ring.lab.nginx.port, uri, '/')).status;
      expect(await visit()).toBe(503);
      const flag = join(site.placed.there.nginx.address.flags, uri);
      const left = JSON.parse(readFileSync(flag, 'utf8')) as { leftMs: number };
      expect(left.leftMs).toBeGreaterThan(60_000);
      // As when its time had passed.
      writeFileSync(flag, JSON.stringify({ ...left, leftMs: 0 }));
      site.placed.endOverdue();
      expect(await visit()).toBe(status);
      await expect(site.tasks.call(given, next)).rejects.toMatchObject({ code: 'MaintenanceLimitReached' });
      await site.tasks.undo(given);
      expect(await visit()).toBe(200);
      expect(differences(before, await site.look())).toEqual([]);
    },
  );

  test('behind its switch a site stays shut until its master opens it', async () => {
    const backup = await site.tasks.backUp();
    const given = site.tasks.begin('restore', { backup });
    await site.tasks.take(given, 'switchSite');
    expect(readFileSync(join(site.placed.there.nginx.address.flags, site.ring.site.uri), 'utf8')).toBe('');
    site.placed.endOverdue();
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(503);
    await site.tasks.undo(given);
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(200);
  });

  test('a page that a task left which was given up goes with the next one, which has all its time', async () => {
    const backup = await site.tasks.backUp();
    const before = await site.look();
    const flag = join(site.placed.there.nginx.address.flags, site.ring.site.uri);
    const leftMs = (): number => (JSON.parse(readFileSync(flag, 'utf8')) as { leftMs: number }).leftMs;
    const given = site.tasks.begin('restore', { backup });
    await site.tasks.take(given, 'enterMaintenance');
    // As when most of its time had passed.
    const limitMs = leftMs();
    writeFileSync(flag, readFileSync(flag, 'utf8').replace(/"leftMs":\d+/, '"leftMs":90000'));
    utimesSync(flag, new Date(), new Date(Date.now() - 60_000));
    await site.ring.parts.journals.close(given.task, {
      ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
    });
    const next = site.tasks.begin('restore', { backup });
    await site.tasks.take(next, 'enterMaintenance');
    expect(leftMs()).toBeGreaterThan(limitMs / 2);
    expect((await site.ring.parts.journals.get(next.task)).maintenance?.foundOn).toBe(false);
    for (const step of site.tasks.planOf(next).slice(site.tasks.planOf(next).indexOf('enterMaintenance') + 1))
      await site.tasks.call(next, step);
    await site.tasks.finish(next);
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(200);
    expect(differences(before, await site.look())).toEqual([]);
  });

  test('a page that an administrator put up since stays, whatever a task left before', async () => {
    const flag = join(site.placed.there.nginx.address.flags, site.ring.site.uri);
    const given = site.tasks.begin('backup', { quiesce: true });
    await site.tasks.take(given, 'enterMaintenance');
    await site.ring.parts.journals.close(given.task, {
      ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
    });
    writeFileSync(flag, 'down for repairs');
    utimesSync(flag, new Date(), new Date(Date.now() + 60_000));
    await site.tasks.backUp({ quiesce: true });
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(503);
    expect(readFileSync(flag, 'utf8')).toBe('down for repairs');
    rmSync(flag);
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(200);
  });

  test('no task shuts a site that nothing there would open again', async () => {
    const backup = await site.tasks.backUp();
    const looked = join(site.placed.there.nginx.address.flags, '.kedge.looked');
    const before = await site.look();
    utimesSync(looked, 1e9, 1e9);
    const given = site.tasks.begin('restore', { backup });
    await expect(site.tasks.call(given, 'preflight')).rejects.toMatchObject({
      code: 'HostProgramUnfit',
      server: 'web1',
    });
    await site.tasks.undo(given);
    site.placed.endOverdue();
    expect(differences(before, await site.look())).toEqual([]);
  });
});
