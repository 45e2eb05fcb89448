import { testChangedArchives } from '../helpers/archives/fuzzing-suite';

jest.setTimeout(4 * 3600_000);

testChangedArchives(
  // Some fifteen to a second. Before a release, ten times as many.
  Number(process.env['KEDGE_FUZZ_RUNS'] ?? 2000),
  Number(process.env['KEDGE_SEED'] ?? Date.now() % 1_000_000),
);
