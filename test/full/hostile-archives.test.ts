import { CORPUS, isRefused } from '../helpers/archives/corpus';
import { PLAIN } from '../helpers/archives/hostile-archive';
import { END } from '../helpers/archives/tar-blocks';
import { HOSTILE_DUMPS } from '../helpers/hostile-dumps';
import { type ProvingGround, type Way, startProvingGround } from '../helpers/hostile-archives-suite';
import { SEED_OF_TODAY, partOfToday } from '../helpers/part-of-today';

jest.setTimeout(3600_000);

const LANES = 3;
const WAYS: readonly (readonly [Way, 'foreign' | 'catalogue'])[] = [
  ['deploy', 'foreign'],
  ['restore', 'catalogue'],
];

/**
 * Either way leads to the same judge: each archive takes one, every other day. That each is judged rightly is held beside the code, in seconds.
 */
const going = <T>(way: Way, all: readonly T[]): T[] =>
  partOfToday(
    all,
    2 * WAYS.length,
    WAYS.findIndex(([name]) => name === way),
  );

let ground: ProvingGround;
beforeAll(async () => {
  ground = await startProvingGround(LANES);
});
afterAll(() => ground?.stop());

it('without hostility the same archive is to be restored', async () => {
  expect(await ground.planOf(Buffer.concat([ground.sound('restore'), PLAIN, END]))).toMatchObject({ exitCode: 0 });
});

it.each(WAYS)(
  `KEDGE_SEED=${SEED_OF_TODAY}: a quarter of the corpus is refused at preflight: %s`,
  async (way, origin) => {
    const archives = CORPUS.filter((archive) => isRefused(archive, origin));
    expect(archives.length).toBeGreaterThanOrEqual(150);
    await inLanes(going(way, archives), (archive, lane) => ground.expectRefused(archive, way, lane));
  },
);

it.each<Way>(['deploy', 'restore'])(
  `KEDGE_SEED=${SEED_OF_TODAY}: an archive with each of a quarter of the hostile dumps is refused at preflight: %s`,
  async (way) => {
    expect(HOSTILE_DUMPS.length).toBeGreaterThan(150);
    await inLanes(going(way, HOSTILE_DUMPS), (dump, lane) => ground.expectDumpRefused(dump, way, lane));
  },
);

/** Goes through them all, on several sites side by side, and tells every failure. */
async function inLanes<T>(all: readonly T[], expectation: (each: T, lane: number) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (const each of all.filter((_each, at) => at % LANES === lane))
        await expectation(each, lane).catch((error: Error) => void failures.push(error.message));
    }),
  );
  expect(failures).toEqual([]);
}

it('nothing has changed anywhere, and nothing is left', () => ground.expectUntouched());

it('without hostility the same archive is deployed', async () => {
  await ground.deployInEarnest(Buffer.concat([ground.sound('deploy'), PLAIN, END]));
});
