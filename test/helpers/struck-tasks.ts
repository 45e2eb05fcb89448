import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Draw } from '../../scripts/lab/draw';
import { unowned } from '../../scripts/lab/unowned';
import { KedgeClient } from '../../src/client';
import { STEPS, type StepName, finishOf, planOf } from '../../src/contract/steps';
import type { TaskType } from '../../src/contract/names';
import {
  ComparedTask,
  HOOK_NAMES,
  type SavedSite,
  TYPE_OF,
  type TaskKind,
  checkCatalogue,
  prepareSites,
  saveSites,
} from './compared-tasks';
import type { Lab } from './e2e';
import { until } from './until';

/** What is killed; a paused worker stops as by `kill -STOP` instead, and wakes when another one has ended its tasks. */
export type Victim = 'worker' | 'paused worker' | 'temporal' | 'mariadb' | 'php-fpm' | 'nginx';

/** A place in a task where something can be killed. */
export interface Place {
  readonly kind: TaskKind;
  readonly activity: string;
  /** Which activity of that name in the task: hooks have one name. */
  readonly occurrence: number;
  /** The step that fails first, where the place is in the undo. */
  readonly fails: string | null;
}

/** Something killed at a place: in or behind one call of the step. */
export interface Strike extends Place {
  readonly victim: Victim;
  readonly call: number;
  readonly when: 'during' | 'after';
}

/** Parts of the worker that a step acts through when it needs the victim; a worker and Temporal are always needed. */
const PARTS: Record<Victim, readonly string[]> = {
  worker: [],
  'paused worker': [],
  temporal: [],
  mariadb: ['databaseServer'],
  'php-fpm': ['webServer'],
  nginx: ['webServer'],
};
/** Few activities make more; beyond its last call one is held at its end. */
const MOST_CALLS = 9;

/** Every place there is, by the table of steps: forward, behind the commit, and in the undo of a task that fails at its last step. */
export function everyPlace(): Place[] {
  return (Object.keys(TYPE_OF) as TaskKind[]).flatMap((kind) => {
    const type = TYPE_OF[kind];
    const plan = planOf({ type, quiesce: kind === 'quiesced backup', hooks: HOOK_NAMES });
    const seen: string[] = [];
    const forward = [...plan, ...behind(type)].map((step): Place => {
      const [activity = ''] = step.split(' ');
      seen.push(activity);
      return { kind, activity, occurrence: seen.filter((one) => one === activity).length, fails: null };
    });
    const last = plan.filter((step) => step !== 'commitSwitch').at(-1) as StepName;
    const undos = new Set(plan.flatMap((step) => STEPS[step].undoneBy ?? []));
    return [...forward, ...[...undos].map((activity) => ({ kind, activity, occurrence: 1, fails: last }))];
  });
}

/** What a task does when nothing can be taken back any more. */
function behind(type: TaskType): string[] {
  return [...finishOf({ type, quiesce: false, hooks: HOOK_NAMES }), 'closeTask'];
}

export function strikeAt(place: Place, victim: Victim, draw: Draw, calls = MOST_CALLS): Strike {
  return { ...place, victim, call: draw.between(1, calls), when: draw.of(['during', 'after']) };
}

export function describeStrike({ kind, activity, occurrence, fails, victim, call, when }: Strike): string {
  const which = occurrence === 1 ? activity : `${activity} ${occurrence}`;
  return `${victim} ${victim === 'paused worker' ? 'stopped' : 'killed'} ${when} call ${call} of ${which} in ${kind}${fails === null ? '' : ` after ${fails} failed`}`;
}

/** A lab in which tasks run side by side, each on a site of its own, and are struck where they stand. */
export class StruckLab {
  private constructor(
    readonly lab: Lab,
    private worker: HaltingWorker,
    /** The one that was stopped in this batch. */
    private sleeper: HaltingWorker | null,
    private readonly sites: readonly SavedSite[],
    private readonly draw: Draw,
    private readonly client: KedgeClient,
    /** How many calls of a part an activity made, as seen: by `KIND: ACTIVITY by PART`. */
    private readonly uses = new Map<string, number>(),
  ) {}

  /** Takes a lab over that has no worker. Its sites get hooks, and each a backup. */
  static async prepare(lab: Lab, draw: Draw): Promise<StruckLab> {
    await prepareSites(lab);
    const worker = await HaltingWorker.start(lab);
    const sites = await saveSites(lab);
    return new StruckLab(lab, worker, null, sites, draw, await KedgeClient.connect('lab', lab.environment));
  }

