import { CORPUS_BY_KIND, isRefused } from '../helpers/archives/corpus';
import { PLAIN } from '../helpers/archives/hostile-archive';
import { END } from '../helpers/archives/tar-blocks';
import { HOSTILE_DUMPS, type HostileDump } from '../helpers/hostile-dumps';
import { type ProvingGround, type Way, startProvingGround } from '../helpers/hostile-archives-suite';

jest.setTimeout(240_000);

const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);

/** One of each kind. All of them go this way in the full tests. */
const DRAWN = Object.values(CORPUS_BY_KIND).flatMap((archives, kind) => {
  const refused = archives.filter((archive) => isRefused(archive, 'catalogue') && isRefused(archive, 'foreign'));
  return refused[(SEED * (7 * kind + 1)) % refused.length] ?? [];
});

/** A few of one group of dumps after the other. */
function drawnDumps(count: number, salt: number): HostileDump[] {
  const step = Math.floor(HOSTILE_DUMPS.length / count);
  return Array.from({ length: count }, (_, nth) => HOSTILE_DUMPS[nth * step + ((SEED + salt * nth) % step)]).filter(
    (dump) => dump !== undefined,
  );
}

let ground: ProvingGround;
beforeAll(async () => {
  ground = await startProvingGround();
});
afterAll(() => ground?.stop());

it('without hostility the same archive is to be restored', async () => {
  const { exitCode, stdout } = await ground.planOf(Buffer.concat([ground.sound('restore'), PLAIN, END]));
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 0 });
});

describe(`hostile archives are refused at preflight (KEDGE_SEED=${SEED})`, () => {
  it.each([...new Set(DRAWN)].map((archive) => [archive.name, archive] as const))('%s', async (_name, archive) => {
    await Promise.all([ground.expectRefused(archive, 'deploy'), ground.expectRefused(archive, 'restore')]);
  });

  it('those with a hostile dump too', async () => {
    const all = async (way: Way, dumps: readonly HostileDump[]): Promise<void> => {
      for (const dump of dumps) await ground.expectDumpRefused(dump, way);
    };
    await Promise.all([all('restore', drawnDumps(5, 7)), all('deploy', drawnDumps(2, 31))]);
  });

  it('and nothing has changed, and nothing is left', () => ground.expectUntouched());
});
