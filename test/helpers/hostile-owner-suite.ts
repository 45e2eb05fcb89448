import { HostileOwner, type Layout, unprotected } from './hostile-owner';
import { describeAsRoot } from './as-root';

const SLOWEST_RUN_MS = 10_000;
/** The attack comes through within a few runs as a rule; that is a matter of chance. */
const PROOF_RUNS = 300;
const LAYOUTS: readonly (readonly [string, Layout])[] = [
  ['in his site folder', 'folder'],
  ['above his site folder, in a folder of his own', 'ancestor'],
];
/** What comes through now and then even so. Refusing everything would be safe too. */
const WORK = ['pack', 'raise maintenance file', 'make folder', 'remove made folder', 'unpack', 'switch', 'switch back'];

/** Races the owner of a site against everything Kedge does there, so many times in each layout, and until all of it came through. */
export function describeHostileOwner(runs: number): void {
  // To act as several accounts takes root.

  describeAsRoot.each(LAYOUTS)('an owner who swaps links %s', (_, layout) => {
    test(
      `reads, writes and deletes nothing of others in ${runs} runs`,
      async () => {
        const hostile = await HostileOwner.start(layout);
        try {
          const allCameThrough = (): boolean => WORK.every((what) => hostile.done.has(what));
          for (let run = 1; run <= runs || (run <= PROOF_RUNS && !allCameThrough()); run += 1)
            expect([run, await hostile.run()]).toEqual([run, []]);
          expect([...hostile.done.keys()]).toEqual(expect.arrayContaining(WORK));
        } finally {
          await hostile.stop();
        }
      },
      Math.max(runs, PROOF_RUNS) * SLOWEST_RUN_MS,
    );

    test(
      'reaches what is of others where programs are not confined, which proves the attack',
      async () => {
        const hostile = await HostileOwner.start(layout, unprotected);
        try {
          const harm: string[] = [];
          for (let run = 1; run <= PROOF_RUNS && harm.length === 0; run += 1) harm.push(...(await hostile.run()));
          expect(harm).not.toEqual([]);
        } finally {
          await hostile.stop();
        }
      },
      PROOF_RUNS * SLOWEST_RUN_MS,
    );
  });
}
