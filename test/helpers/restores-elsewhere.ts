import { rmSync } from 'node:fs';
import { type Fingerprint, differences, get } from '../../scripts/lab/fingerprint';
import type { ActivityLab } from './activity-lab';
import type { DrivenTasks } from './driven-tasks';

/** A site whose web server is not the master, and what is to be seen of it. */
export interface SiteElsewhere {
  readonly ring: ActivityLab;
  readonly tasks: DrivenTasks;
  /** Where the folder of the site lies, seen from this machine. */
  readonly root: string;
  readonly look: () => Promise<Fingerprint>;
  /** What tasks have left, anywhere. */
  readonly left: () => Promise<Record<string, string[]>>;
}

/** Restores of such a site, whatever kind of machine it lies on. `at` is asked once it is there. */
export function restoresElsewhere(at: () => SiteElsewhere): void {
  test('a site that is gone is brought back, and its folder is made where it belongs', async () => {
    const { tasks, root, look } = at();
    const before = await look();
    const backup = await tasks.backUp({ quiesce: true });
    rmSync(root, { recursive: true });
    const restore = tasks.begin('restore', { backup });
    await tasks.take(restore, null);
    await tasks.finish(restore);
    expect(differences(before, await look())).toEqual([]);
  });

  test.each(['syncRemote', 'switchSite'] as const)('a restore is taken back behind %s', async (step) => {
    const { ring, tasks, look, left } = at();
    const backup = await tasks.backUp();
    const [before, nothing] = [await look(), await left()];
    const given = tasks.begin('restore', { backup });
    await tasks.take(given, step);
    await tasks.undo(given);
    expect(differences(before, await look())).toEqual([]);
    expect(await left()).toEqual(nothing);
    expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
  });
}
