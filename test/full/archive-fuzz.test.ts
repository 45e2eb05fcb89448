import { testChangedArchives } from '../helpers/archives/fuzzing-suite';

jest.setTimeout(4 * 3600_000);

testChangedArchives(
  Number(process.env['KEDGE_FUZZ_RUNS'] ?? 20_000),
  Number(process.env['KEDGE_SEED'] ?? Date.now() % 1_000_000),
);
