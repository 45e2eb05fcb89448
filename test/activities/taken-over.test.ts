import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { STEPS, type StepName } from '../../src/contract/steps';
import { ActivityLab } from '../helpers/activity-lab';
import { CLOSED, type DrivenTask, DrivenTasks, FINISHING } from '../helpers/driven-tasks';
import { ToldActs } from '../helpers/told-acts';

/*
 * Somebody takes a site over at the very moment at which an activity has its lock, and has not looked yet whether it may still act:
 * what it was about to do is never done. Every time that every activity takes the lock.
 */

jest.setTimeout(600_000);

let ring: ActivityLab;
let tasks: DrivenTasks;
let backup: string;
const acts = new ToldActs();

beforeAll(async () => {
  ring = await ActivityLab.start({}, (real) => acts.change(real));
  tasks = new DrivenTasks(ring);
  backup = await tasks.backUp();
});
afterAll(async () => {
  await ring?.stop();
});

/** Ways in which a task loses the right to go forward, each by what takes it away. */
const TAKEN_OVER: Readonly<Record<string, (given: DrivenTask, step: StepName) => Promise<unknown>>> = {
  'the site is brought online by hand': () => ring.parts.epochs.raise(ring.site.uri, 'anna', 'for the test'),
  'a later attempt begins': ({ task, run }, step) => ring.parts.journals.beginStep(task, run, step),
  'undo begins': ({ task }) => ring.parts.journals.beginUndo(task),
  'the workflow is reset': ({ task }) => ring.parts.journals.recordUndo(task, { runId: 'another' }),
};

/** The task is closed by somebody else, who has taken everything back. */
const closed = ({ task }: DrivenTask): Promise<void> =>
  ring.parts.journals.close(task, {
    ...{ status: 'abandoned', ended: new Date().toISOString(), code: null, message: null, warnings: [] },
  });

/** What says who may act, as it is now; given back by what is returned. */
function keep({ task }: DrivenTask): () => void {
  const { state } = ring.lab;
  const paths = [
    join(state, 'tasks', `${task}.json`),
    join(state, 'open', task),
    join(state, 'epochs', `${ring.site.uri}.json`),
  ];
  const texts = paths.map((path) => (existsSync(path) ? readFileSync(path) : null));
  return () => {
    for (const [at, path] of paths.entries()) {
      const text = texts[at];
      if (text) writeFileSync(path, text, { mode: 0o600 });
      else rmSync(path, { force: true });
    }
  };
}

/**
 * Calls an activity again and again: somebody takes over when it takes the lock for the first time, in each of the ways; for the second
 * time in the calls after that; until a call takes it no more so often. That one does its work. Returns what was not refused, and
 * how often the lock was taken.
 */
async function callTakenOver(
  given: DrivenTask,
  name: string,
  ways: Readonly<Record<string, () => Promise<unknown>>>,
  isRefusal: (outcome: unknown) => boolean,
): Promise<{ wrong: unknown[]; turns: number }> {
  const wrong: unknown[] = [];
  for (let wanted = 1; ; wanted += 1) {
    for (const [how, takeOver] of Object.entries(ways)) {
      const made: string[] = [];
      let taken = 0;
      let giveBack = null as (() => void) | null;
      acts.lockTaken = async () => {
        taken += 1;
        if (taken !== wanted) return;
        giveBack = keep(given);
        await takeOver();
        acts.before = (act) => void made.push(act);
      };
      const outcome = await tasks.outcome(given, name);
      acts.lockTaken = () => undefined;
      acts.before = () => undefined;
      if (giveBack === null) {
        if (typeof outcome !== 'object') wrong.push({ name, outcome });
        return { wrong, turns: wanted - 1 };
      }
      giveBack();
      if (made.length > 0 || !isRefusal(outcome)) wrong.push({ name, how, turn: wanted, outcome, made });
    }
  }
}

const look = () => fingerprint(ring.site, ring.lab.nginx.port, ring.lab.mariadb);

it('a step of a restore, the commit among them: it is refused, and acts no more', async () => {
  const wrong: unknown[] = [];
  const seen: string[] = [];
  const given = tasks.begin('restore', { backup });
  const isRefusal = (outcome: unknown): boolean =>
    ['TaskSuperseded', 'TaskWasReset', 'StepRefused'].includes(String(outcome));
  for (const step of tasks.planOf(given)) {
    const ways = Object.entries(TAKEN_OVER)
      // The commit has no attempts: whoever may commit does.
      .filter(([how]) => step !== 'commitSwitch' || how !== 'a later attempt begins')
      .map(([how, takeOver]): [string, () => Promise<unknown>] => [how, () => takeOver(given, step)]);
    const refused = await callTakenOver(given, step, Object.fromEntries(ways), isRefusal);
    wrong.push(...refused.wrong);
    if (refused.turns > 0) seen.push(step);
  }
  expect(wrong).toEqual([]);
  expect(seen).toEqual(
    expect.arrayContaining([
      ...['enterMaintenance', 'fenceWrites', 'dumpDatabase', 'tarball', 'publishBackup', 'deploy', 'createDatabase'],
      ...['importDatabase', 'createDbUser', 'switchSite', 'reloadWebServer', 'commitSwitch'],
    ]),
  );

  const behind: unknown[] = [];
  for (const name of FINISHING) {
    const isSuperseded = (outcome: unknown): boolean => outcome === 'TaskSuperseded';
    behind.push(...(await callTakenOver(given, name, { closed: () => closed(given) }, isSuperseded)).wrong);
  }
  expect(behind).toEqual([]);
  await tasks.finish(given);
  expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
});

it('an undo, of a task that somebody has taken back meanwhile: it does nothing', async () => {
  const before = await look();
  const given = tasks.begin('restore', { backup });
  await tasks.take(given, 'probeSite');
  const wrong: unknown[] = [];
  // Before it begins it finds nothing to do; later it is told why.
  const nothing = JSON.stringify({ value: { value: null, warnings: [] } });
  const isRefusal = (outcome: unknown): boolean => outcome === 'TaskSuperseded' || JSON.stringify(outcome) === nothing;
  for (const name of new Set([...tasks.planOf(given)].reverse().flatMap((step) => STEPS[step].undoneBy ?? [])))
    wrong.push(...(await callTakenOver(given, name, { closed: () => closed(given) }, isRefusal)).wrong);
  expect(wrong).toEqual([]);
  await tasks.close(given, CLOSED);
  expect(differences(before, await look())).toEqual([]);
});
