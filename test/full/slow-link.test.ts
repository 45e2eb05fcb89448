import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { differences, fingerprint } from '../../scripts/lab/fingerprint';
import { leftovers } from '../../scripts/lab/leftovers';
import { type PlacedLab, placeOnMachines } from '../../scripts/lab/placed-lab';
import type { RemoteHost } from '../../src/core/hosts/remote/remote-host';
import { ActivityLab } from '../helpers/activity-lab';
import { describeAsRoot } from '../helpers/as-root';
import { DrivenTasks } from '../helpers/driven-tasks';
import { testOperation } from '../helpers/operation';
import { type SlowLink, startSlowLink } from '../helpers/slow-link';
import { until } from '../helpers/until';

/* A site and its databases behind a link of 10 Mbit/s on which each byte takes 100 ms, which is cut now and then. */

jest.setTimeout(1_200_000);

const LINK = { bytesPerSecond: 1_250_000, latencyMs: 100 };

describeAsRoot('a machine behind a narrow, long link (needs root)', () => {
  let ring: ActivityLab;
  let tasks: DrivenTasks;
  let placed: PlacedLab;
  let link: SlowLink;
  let slow: RemoteHost;
  let root: string;

  beforeAll(async () => {
    ring = await ActivityLab.start({}, (real) => real, {
      lab: { withoutAdministration: true },
      place: async (lab) => {
        placed = await placeOnMachines(lab, { web: 'web1', database: 'web1' });
        const machine = placed.machine('web1');
        link = await startSlowLink(machine.address, LINK);
        slow = machine.host({ address: link.address });
        return new Map([['web1', slow]]);
      },
    });
    tasks = new DrivenTasks(ring);
    root = placed.there.sites[0]?.root ?? '';
  });
  afterAll(async () => {
    await ring?.stop();
    await slow?.close();
    await link?.close();
    await placed?.stop();
  });

  const look = () => fingerprint({ ...ring.site, root }, ring.lab.nginx.port, placed.there.mariadb);
  const left = () => leftovers(placed.there);
  /** Tries until it is not the link that was in the way. */
  const insisting = async (call: () => Promise<unknown>): Promise<void> => {
    for (;;) {
      const code = await call().then(
        () => null,
        (error: Error & { code?: string }) => error.code ?? error.message,
      );
      if (code === null) return;
      expect(['HostUnreachable', 'DatabaseUnreachable']).toContain(code);
    }
  };

  test('is saved from and brought back to, and next to nothing crosses twice', async () => {
    const [before, nothing] = [await look(), await left()];
    const began = link.carried();
    await tasks.backUp();
    const first = link.carried() - began;
    const backup = await tasks.backUp();
    const second = link.carried() - began - first;
    expect([first, second, second < first / 3]).toEqual([first, second, true]);
    rmSync(join(root, 'wp-content'), { recursive: true });
    const restore = tasks.begin('restore', { backup });
    await tasks.take(restore, null);
    await tasks.finish(restore);
    expect(differences(before, await look())).toEqual([]);
    expect((await left())['staging']).toEqual(nothing['staging']);
  });

  test('is cut in the middle of each transfer, which goes on with what has come', async () => {
    await ring.parts.mirrors.forget(ring.site.uri, testOperation());
    const whole = link.carried();
    const given = tasks.begin('backup');
    await tasks.takeUntil(given, 'syncRemote');
    const bringing = insisting(() => tasks.call(given, 'syncRemote'));
    await until('half of it has come', () => link.carried() - whole > 3_000_000, 120_000);
    link.cut();
    await bringing;
    const sent = link.carried() - whole;
    const plan = tasks.planOf(given);
    for (const step of plan.slice(plan.indexOf('syncRemote') + 1)) await insisting(() => tasks.call(given, step));
    await tasks.undo(given);
    expect(sent).toBeLessThan(1.3 * bytesOf(root));
  });
});

function bytesOf(folder: string): number {
  return Number(execFileSync('du', ['--summarize', '--bytes', folder], { encoding: 'utf8' }).split('\t')[0]);
}
