import { differences, get } from '../../scripts/lab/fingerprint';
import { STEPS } from '../../src/contract/steps';
import { describeAsRoot } from '../helpers/as-root';
import { CLOSED, DONE, type DrivenTask, FINISHING } from '../helpers/driven-tasks';
import { SEED_OF_TODAY } from '../helpers/part-of-today';
import { PlacedSite } from '../helpers/placed-site';
import { until } from '../helpers/until';

/*
 * A site on one machine, its database on another: each of them goes away before each step of each task, before each undo and before each
 * step behind the commit, and comes back within the limit. The step is told as one that waits for it, or needs nothing of it.
 */

jest.setTimeout(1_200_000);

/** A lost machine is noticed after so long, ms. */
const RHYTHM = { heartbeatMs: 300, silenceMs: 1500 };
const WAITS = new Set(['HostUnreachable', 'DatabaseUnreachable']);
/** PHP waits for its database, also some time after that is back, and the probe does not wait for PHP. */
const PROBE_WAITS = new Set([...WAITS, 'ProbeFailed']);

describeAsRoot(`KEDGE_SEED=${SEED_OF_TODAY}: machines that go away and come back (needs root)`, () => {
  const site = PlacedSite.of({ web: 'web1', database: 'db1' }, { rhythm: RHYTHM });

  /** Calls something while a machine is away, and again when it is back; says how it went meanwhile. */
  const without = async (name: string, what: string, call: () => Promise<unknown>): Promise<string> => {
    const waits = what === 'probeSite' ? PROBE_WAITS : WAITS;
    const outcomeOf = (): Promise<string> =>
      call().then(
        () => 'done',
        (error: Error & { code?: string }) => error.code ?? `${error.name}: ${error.message}`,
      );
    await site.placed.machine(name).unplug();
    const outcome = await outcomeOf().finally(() => site.placed.machine(name).plug());
    if (outcome === 'done') return `${what}: done`;
    if (!waits.has(outcome)) throw new Error(`${what} without ${name}: ${outcome}`);
    await until(
      `${what} is done once ${name} is back`,
      async () => {
        const again = await outcomeOf();
        if (again !== 'done' && !(what === 'probeSite' && waits.has(again)))
          throw new Error(`${what} with ${name} back: ${again}`);
        return again === 'done';
      },
      300_000,
    );
    return `${what}: waited`;
  };
  const stepsWithout = async (name: string, given: DrivenTask, last: string | null): Promise<string[]> => {
    const told: string[] = [];
    for (const step of site.tasks.planOf(given)) {
      told.push(await without(name, step, () => site.tasks.call(given, step)));
      if (step === last) break;
    }
    return told;
  };

  test.each(['web1', 'db1'])('%s, in a backup of a quiet site', async (name) => {
    const [before, nothing] = [await site.look(), await site.left()];
    const given = site.tasks.begin('backup', { quiesce: true });
    const told = await stepsWithout(name, given, null);
    expect(told).toContain(name === 'web1' ? 'syncRemote: waited' : 'dumpDatabase: waited');
    for (const undo of ['liftFence', 'leaveMaintenance']) await without(name, undo, () => site.tasks.call(given, undo));
    for (const finish of ['discardSpool', 'runLastHook'])
      await without(name, finish, () => site.tasks.call(given, finish));
    await site.tasks.close(given, DONE);
    expect(differences(before, await site.look())).toEqual([]);
    expect(await site.left()).toEqual(nothing);
  });

  test.each(['web1', 'db1'])('%s, in a restore', async (name) => {
    const backup = await site.tasks.backUp();
    const before = await site.look();
    const given = site.tasks.begin('restore', { backup });
    const told = await stepsWithout(name, given, null);
    expect(told).toContain(name === 'web1' ? 'deploy: waited' : 'importDatabase: waited');
    for (const finish of FINISHING) await without(name, finish, () => site.tasks.call(given, finish));
    await site.tasks.close(given, DONE);
    expect(differences(before, await site.look())).toEqual([]);
    expect((await get(site.ring.lab.nginx.port, site.ring.site.uri, '/')).status).toBe(200);
    expect((await site.left())['staging']).toEqual([]);
  });

  test.each(['web1', 'db1'])('%s, in the undo of a restore that has switched', async (name) => {
    const backup = await site.tasks.backUp();
    const [before, nothing] = [await site.look(), await site.left()];
    const given = site.tasks.begin('restore', { backup });
    await site.tasks.take(given, 'switchSite');
    const undos = new Set([...site.tasks.planOf(given)].reverse().flatMap((step) => STEPS[step].undoneBy ?? []));
    for (const undo of undos) await without(name, undo, () => site.tasks.call(given, undo));
    await site.tasks.close(given, CLOSED);
    expect(differences(before, await site.look())).toEqual([]);
    expect(await site.left()).toEqual(nothing);
  });
});
