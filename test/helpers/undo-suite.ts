import type { WorkflowFailedError, WorkflowHandle } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import { FakeActivities, SAFETY_BACKUP_ID } from './fake-activities';
import type { WorkflowLab } from './workflow-environment';

type Step = keyof Activities;

/** Forward steps before the commit point in order, each with what undoes it and those before it, newest first. */
export type UndoneBy = readonly (readonly [Step, readonly string[]])[];

interface Workflow {
  readonly input: object;
  readonly undoneBy: UndoneBy;
  /** What is taken back at the end of a task that ends well. */
  readonly takenBack?: readonly string[];
  readonly lab: () => WorkflowLab;
}

interface Outcome {
  readonly site: string;
  readonly fake: FakeActivities;
  readonly result?: unknown;
  readonly error?: ApplicationFailure;
}

/** What holds for every step of every task: as many tasks run at once, each on a site and with fakes of its own. */
export function describeUndo(type: string, { input, undoneBy, takenBack = [], lab }: Workflow): void {
  const undos = new Set(undoneBy.flatMap(([, names]) => names));
  const undone = (fake: FakeActivities): string[] => fake.done.filter((call) => undos.has(call));

  const run = async (
    fake: FakeActivities,
    meanwhile: (fake: FakeActivities, handle: WorkflowHandle) => Promise<void>,
  ): Promise<Outcome> => {
    const site = lab().siteWith(fake);
    const handle = await lab().start(type, { ...input, site });
    await meanwhile(fake, handle);
    return handle.result().then(
      (result) => ({ site, fake, result }),
      (error: WorkflowFailedError) => ({ site, fake, error: error.cause as ApplicationFailure }),
    );
  };

  const ofEach = async (
    cases: UndoneBy,
    prepare: (fake: FakeActivities, step: Step) => FakeActivities,
    meanwhile: (step: Step) => (fake: FakeActivities, handle: WorkflowHandle) => Promise<void> = () => async () =>
      undefined,
  ): Promise<[Step, readonly string[], Outcome][]> =>
    Promise.all(
      cases.map(async ([step, names]): Promise<[Step, readonly string[], Outcome]> => {
        const outcome = await run(prepare(new FakeActivities(), step), meanwhile(step));
        return [step, names, outcome];
      }),
    );

  describe(`every step of ${type}`, () => {
    it.concurrent('failing for good: every undo in order, and the original error', async () => {
      const outcomes = await ofEach(undoneBy, (fake, step) =>
        fake
          .set(step, { fails: 'ProgramFailed' })
          .set('readJournal', { returns: { open: true, committed: false, safetyBackup: SAFETY_BACKUP_ID } }),
      );
      for (const [step, names, { fake, error }] of outcomes) {
        expect([step, error?.type, error?.message]).toEqual([step, 'ProgramFailed', `${step} failed`]);
        expect([step, error?.details?.[0]]).toMatchObject([
          step,
          { state: 'the site is as it was before', safetyBackup: SAFETY_BACKUP_ID },
        ]);
        expect([step, undone(fake)]).toEqual([step, names]);
        expect([step, fake.calls.filter((call) => call === step)]).toEqual([step, [step]]);
        expect([step, fake.done.at(-1)]).toEqual([step, 'closeTask']);
        expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'failed', code: 'ProgramFailed' });
      }
    });

    it.concurrent('cancelled in it: undone once the step has settled', async () => {
      const outcomes = await ofEach(
        undoneBy.filter(([step]) => step !== 'findAbandonedTasks'),
        (fake, step) => fake.set(step, { blocks: true, settlesAfterMs: 300 }),
        (step) => async (fake, handle) => {
          await fake.began(step);
          await handle.cancel();
        },
      );
      for (const [step, names, { fake, error }] of outcomes) {
        expect([step, error?.name]).toEqual([step, 'CancelledFailure']);
        expect([step, undone(fake)]).toEqual([step, names]);
        const settled = fake.calls.indexOf(`${step}!`);
        expect([step, settled > 0]).toEqual([step, true]);
        const firstUndo = fake.calls.findIndex((call) => undos.has(call));
        expect([step, names.length === 0 || settled < firstUndo]).toEqual([step, true]);
        expect(fake.arguments.get('closeTask')?.[1]).toMatchObject({ status: 'cancelled' });
      }
    });

    it.concurrent('failing twice, then working: success', async () => {
      const outcomes = await ofEach(undoneBy, (fake, step) =>
        fake.set(step, { failsTimes: 2, code: 'HostUnreachable' }),
      );
      for (const [step, , { site, fake, error, result }] of outcomes) {
        expect([step, error]).toEqual([step, undefined]);
        expect([step, result]).toMatchObject([step, { site }]);
        expect([step, fake.calls.filter((call) => call === `${step}!`)]).toEqual([step, [`${step}!`, `${step}!`]]);
        expect([step, undone(fake)]).toEqual([step, takenBack]);
      }
    });
  });
}
