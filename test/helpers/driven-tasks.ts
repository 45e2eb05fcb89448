import { STEPS, type StepName, planOf } from '../../src/contract/steps';
import type { TaskType } from '../../src/contract/names';
import type { ActivityLab, Run } from './activity-lab';

/** A task, and the run that holds its site. */
export interface DrivenTask {
  readonly type: TaskType;
  readonly task: string;
  readonly run: Run;
  readonly input: object;
}

/** What is called behind the commit point, or once a backup is published. */
export const FINISHING = [
  'endMaintenance',
  'discardPrevious',
  'discardReplacedDatabase',
  'discardSpool',
  'runLastHook',
] as const;
export const CLOSED = { status: 'failed', code: null, message: 'a forged end', warnings: [] };
export const DONE = { ...CLOSED, status: 'done', message: null };

const ARGUMENTS: Record<string, unknown[]> = {
  fenceWrites: [{ allowShared: true }],
  tarball: [{ description: 'forged', trigger: 'request', compression: 'zstd' }],
  verify: [{ folder: 'live' }],
  closeTask: [CLOSED],
};

/** Tasks of one site that a test takes step by step, in the place of their workflows. */
export class DrivenTasks {
  private runs = 0;

  constructor(private readonly ring: ActivityLab) {}

  /** A task whose run alone lives. */
  begin(type: TaskType, input: object = {}): DrivenTask {
    const { ring } = this;
    this.runs += 1;
    const run = { workflowId: `site/${ring.site.uri}`, runId: `run-${this.runs}` };
    ring.running.clear();
    ring.running.add(run.runId);
    return { type, task: ring.newTask(type), run, input: { site: ring.site.uri, ...input } };
  }

  /** The call of a step, or of any other activity of a task, as its runbook makes it. */
  callOf({ type, task, input }: DrivenTask, name: string): [string, ...unknown[]] {
    if (name === 'preflight') return [name, { type, task, input }];
    const [activity = '', hook] = name.split(' ');
    return [activity, { task }, ...(hook === undefined ? (ARGUMENTS[name] ?? []) : [hook])];
  }

  /** Calls one; returns what it returned. */
  async call<T>(given: DrivenTask, name: string): Promise<T> {
    return (await this.ring.call(given.run, ...this.callOf(given, name))) as T;
  }

  /** Makes a backup, whole and closed; returns its id. */
  async backUp(input: object = {}): Promise<string> {
    const given = this.begin('backup', input);
    await this.take(given, null);
    const { value } = await this.call<{ value: { id: string } }>(given, 'publishBackup');
    if ('quiesce' in input) for (const undo of ['liftFence', 'leaveMaintenance']) await this.call(given, undo);
    for (const name of ['discardSpool', 'runLastHook']) await this.call(given, name);
    await this.close(given, DONE);
    return value.id;
  }

  /** The code with which one is refused, or what it returned. */
  async outcome(given: DrivenTask, name: string): Promise<unknown> {
    return this.ring.outcome(given.run, ...this.callOf(given, name));
  }

  /** The steps of a task, in their order. */
  planOf({ type, input }: DrivenTask): readonly StepName[] {
    return planOf({ type, quiesce: 'quiesce' in input, hooks: [] });
  }

  /** Takes the steps of a task one by one, up to and with `last`; in between `look` is given what was done. */
  async take(
    given: DrivenTask,
    last: StepName | null,
    look: (done: readonly StepName[]) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const done: StepName[] = [];
    for (const step of this.planOf(given)) {
      await this.call(given, step);
      done.push(step);
      await look(done);
      if (step === last) return;
    }
  }

  /** Takes the steps that come before one. */
  async takeUntil(given: DrivenTask, next: StepName): Promise<void> {
    const plan = this.planOf(given);
    await this.take(given, plan[plan.indexOf(next) - 1] ?? null);
  }

  async finish(given: DrivenTask): Promise<void> {
    for (const name of FINISHING) await this.call(given, name);
    await this.close(given, DONE);
  }

  /** Takes back all that a task may have done, and closes it. */
  async undo(given: DrivenTask): Promise<void> {
    for (const name of new Set([...this.planOf(given)].reverse().flatMap((step) => STEPS[step].undoneBy ?? [])))
      await this.call(given, name);
    await this.close(given, CLOSED);
  }

  async close({ run, task }: DrivenTask, closing: object): Promise<void> {
    await this.ring.call(run, 'closeTask', { task }, closing);
  }
}
