import { testChangedArchives } from '../../helpers/archives/fuzzing-suite';

jest.setTimeout(120_000);

// The same ones each time; `npm run test:full` draws its own.
testChangedArchives(200, Number(process.env['KEDGE_SEED'] ?? 20_261_126));
