import { CORPUS, isRefused } from '../helpers/archives/corpus';
import type { HostileArchive } from '../helpers/archives/hostile-archive';
import { PLAIN } from '../helpers/archives/hostile-archive';
import { END } from '../helpers/archives/tar-blocks';
import { type ProvingGround, type Way, startProvingGround } from '../helpers/hostile-archives-suite';

jest.setTimeout(3600_000);

const LANES = 3;
const WAYS: readonly (readonly [Way, 'foreign' | 'catalogue'])[] = [
  ['deploy', 'foreign'],
  ['restore', 'catalogue'],
];

let ground: ProvingGround;
beforeAll(async () => {
  ground = await startProvingGround(LANES);
});
afterAll(() => ground?.stop());

it('without hostility the same archive is to be restored', async () => {
  expect(await ground.planOf(Buffer.concat([ground.sound, PLAIN, END]))).toMatchObject({ exitCode: 0 });
});

it.each(WAYS)('all of the corpus is refused at preflight: %s', async (way, origin) => {
  const archives = CORPUS.filter((archive) => isRefused(archive, origin));
  expect(archives.length).toBeGreaterThanOrEqual(150);
  const failures: string[] = [];
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (const archive of every(archives, LANES, lane))
        await ground.expectRefused(archive, way, lane).catch((error: Error) => void failures.push(error.message));
    }),
  );
  expect(failures).toEqual([]);
});

function every(archives: readonly HostileArchive[], step: number, from: number): HostileArchive[] {
  return archives.filter((_, at) => at % step === from);
}

it('nothing has changed anywhere, and nothing is left', () => ground.expectUntouched());

it('without hostility the same archive is deployed', async () => {
  await ground.deploy(Buffer.concat([ground.sound, PLAIN, END]));
});