  /**
   * The places whose steps were seen to need a victim, in all tasks so far; for a worker or Temporal, which each step needs, all
   * places.
   */
  placesOf(victim: Victim): Place[] {
    return everyPlace().filter((place) => PARTS[victim].length === 0 || this.callsOf(victim, place) > 0);
  }

  private callsOf(victim: Victim, { kind, activity }: Place): number {
    return Math.max(0, ...PARTS[victim].map((part) => this.uses.get(`${kind}: ${activity} by ${part}`) ?? 0));
  }

  /** Strikes at all places given, by batches; returns what is not as it should be. */
  async strikeAll(victim: Victim, places: readonly Place[], draw: Draw): Promise<{ problems: string[]; held: number }> {
    const strikes = draw
      .several(places, places.length)
      .map((place) => strikeAt(place, victim, draw, this.callsOf(victim, place) || MOST_CALLS));
    const total = { problems: [] as string[], held: 0 };
    for (let first = 0; first < strikes.length; first += this.sites.length) {
      const { problems, held } = await this.strike(strikes.slice(first, first + this.sites.length));
      total.problems.push(...problems);
      total.held += held;
    }
    return total;
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.sleeper?.stop('SIGKILL');
    await this.worker.stop();
  }

  /**
   * Runs a task a strike side by side, holds each where it is to be struck, kills the victim once all stand there, starts it
   * again, and compares when the tasks have ended. Returns what is not as it should be, a line each, and how many were held.
   */
  async strike(strikes: readonly Strike[]): Promise<{ problems: string[]; held: number }> {
    const victim = strikes[0]?.victim ?? 'worker';
    if (strikes.length > this.sites.length || strikes.some((one) => one.victim !== victim))
      throw new RangeError('a batch has one victim, and a site for each task');
    const struck = strikes.map((strike, index) => new StruckTask(this.lab, this.sites[index] as SavedSite, strike));
    for (const task of struck) await task.loseSite();
    await Promise.all(struck.map((task) => task.prepare()));
    const points = Object.fromEntries(struck.map((task) => [task.site.uri, task.point]));
    const kinds = new Map(struck.map((task, index) => [task.site.uri, strikes[index]?.kind]));
    const tellUse = ({ site, activity, part, calls }: Use): void => {
      const key = `${kinds.get(site)}: ${activity} by ${part}`;
      this.uses.set(key, Math.max(calls, this.uses.get(key) ?? 0));
    };
    this.worker.haltAt(points, tellUse);
    for (const task of struck) task.begin(this.client, victim === 'temporal');
    await until(
      'every task is held where it is to be struck, or has ended',
      () => struck.every(({ site, isOver }) => isOver || this.worker.held.has(site.uri)),
      600_000,
    );
    const held = struck.filter(({ site }) => this.worker.held.has(site.uri)).length;
    await this.kill(victim, tellUse);
    await Promise.all(struck.map((task) => task.ended()));
    await this.sleeper?.wakeAndEnd();
    this.sleeper = null;
    const problems: string[] = [];
    for (const task of struck) problems.push(...(await task.look()));
    problems.push(...(await unowned(this.lab)));
    problems.push(...(await checkCatalogue(this.lab, this.sites)));
    // Each next task begins from a site that is whole.
    for (const task of struck) await task.bringSiteBack();
    return { problems, held };
  }

  private async kill(victim: Victim, tellUse: (use: Use) => void): Promise<void> {
    const { temporal, mariadb, phpFpm, nginx } = this.lab;
    switch (victim) {
      case 'worker':
        await this.worker.die(this.draw.below(40));
        this.worker = await HaltingWorker.start(this.lab);
        this.worker.haltAt({}, tellUse);
        return;
      case 'paused worker':
        this.sleeper = this.worker;
        this.sleeper.sleep();
        this.worker = await HaltingWorker.start(this.lab);
        this.worker.haltAt({}, tellUse);
        return;
      case 'temporal':
        await temporal.kill();
        this.worker.go();
        return temporal.start();
      case 'mariadb':
        this.worker.go();
        await mariadb.discard();
        return mariadb.start();
      case 'php-fpm':
        this.worker.go();
        await phpFpm.kill();
        return phpFpm.start();
      case 'nginx':
        this.worker.go();
        await nginx.kill();
        return nginx.start();
    }
  }
}

