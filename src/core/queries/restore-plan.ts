import type { RestorePlan } from '../../contract/documents';
import { type Moved, finishOf, planOf, stepOf } from '../../contract/steps';
import type { StepDuration } from './durations';

/** Bytes a restore will move. */
export type RestoreBytes = Readonly<Record<Moved, number>>;

/** Taken for granted of a step where no task tells, whatever it moves. */
const ROUGH_MS = 200;
/** Between the end of a step and the beginning of the next. */
const BETWEEN_STEPS_MS = 100;

/** Hooks are told by name: how long they take nobody knows. */
const RESTORE = { type: 'restore', quiesce: true, hooks: [] } as const;

/** What a restore would do, how much each step moves, and how long it is to be expected to take. */
export function planRestore(
  bytes: RestoreBytes,
  durations: readonly StepDuration[],
): Pick<RestorePlan, 'steps' | 'expectedMs' | 'expectedDowntimeMs'> {
  const steps = [...planOf(RESTORE), ...finishOf(RESTORE)].map((step) => {
    const { moves } = stepOf(step);
    const moved = moves === undefined ? null : bytes[moves.bytesOf];
    const earlier = durations.filter((duration) => duration.step === step);
    const fromTasks = expectedFrom(earlier, moved);
    const rough = ROUGH_MS + (moves === undefined ? 0 : (bytes[moves.bytesOf] / moves.bytesPerSecond) * 1000);
    return {
      step,
      bytes: moved,
      expectedMs: Math.round(fromTasks ?? rough),
      basis: fromTasks === null ? ('rough' as const) : ('tasks' as const),
    };
  });
  const total = (some: readonly { expectedMs: number }[]): number =>
    some.reduce((sum, { expectedMs }) => sum + expectedMs + BETWEEN_STEPS_MS, 0);
  return {
    steps,
    expectedMs: total(steps),
    expectedDowntimeMs: total(steps.filter(({ step }) => stepOf(step).phase === 'shut')),
  };
}

/** By the rate of the earlier ones where bytes are known of both, else their median. Null without any. */
function expectedFrom(earlier: readonly StepDuration[], moved: number | null): number | null {
  const counted = earlier.filter(({ bytes = 0 }) => bytes > 0);
  if (moved !== null && counted.length > 0) {
    const sum = counted.reduce(
      (all, { bytes = 0, durationMs }) => ({ bytes: all.bytes + bytes, ms: all.ms + durationMs }),
      {
        bytes: 0,
        ms: 0,
      },
    );
    return (sum.ms / sum.bytes) * moved;
  }
  const sorted = earlier.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
