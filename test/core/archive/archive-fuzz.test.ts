import { Fuzzer } from '../../helpers/archives/fuzzing';

jest.setTimeout(120_000);

const RUNS = 200;
// The same ones each time; `npm run test:full` draws its own.
const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);
const itAsRoot = process.getuid?.() === 0 ? it : it.skip;

itAsRoot(
  `archives changed at random are refused, or are on the disk what was judged (KEDGE_SEED=${SEED})`,
  async () => {
    const fuzzer = await Fuzzer.start();
    try {
      const { accepted, refused } = await fuzzer.run(SEED, RUNS);
      // Of both there is something to be seen.
      expect(accepted).toBeGreaterThan(RUNS / 20);
      expect(refused).toBeGreaterThan(RUNS / 20);
    } finally {
      await fuzzer.stop();
    }
  },
);
