import { Draw } from '../../scripts/lab/draw';
import { type Lab, startLab } from '../helpers/e2e';
import { PLACES, PressedLab, anyhow, countOf, ends, walks } from '../helpers/pressed-tasks';
import { BUTTONS } from '../helpers/web-ui';

/*
 * Every button of the Temporal Web UI is pressed in every step of every kind of task, and in every undo, by the calls that it
 * makes; those that end a task once in each step, the others in each step of each kind of task. Then anything anywhere.
 */

const SEED = Number(process.env['KEDGE_SEED'] ?? Date.now() % 1_000_000);
const AT_LEAST = 200;

jest.setTimeout(45 * 60_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ sites: Array.from({ length: 8 }, (_, index) => `site${index}.example`) });
});
afterAll(() => lab?.stop());

it(`KEDGE_SEED=${SEED}: whatever somebody presses in Temporal, no site is shut, nothing is left, and words say what to do`, async () => {
  const draw = new Draw(SEED, 'buttons');
  const all = [...walks(draw), ...ends(draw), ...anyhow(draw, 16)];
  const pressed = new Set(
    all.flatMap(({ stops }) =>
      stops.flatMap(({ activity, buttons, queue }) =>
        queue ? [] : buttons.map((button) => `${button} in ${activity}`),
      ),
    ),
  );
  const every = PLACES.flatMap(({ activity }) => BUTTONS.map((button) => `${button} in ${activity}`));
  expect(every.filter((one) => !pressed.has(one))).toEqual([]);
  await PressedLab.with(lab, async (pressing) => {
    const { problems, pressed: count } = await pressing.pressAll(all, SEED);
    expect(problems).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(countOf(all));
    expect(count).toBeGreaterThanOrEqual(AT_LEAST);
  });
});
