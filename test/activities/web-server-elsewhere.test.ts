import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { leftovers } from '../../scripts/lab/leftovers';
import { ActivityLab } from '../helpers/activity-lab';
import { describeAsRoot } from '../helpers/as-root';
import { DrivenTasks } from '../helpers/driven-tasks';
import { restoresElsewhere } from '../helpers/restores-elsewhere';
import { ON_THE_NETWORK, type PlacedLab, placeOnMachines } from '../../scripts/lab/placed-lab';

/*
 * A site whose web server is a machine of its own, reached by SSH, with the rules that `kedge servers prepare` writes: its files come by rsync
 * over that connection, its databases are the master's.
 */

jest.setTimeout(240_000);

describeAsRoot('the web server is a machine that is reached by SSH (needs root)', () => {
  let ring: ActivityLab;
  let tasks: DrivenTasks;
  let placed: PlacedLab;
  let root: string;

  beforeAll(async () => {
    ring = await ActivityLab.start({}, (real) => real, {
      lab: { databaseOptions: ON_THE_NETWORK },
      place: async (lab) => {
        placed = await placeOnMachines(lab, { web: 'web1', database: null });
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

  const look = (): Promise<Fingerprint> => fingerprint({ ...ring.site, root }, ring.lab.nginx.port, ring.lab.mariadb);
  const left = (): Promise<Record<string, string[]>> => leftovers(placed.there);

  test('a site is saved, broken and brought back', async () => {
    const before = await look();
    const nothing = await left();
    const backup = await tasks.backUp();
    expect(await left()).toEqual(nothing);

    rmSync(join(root, 'wp-content'), { recursive: true });
    writeFileSync(join(root, 'index.php'), '<?php echo "defaced";');
    const restore = tasks.begin('restore', { backup });
    await tasks.take(restore, null);
    await tasks.finish(restore);
    expect(differences(before, await look())).toEqual([]);
    // As the database server sees that machine, and where the import came from, which defines views.
    expect((await left())['accounts']?.filter((name) => !nothing['accounts']?.includes(name))).toEqual(
      expect.arrayContaining([expect.stringMatching(`@${placed.machine('web1').address.host}$`)]),
    );
  });

  restoresElsewhere(() => ({ ring, tasks, root, look, left }));

  test.each([
    ['fenceWrites', 200],
    // Its account is locked, on the master.
    ['switchSite', 500],
  ] as const)(
    'a site whose master is lost before %s is opened by its own machine, and the task then may only undo',
    async (next, status) => {
      const backup = await tasks.backUp();
      const before = await look();
      const given = tasks.begin('restore', { backup });
      await tasks.takeUntil(given, next);
      const { uri } = ring.site;
      const visit = async (): Promise<number> => (await get(ring.lab.nginx.port, uri, '/')).status;
      expect(await visit()).toBe(503);
      const flag = join(placed.there.nginx.address.flags, uri);
      const left = JSON.parse(readFileSync(flag, 'utf8')) as { leftMs: number };
      expect(left.leftMs).toBeGreaterThan(60_000);
      // As when its time had passed.
      writeFileSync(flag, JSON.stringify({ ...left, leftMs: 0 }));
      placed.endOverdue();
      expect(await visit()).toBe(status);
      await expect(tasks.call(given, next)).rejects.toMatchObject({ code: 'MaintenanceLimitReached' });
      await tasks.undo(given);
      expect(await visit()).toBe(200);
      expect(differences(before, await look())).toEqual([]);
    },
  );

  test('behind its switch a site stays shut until its master opens it', async () => {
    const backup = await tasks.backUp();
    const given = tasks.begin('restore', { backup });
    await tasks.take(given, 'switchSite');
    expect(readFileSync(join(placed.there.nginx.address.flags, ring.site.uri), 'utf8')).toBe('');
    placed.endOverdue();
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(503);
    await tasks.undo(given);
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
  });

  test('a page that a task left which was given up goes with the next one, which has all its time', async () => {
    const backup = await tasks.backUp();
    const before = await look();
    const flag = join(placed.there.nginx.address.flags, ring.site.uri);
    const leftMs = (): number => (JSON.parse(readFileSync(flag, 'utf8')) as { leftMs: number }).leftMs;
    const given = tasks.begin('restore', { backup });
    await tasks.take(given, 'enterMaintenance');
    // As when most of its time had passed.
    const limitMs = leftMs();
    writeFileSync(flag, readFileSync(flag, 'utf8').replace(/"leftMs":\d+/, '"leftMs":90000'));
    utimesSync(flag, new Date(), new Date(Date.now() - 60_000));
    await ring.parts.journals.close(given.task, {
      ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
    });
    const next = tasks.begin('restore', { backup });
    await tasks.take(next, 'enterMaintenance');
    expect(leftMs()).toBeGreaterThan(limitMs / 2);
    expect((await ring.parts.journals.get(next.task)).maintenance?.foundOn).toBe(false);
    for (const step of tasks.planOf(next).slice(tasks.planOf(next).indexOf('enterMaintenance') + 1))
      await tasks.call(next, step);
    await tasks.finish(next);
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
    expect(differences(before, await look())).toEqual([]);
  });

  test('a page that an administrator put up since stays, whatever a task left before', async () => {
    const flag = join(placed.there.nginx.address.flags, ring.site.uri);
    const given = tasks.begin('backup', { quiesce: true });
    await tasks.take(given, 'enterMaintenance');
    await ring.parts.journals.close(given.task, {
      ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
    });
    writeFileSync(flag, 'down for repairs');
    utimesSync(flag, new Date(), new Date(Date.now() + 60_000));
    await tasks.backUp({ quiesce: true });
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(503);
    expect(readFileSync(flag, 'utf8')).toBe('down for repairs');
    rmSync(flag);
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
  });

  test('no task shuts a site that nothing there would open again', async () => {
    const backup = await tasks.backUp();
    const looked = join(placed.there.nginx.address.flags, '.kedge.looked');
    const before = await look();
    utimesSync(looked, 1e9, 1e9);
    const given = tasks.begin('restore', { backup });
    await expect(tasks.call(given, 'preflight')).rejects.toMatchObject({ code: 'HostProgramUnfit', server: 'web1' });
    await tasks.undo(given);
    placed.endOverdue();
    expect(differences(before, await look())).toEqual([]);
  });
});
