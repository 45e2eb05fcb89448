import { CORPUS_BY_KIND, isRefused } from '../helpers/archives/corpus';
import { PLAIN } from '../helpers/archives/hostile-archive';
import { END } from '../helpers/archives/tar-blocks';
import { type ProvingGround, startProvingGround } from '../helpers/hostile-archives-suite';

jest.setTimeout(240_000);

const SEED = Number(process.env['KEDGE_SEED'] ?? Date.now() % 1_000_000);

/** Two of each kind, other ones each time. All of them go this way in the full tests. */
const DRAWN = Object.values(CORPUS_BY_KIND).flatMap((archives, kind) => {
  const refused = archives.filter((archive) => isRefused(archive, 'catalogue') && isRefused(archive, 'foreign'));
  return [0, 1].flatMap((nth) => refused[(SEED * (7 * kind + 31 * nth + 1) + nth) % refused.length] ?? []);
});

let ground: ProvingGround;
beforeAll(async () => {
  ground = await startProvingGround();
});
afterAll(() => ground?.stop());

it('without hostility the same archive is to be restored', async () => {
  const { exitCode, stdout } = await ground.planOf(Buffer.concat([ground.sound, PLAIN, END]));
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 0 });
});

describe(`hostile archives are refused at preflight (KEDGE_SEED=${SEED})`, () => {
  it.each([...new Set(DRAWN)].map((archive) => [archive.name, archive] as const))('%s', async (_name, archive) => {
    await Promise.all([ground.expectRefused(archive, 'deploy'), ground.expectRefused(archive, 'restore')]);
  });

  it('and nothing has changed, and nothing is left', () => ground.expectUntouched());
});
