import { Draw } from '../../scripts/lab/draw';
import { type Lab, startLab } from '../helpers/e2e';
import { SEED_OF_TODAY as SEED, partOfToday } from '../helpers/part-of-today';
import { StruckLab, everyPlace } from '../helpers/struck-tasks';

/*
 * Something is killed at every step of every kind of task, behind its commit point, and at every undo: in or behind a call that is
 * drawn. The steps are those of src/contract/steps.ts. The worker at all of them each time; what the worker needs at half of them a day.
 */

jest.setTimeout(45 * 60_000);

let lab: Lab;
let struck: StruckLab;

beforeAll(async () => {
  lab = await startLab({ sites: Array.from({ length: 8 }, (_, index) => `site${index}.example`) });
  struck = await StruckLab.prepare(lab, new Draw(SEED, 'crash matrix'));
});
afterAll(async () => {
  await struck?.stop();
  await lab?.stop();
});

it(`KEDGE_SEED=${SEED}: the worker killed at every place: each task ends as it would have`, async () => {
  const places = everyPlace();
  const { problems, held } = await struck.strikeAll('worker', places, new Draw(SEED, 'worker'));
  expect(problems).toEqual([]);
  expect(held).toBe(places.length);
});

it(`KEDGE_SEED=${SEED}: the worker stopped at 24 places, another takes over, the first wakes: each task ends as it would have`, async () => {
  const draw = new Draw(SEED, 'paused worker');
  const { problems, held } = await struck.strikeAll('paused worker', draw.several(everyPlace(), 24), draw);
  expect(problems).toEqual([]);
  expect(held).toBe(24);
});

it(`KEDGE_SEED=${SEED}: Temporal killed at a third of all places: each task ends as it would have`, async () => {
  const places = partOfToday(everyPlace(), 3);
  const { problems, held } = await struck.strikeAll('temporal', places, new Draw(SEED, 'temporal'));
  expect(problems).toEqual([]);
  expect(held).toBe(places.length);
});

/* The test before this has seen which steps need what. */
it.each(['mariadb', 'nginx', 'php-fpm'] as const)(
  `KEDGE_SEED=${SEED}: %s killed in a third of the steps that need it: each task ends well, or the site is as before`,
  async (victim) => {
    const places = partOfToday(struck.placesOf(victim), 3);
    expect(places.length).toBeGreaterThan(3);
    const { problems, held } = await struck.strikeAll(victim, places, new Draw(SEED, victim));
    expect(problems).toEqual([]);
    // A step may need it less often than it was seen to.
    expect(held).toBeGreaterThan(places.length / 2);
  },
);
