import { type StepName, planOf } from '../../src/contract/steps';
import type { TaskType } from '../../src/contract/names';
import { Draw } from '../lab/draw';

/*
 * What happens in a round, drawn from the seed and the round's number alone: the same on every machine. Nothing here waits for
 * a time of day; a fault comes when a task has come to a step, so that a replay meets the same places on a slower machine.
 */

export const KINDS = ['backup', 'quiesced backup', 'restore', 'deploy', 'verify'] as const;
export type Kind = (typeof KINDS)[number];

const TYPE_OF: Record<Kind, TaskType> = {
  backup: 'backup',
  'quiesced backup': 'backup',
  restore: 'restore',
  deploy: 'deploy',
  verify: 'verify',
};

/** A task on a site; null lets the site be, beside the others. */
export interface PlannedTask {
  readonly site: number;
  readonly kind: Kind | null;
  /** What a restore goes back to: the backup the site began with, or the newest one an earlier round made, if there is any. */
  readonly source: 'first' | 'newest';
}

/** Where a task is when something happens: a step has begun, its undo has, or it is committed. */
export type Moment = StepName | 'undo' | 'commit';

export const FAULTS = [
  'kill worker',
  'kill both workers',
  'pause worker',
  'kill Temporal',
  'kill MariaDB',
  'kill PHP-FPM',
  'kill nginx',
  'fill disk',
  'cancel',
  'sites online',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Whose task tells when; of `cancel` and `sites online` it is also the one it is done to. */
  readonly site: number;
  readonly moment: Moment;
  /** How long after that moment, ms. */
  readonly afterMs: number;
  /** How long what was killed stays away, what was paused sleeps, what was filled is full: ms. */
  readonly forMs: number;
  /** Which of the two workers. */
  readonly worker: 0 | 1;
}

export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  readonly tasks: readonly PlannedTask[];
  readonly faults: readonly PlannedFault[];
}

export interface PlanOptions {
  readonly sites: number;
  /** False where no disk can be mounted. */
  readonly canFillDisk: boolean;
}

/** Restores, which do everything, come most often. */
const KINDS_DRAWN: readonly (Kind | null)[] = [
  ...Array.from({ length: 8 }, (): Kind => 'restore'),
  ...Array.from({ length: 4 }, (): Kind => 'deploy'),
  ...Array.from({ length: 3 }, (): Kind => 'quiesced backup'),
  ...Array.from({ length: 3 }, (): Kind => 'backup'),
  'verify',
  null,
];

const FAULTS_DRAWN: readonly FaultKind[] = [
  ...Array.from({ length: 4 }, (): FaultKind => 'kill worker'),
  ...Array.from({ length: 4 }, (): FaultKind => 'pause worker'),
  ...Array.from({ length: 2 }, (): FaultKind => 'kill both workers'),
  ...Array.from({ length: 2 }, (): FaultKind => 'kill Temporal'),
  ...Array.from({ length: 2 }, (): FaultKind => 'kill MariaDB'),
  'kill PHP-FPM',
  'kill nginx',
  'fill disk',
  ...Array.from({ length: 2 }, (): FaultKind => 'cancel'),
  ...Array.from({ length: 2 }, (): FaultKind => 'sites online'),
];

/** The plan of a round. */
export function planRound(seed: number, round: number, { sites, canFillDisk }: PlanOptions): RoundPlan {
  const draw = new Draw(seed, 'round', round);
  const tasks = Array.from({ length: sites }, (_, site): PlannedTask => ({
    site,
    kind: draw.of(KINDS_DRAWN),
    source: draw.of(['first', 'newest']),
  }));
  const busy = tasks.filter(({ kind }) => kind !== null);
  const kinds = FAULTS_DRAWN.filter((kind) => canFillDisk || kind !== 'fill disk');
  const faults = busy.length === 0 ? [] : Array.from({ length: draw.between(1, 4) }, () => fault(draw, kinds, busy));
  return { seed, round, tasks, faults };
}

function fault(draw: Draw, kinds: readonly FaultKind[], busy: readonly PlannedTask[]): PlannedFault {
  const { site, kind: task } = draw.of(busy);
  const kind = draw.of(kinds);
  return {
    kind,
    site,
    moment: draw.of(momentsOf(task ?? 'verify')),
    afterMs: draw.of([0, 0, draw.below(50), draw.below(400)]),
    // A pause is long enough for Temporal to give the attempt up, or not.
    forMs: kind === 'pause worker' ? draw.of([draw.below(3_000), draw.between(11_000, 25_000)]) : draw.below(4_000),
    worker: draw.of([0, 1]),
  };
}

/** Every moment of a task that something can wait for. */
export function momentsOf(kind: Kind): Moment[] {
  const steps = planOf({ type: TYPE_OF[kind], quiesce: kind === 'quiesced backup', hooks: [] });
  return [...steps, 'undo', ...(steps.includes('commitSwitch') ? (['commit'] as const) : [])];
}

/** A round in a few lines. */
export function describePlan({ seed, round, tasks, faults }: RoundPlan, names: readonly string[]): string[] {
  const nameOf = (site: number): string => names[site] ?? `site ${site}`;
  const what = tasks.map(({ site, kind, source }) => {
    const how = kind === 'restore' ? `restore to its ${source} backup` : (kind ?? 'nothing');
    return `${nameOf(site)}: ${how}`;
  });
  return [
    `round ${round} of seed ${seed}: ${what.join(', ')}`,
    ...faults.map((one) => `  ${describeFault(one, nameOf(one.site))}`),
  ];
}

export function describeFault({ kind, moment, afterMs, forMs, worker }: PlannedFault, site: string): string {
  const whom = kind === 'kill worker' || kind === 'pause worker' ? `${kind} ${worker + 1}` : kind;
  const upon = kind === 'cancel' || kind === 'sites online' ? `${whom} ${site}` : `${whom} for ${forMs} ms`;
  return `${upon}, ${afterMs} ms after ${moment} of ${site}`;
}
