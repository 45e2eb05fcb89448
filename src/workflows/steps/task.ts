import { ActivityFailure, defineQuery, patched, setHandler } from '@temporalio/workflow';
import type { Activities } from '../../activities';
import type { Reported, TaskRef } from '../../activities/step';
import { STATUS_QUERY } from '../../contract/names';
import { undoOf } from '../../contract/steps';
import { ToldWarnings } from '../../contract/payload-bounds';
import type { HookName } from '../../contract/target';
import type { RunStatus } from '../../contract/tasks';
import { committing, endless, forward, hookActivities, queueing, tidying } from '../options';
import { Undo } from '../undo';
import { withAttention } from './attention';
import { MaintenanceLimit } from './maintenance-limit';
import { Runbook } from './visibility';

/** Activities that are steps of a task: they are given its reference, and report. */
type StepName = {
  [Name in keyof Activities]: Activities[Name] extends (ref: TaskRef, ...rest: never[]) => Promise<Reported<unknown>>
    ? Name
    : never;
}[keyof Activities];
type Rest<Name extends StepName> = Activities[Name] extends (ref: TaskRef, ...rest: infer Arguments) => unknown
  ? Arguments
  : never;
type Value<Name extends StepName> = Activities[Name] extends (...all: never[]) => Promise<Reported<infer V>>
  ? V
  : never;

const status = defineQuery<RunStatus>(STATUS_QUERY);

/** What a task's runbook is written with. */
export class Task {
  readonly ref: TaskRef;
  readonly told = new ToldWarnings();
  /** Hooks the site has, as preflight found them. */
  hooks: readonly HookName[] = [];
  readonly undo = new Undo();
  readonly runbook: Runbook;
  readonly limit: MaintenanceLimit;

  constructor(
    readonly site: string,
    task: string,
    plan: readonly string[],
  ) {
    this.ref = { task };
    this.runbook = new Runbook(site, plan);
    this.limit = new MaintenanceLimit(this.ref, site);
  }

  /** Has this task answer whoever asks where it stands. A workflow that ends another task first answers for that one meanwhile. */
  answerStatus(): void {
    setHandler(status, () => ({ task: this.ref.task, site: this.site, ...this.runbook.status }));
  }

  /** What all its steps warned about. */
  get warnings(): string[] {
    return this.told.sentences(this.ref.task);
  }

  /** Runs a forward step. What takes it back, by the table of steps, is registered before it starts. */
  async step<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<Value<Name>> {
    const undoneBy = undoOf(name);
    if (undoneBy !== null) this.undo.register(undoneBy);
    return this.report(forward, name, rest);
  }

  /**
   * Waits until the master has room for another heavy task. Before anything that visitors notice: whoever waits keeps nobody
   * waiting.
   */
  async awaitLease(): Promise<void> {
    if (patched('leases')) await this.report(queueing, 'awaitLease', []);
  }

  /** Runs a hook, where the site has it. */
  async hook(name: Exclude<HookName, 'after'>): Promise<void> {
    if (this.hooks.includes(name)) await this.report(hookActivities(name), 'runHook', [name]);
  }

  /** Runs the hook at the end, where the site has it. */
  async lastHook(): Promise<void> {
    if (this.hooks.includes('after')) await this.tidy('runLastHook');
  }

  /** Runs the step that commits: until it succeeds, or is refused. When that takes too long it asks for attention. */
  async commit<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<Value<Name>> {
    return this.attentively(committing, name, rest);
  }

  /** Runs a step behind the commit point: until it succeeds. When that takes too long it asks for attention. */
  async finish<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<Value<Name>> {
    return this.attentively(endless, name, rest);
  }

  /** Takes back what was registered to be taken back. */
  async undoAll(): Promise<void> {
    await this.undo.run(this.ref, this.runbook);
  }

  /** Removes what is no longer needed. When that cannot be done it is a warning, and null. */
  async tidy<Name extends StepName>(name: Name, ...rest: Rest<Name>): Promise<Value<Name> | null> {
    try {
      return await this.report(tidying, name, rest);
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      this.runbook.gaveUp(name);
      this.told.add(`${name} could not finish: ${error.cause?.message ?? error.message}`);
      return null;
    }
  }

  private async attentively<Name extends StepName>(
    activities: Activities,
    name: Name,
    rest: Rest<Name>,
  ): Promise<Value<Name>> {
    return withAttention(this.undo.attentionAfterMs, (nameStep) => {
      nameStep(name);
      return this.report(activities, name, rest);
    });
  }

  private async report<Name extends StepName>(
    activities: Pick<Activities, Name>,
    name: Name,
    rest: Rest<Name>,
  ): Promise<Value<Name>> {
    const activity = activities[name] as unknown as (
      ref: TaskRef,
      ...rest: Rest<Name>
    ) => Promise<Reported<Value<Name>>>;
    this.runbook.began(name);
    const reported = await activity(this.ref, ...rest);
    this.runbook.ended(name);
    this.told.addAll(reported);
    return reported.value;
  }
}
