import { Context } from '@temporalio/activity';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { KedgeError } from '../../src/contract/errors';
import { siteOfTask } from '../../src/contract/names';

/** A step of a task at which its attempts are to stand: before they do anything, or when they have done everything. */
export interface GatePoint {
  readonly activity: string;
  /** Which activity of that name in the task: hooks have one name. */
  readonly occurrence: number;
  readonly when: 'before' | 'after';
}

/** An attempt that stands. */
export interface Standing {
  readonly point: GatePoint;
  /** Lets it go on. */
  open(): void;
  /** Why it does not stand any more: it was let go on, or told to end. */
  readonly left: Promise<'opened' | 'told to end'>;
}

/** Where the task of one site is held. */
export class Gate {
  private readonly activityIds = new Map<string, string[]>();
  private readonly arrived: Standing[] = [];
  private tell: () => void = () => undefined;
  private readonly passed = new Set<GatePoint>();

  constructor(
    private readonly points: readonly GatePoint[],
    /** The step that fails, for good. */
    readonly fails: string | null,
  ) {}

  /** The next attempt that stands, at a certain point or at any; null when `over` comes first. */
  async next(over: Promise<unknown>, at?: GatePoint): Promise<Standing | null> {
    const shift = (): Standing | null => {
      const place = this.arrived.findIndex(({ point }) => at === undefined || point === at);
      return place === -1 ? null : (this.arrived.splice(place, 1)[0] ?? null);
    };
    for (;;) {
      const first = shift();
      if (first) return first;
      const arriving = new Promise<'arrived'>((resolve) => (this.tell = () => resolve('arrived')));
      if ((await Promise.race([arriving, over.then(() => 'over')])) === 'over') return shift();
    }
  }

  /** Nothing stands at this point any more. */
  pass(point: GatePoint): void {
    this.passed.add(point);
    // An attempt that Temporal gave up has a successor, which stands too.
    for (const standing of this.arrived.filter((one) => one.point === point)) standing.open();
    this.arrived.splice(0, this.arrived.length, ...this.arrived.filter((one) => one.point !== point));
  }

  /** Stands, where an attempt is to. @throws what it is told to end with */
  async stand(activity: string, when: GatePoint['when'], signal: AbortSignal): Promise<void> {
    const occurrence = this.occurrenceOf(activity);
    const point = this.points.find(
      (one) => one.activity === activity && one.occurrence === occurrence && one.when === when,
    );
    if (!point || this.passed.has(point)) return;
    let open: () => void = () => undefined;
    const left = new Promise<'opened' | 'told to end'>((resolve) => {
      open = () => resolve('opened');
      if (signal.aborted) resolve('told to end');
      signal.addEventListener('abort', () => resolve('told to end'), { once: true });
    });
    this.arrived.push({ point, open, left });
    this.tell();
    await left;
    signal.throwIfAborted();
  }

  private occurrenceOf(activity: string): number {
    const { activityId } = Context.current().info;
    const known = this.activityIds.get(activity) ?? [];
    if (!known.includes(activityId)) known.push(activityId);
    this.activityIds.set(activity, known);
    return known.indexOf(activityId) + 1;
  }
}

/** Puts gates around every step of a worker in this process. */
export class Gates {
  private readonly bySite = new Map<string, Gate>();

  set(site: string, gate: Gate | null): void {
    if (gate) this.bySite.set(site, gate);
    else this.bySite.delete(site);
  }

  readonly around = (real: ActivityDependencies): ActivityDependencies => {
    const { attempts } = real;
    const gated = Object.create(attempts, {
      run: { value: (...args: Parameters<typeof attempts.run>) => this.run(attempts, ...args) },
    }) as typeof attempts;
    return { ...real, attempts: gated };
  };

  private async run<T>(
    attempts: ActivityDependencies['attempts'],
    task: string,
    step: string,
    signal: AbortSignal,
    body: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const gate = this.bySite.get(siteOfTask(task) ?? '');
    return attempts.run(task, step, signal, async (told) => {
      await gate?.stand(step, 'before', told);
      if (gate?.fails === step) throw new KedgeError('Internal', `${step} was made to fail`);
      const value = await body(told);
      await gate?.stand(step, 'after', told);
      return value;
    });
  }
}
