import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { STEPS, type StepName, planOf } from '../../src/contract/steps';
import { ActivityLab } from './activity-lab';
import { CLOSED, DONE, type DrivenTask, DrivenTasks, FINISHING as FINISHING_CALLS } from './driven-tasks';
import { journalsOf, leftovers } from './e2e';
import { until } from './until';

/** Which activity is called by the worker that stops, and when the others come. */
export interface Pause {
  /** How the task goes until then. */
  readonly part: 'forward' | 'undo' | 'finishing';
  readonly activity: string;
  /** Before which act of the activity it stops, from 1. */
  readonly act: number;
  /** What the successor does: takes the task back, or goes on with it. In undo and behind the commit it goes on. */
  readonly successor: 'undoes' | 'finishes';
  /** After how many calls of the successor it wakes; beyond them in the middle of the next task. */
  readonly wakesAfter: number;
}

/** Sites here have no hooks: the last one does nothing that could be stopped. */
const FINISHING: readonly string[] = FINISHING_CALLS.filter((name) => name !== 'runLastHook');

/** Restores of one site, in which a worker stops and wakes at whatever moment is worst. */
export class PausedWorkers {
  private readonly tasks: DrivenTasks;
  private backup = '';

  private constructor(
    private readonly ring: ActivityLab,
    private saved: Fingerprint,
  ) {
    this.tasks = new DrivenTasks(ring);
  }

  static async start(): Promise<PausedWorkers> {
    const ring = await ActivityLab.start({ hungAfterMs: 1_000 });
    const { site, lab } = ring;
    const started = new PausedWorkers(ring, await fingerprint(site, lab.nginx.port, lab.mariadb));
    const { tasks } = started;
    const first = tasks.begin('backup');
    await tasks.take(first, null);
    started.backup = journalsOf(lab, 'backup').at(-1)?.backup?.id ?? '';
    await tasks.call(first, 'discardSpool');
    await tasks.close(first, DONE);
    // From here on the site lives on a database that Kedge made, and may drop.
    const restore = started.begin();
    await tasks.take(restore, null);
    await tasks.finish(restore);
    return started;
  }

  async stop(): Promise<void> {
    await this.ring.stop();
  }

  /** Each activity of a part of a restore that does anything. */
  activities(part: Pause['part']): readonly string[] {
    const plan = planOf({ type: 'restore', quiesce: false, hooks: [] }).filter((step) => step !== 'preflight');
    switch (part) {
      case 'forward':
        return plan;
      case 'undo':
        return this.undosOf(plan.at(-1) ?? null);
      case 'finishing':
        return FINISHING;
    }
  }

  /**
   * Lets a worker stop, a successor do its work, and the first one wake. Everything is to be as if nobody had slept.
   * Returns what it stopped before; null where the activity has no such act: then the task went its way.
   */
  async prove({ part, activity, act, successor, wakesAfter }: Pause): Promise<string | null> {
    const { lab } = this.ring;
    const before = await leftovers(lab);
    const given = this.begin();
    const calls = await this.upTo(given, part, activity);
    const paused = this.pausing(given, activity, act);
    const stoppedAt = await paused.stopped;
    // Behind the commit there is nothing to be taken back.
    const isCommitted = journalsOf(lab).find(({ task }) => task === given.task)?.committed === true;
    const undoes = part === 'forward' && successor === 'undoes' && !isCommitted;
    const rest = undoes
      ? [...this.undosOf(activity as StepName), 'closeTask']
      : calls.slice(stoppedAt === null ? 1 : 0);
    const closing = part === 'undo' || undoes ? CLOSED : DONE;
    try {
      for (const [index, name] of rest.entries()) {
        if (index === wakesAfter) await paused.wake();
        await this.call(given, name, closing);
      }
      if (wakesAfter >= rest.length) await this.wakeWithin(paused);
      await paused.wake();
    } finally {
      paused.child.kill('SIGKILL');
    }
    await this.expectWhole(before, closing === DONE);
    return stoppedAt;
  }

