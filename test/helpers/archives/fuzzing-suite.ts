import { itAsRoot } from '../as-root';
import { Fuzzer } from './fuzzing';

/** So many archives of real programs, changed at random from this seed. Of those accepted and those refused there is something to be seen. */
export function testChangedArchives(runs: number, seed: number): void {
  itAsRoot(
    `${runs} archives changed at random are refused, or are on the disk what was judged (KEDGE_SEED=${seed})`,
    async () => {
      const fuzzer = await Fuzzer.start();
      try {
        const { accepted, refused } = await fuzzer.run(seed, runs);
        expect(accepted).toBeGreaterThan(runs / 20);
        expect(refused).toBeGreaterThan(runs / 20);
      } finally {
        await fuzzer.stop();
      }
    },
  );
}
