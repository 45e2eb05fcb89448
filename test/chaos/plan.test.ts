import { FAULTS, KINDS, type RoundPlan, describePlan, momentsOf, planRound } from '../../scripts/chaos/plan';

const OPTIONS = { sites: 4, canFillDisk: true };
const NAMES = ['a.example', 'b.example', 'c.example', 'd.example'];
const rounds = (seed: number, count: number): RoundPlan[] =>
  Array.from({ length: count }, (_, index) => planRound(seed, index + 1, OPTIONS));

it('the plan of a round follows from seed and number alone, also when it is played by itself', () => {
  const all = rounds(7, 40);
  expect(planRound(7, 23, OPTIONS)).toEqual(all[22]);
  expect(describePlan(planRound(7, 23, OPTIONS), NAMES)).toEqual(describePlan(all[22] as RoundPlan, NAMES));
  expect(new Set([...all, ...rounds(8, 40)].map((plan) => JSON.stringify([plan.tasks, plan.faults]))).size).toBe(80);
});

it('every kind of task, every fault, and every moment of a task comes', () => {
  const all = rounds(1, 3000);
  const kinds = all.flatMap(({ tasks }) => tasks.flatMap(({ kind }) => kind ?? []));
  expect(new Set(kinds)).toEqual(new Set(KINDS));
  expect(new Set(all.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set(FAULTS));
  for (const kind of KINDS) {
    const met = all.flatMap(({ tasks, faults }) =>
      faults.filter(({ site }) => tasks[site]?.kind === kind).map(({ moment }) => moment),
    );
    expect([kind, new Set(met)]).toEqual([kind, new Set(momentsOf(kind))]);
  }
});

it('faults come to tasks that there are, and no disk is filled where none can be mounted', () => {
  for (const { tasks, faults } of rounds(2, 500)) for (const { site } of faults) expect(tasks[site]?.kind).toBeTruthy();
  const without = Array.from({ length: 500 }, (_, round) => planRound(3, round, { sites: 4, canFillDisk: false }));
  expect(without.flatMap(({ faults }) => faults).map(({ kind }) => kind)).not.toContain('fill disk');
});