/** One task of a batch. */
class StruckTask extends ComparedTask {
  constructor(
    lab: Lab,
    saved: SavedSite,
    private readonly strike: Strike,
  ) {
    super(lab, saved, strike.kind, describeStrike(strike));
  }

  get point() {
    const { activity, occurrence, call, when, fails, victim } = this.strike;
    return { activity, occurrence, call, when, parts: PARTS[victim], ...(fails === null ? {} : { fails }) };
  }

  /** What is not as it should be after the end. */
  async look(): Promise<string[]> {
    const { strike, outcome, isDone } = this;
    const { status, code } = outcome ?? { status: 'none', code: null };
    const problems: string[] = [];
    const { exitCode, stdout, stderr } = await this.said();
    if (strike.fails !== null) {
      if (status !== 'failed' || code !== 'Internal') problems.push(`it ended as ${status} ${code}`);
    } else if (!isDone && !this.mayFail) problems.push(`it ended as ${status} ${code}`);
    // A command that cannot follow its task says so; it says nothing false of it.
    const saysDone = exitCode === 0 || exitCode === 3;
    if (saysDone !== isDone && (saysDone || strike.victim !== 'temporal'))
      problems.push(`the command ended with ${exitCode}: ${stdout}${stderr}`);
    problems.push(...(await this.lookAtSite()));
    // A restore that fails at its last step has its safety backup.
    problems.push(
      ...this.lookAtBackups({ mayHaveNone: !isDone && !(strike.kind === 'restore' && strike.fails !== null) }),
    );
    return problems.map((problem) => `${describeStrike(strike)}: ${problem}`);
  }

  /** What the task needs may be away for longer than one try of a program; then it is undone. */
  private get mayFail(): boolean {
    return ['mariadb', 'php-fpm', 'nginx'].includes(this.strike.victim);
  }
}

/** What test/helpers/halting-worker.js is told to hold in a task. */
interface Point {
  readonly activity: string;
  readonly occurrence: number;
  readonly call: number;
  readonly when: 'during' | 'after';
  readonly parts: readonly string[];
  readonly fails?: string;
}

/** An activity that called a part of the worker. */
interface Use {
  readonly site: string;
  readonly activity: string;
  readonly part: string;
  readonly calls: number;
}

class HaltingWorker {
  /** Sites whose tasks stand. */
  held = new Set<string>();
  /** Sites whose tasks stood, and whose steps have ended since. */
  private readonly ended = new Set<string>();
  private tellUse: (use: Use) => void = () => undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly exited: Promise<void>,
  ) {
    child.on('message', (message: { held?: string; ended?: string; used?: Use }) => {
      if (message.ended !== undefined) this.ended.add(message.ended);
      if (message.held !== undefined) this.held.add(message.held);
      if (message.used) this.tellUse(message.used);
    });
  }

  static async start(lab: Lab): Promise<HaltingWorker> {
    const program = [process.execPath, join(__dirname, 'halting-worker.js'), lab.configuration];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...program], {
      env: { ...process.env, ...lab.environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4000)));
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      void exited.then(() => reject(new Error(`the halting worker ended: ${said}`)));
      child.on('message', (message: { ready?: true }) => {
        if (message.ready) resolve();
      });
    });
    return new HaltingWorker(child, exited);
  }

  haltAt(points: Record<string, Point>, tellUse: (use: Use) => void): void {
    this.held = new Set();
    this.ended.clear();
    this.tellUse = tellUse;
    this.child.send({ points });
  }

  go(): void {
    this.child.send({ go: true });
  }

  /** What is held before a call makes it; after so many ms the worker is killed. */
  async die(afterMs: number): Promise<void> {
    this.child.send({ die: afterMs });
    await this.exited;
  }

  sleep(): void {
    this.child.kill('SIGSTOP');
  }

  /** What is held goes on where it stood, unless whoever took the tasks over has ended this worker; then it stops. */
  async wakeAndEnd(): Promise<void> {
    const isGone = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null;
    if (!isGone()) {
      this.go();
      this.child.kill('SIGCONT');
      await until(
        'every step that was asleep has ended',
        () => isGone() || [...this.held].every((site) => this.ended.has(site)),
      );
    }
    await this.stop();
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }
}