  /** In the middle of the next task of the site, whose page and fence are to stay. */
  private async wakeWithin(paused: { wake(): Promise<void> }): Promise<void> {
    const { locked } = await this.shut();
    const next = this.begin();
    await this.tasks.take(next, 'fenceWrites');
    const shut = await this.shut();
    expect(shut).toEqual({ status: 503, locked: locked + 1 });
    await paused.wake();
    expect(await this.shut()).toEqual(shut);
    await this.tasks.undo(next);
  }

  private async shut(): Promise<{ status: number; locked: number }> {
    const { lab, site } = this.ring;
    const { locked = [] } = await leftovers(lab);
    return { status: (await get(lab.nginx.port, site.uri, '/')).status, locked: locked.length };
  }

  private async expectWhole(before: Record<string, string[]>, isRestored: boolean): Promise<void> {
    const { lab, site } = this.ring;
    await until('no process of a task is left', async () => ((await leftovers(lab))['processes'] ?? []).length === 0);
    const after = await leftovers(lab);
    expect(differences(this.saved, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    if (!isRestored) expect(after).toEqual(before);
    // Another database and account, as many as before.
    const count = (left: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(left).map(([what, found]) => [what, found.length]));
    expect({ ...after, databases: [], accounts: [], grants: [] }).toEqual({
      ...before,
      databases: [],
      accounts: [],
      grants: [],
    });
    expect(count(after)).toEqual(count(before));
    expect((await this.shut()).status).toBe(200);
  }

  private begin(): DrivenTask {
    return this.tasks.begin('restore', { backup: this.backup });
  }

  /** Brings a task to where an activity is next; returns that one and what follows it. */
  private async upTo(given: DrivenTask, part: Pause['part'], activity: string): Promise<string[]> {
    const plan: string[] = [...this.tasks.planOf(given)];
    const last = plan.at(-2) as StepName;
    const whole =
      part === 'undo'
        ? [...plan.slice(0, -1), ...this.undosOf(last), 'closeTask']
        : [...plan, ...FINISHING, 'closeTask'];
    const place = whole.indexOf(activity);
    for (const name of whole.slice(0, place)) await this.tasks.call(given, name);
    return whole.slice(place);
  }

  /** What takes back everything up to a step, newest first. */
  private undosOf(last: StepName | null): string[] {
    const plan = planOf({ type: 'restore', quiesce: false, hooks: [] });
    const begun = plan.slice(0, last === null ? undefined : plan.indexOf(last) + 1).reverse();
    return [...new Set(begun.flatMap((step) => STEPS[step].undoneBy ?? []))];
  }

  private async call(given: DrivenTask, name: string, closing: object): Promise<void> {
    if (name === 'closeTask') await this.tasks.close(given, closing);
    else await this.tasks.call(given, name);
  }

  private pausing(given: DrivenTask, activity: string, act: number) {
    const [name, ...asked] = this.tasks.callOf(given, activity);
    const child: ChildProcess = spawn(
      process.execPath,
      [
        ...[join(__dirname, 'pausing-activity.js'), this.ring.lab.configuration, name, JSON.stringify(asked)],
        ...[JSON.stringify(given.run), String(act)],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...this.ring.lab.environment } },
    );
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = once(child, 'exit');
    const said = (): string | undefined => /^(?:stopped before|ended with) .*$/m.exec(output)?.[0];
    return {
      child,
      /** Null when it came to its end. */
      stopped: until(`${activity} stops or ends`, () => said() !== undefined || child.exitCode !== null).then(() => {
        const [, stoppedAt = null] = /^stopped before (.*)$/.exec(said() ?? '') ?? [];
        if (stoppedAt === null) expect(said()).toBe('ended with done');
        return stoppedAt;
      }),
      /** It was ended, or goes on until it is refused: both are awaited. */
      async wake(): Promise<void> {
        child.kill('SIGCONT');
        await ended;
      },
    };
  }
}
