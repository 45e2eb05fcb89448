import type { RestorePlan } from '../../contract/documents';
import type { StepDuration } from './durations';

/** Bytes a restore will move. */
export interface RestoreBytes {
  /** The archive that is restored. */
  readonly archive: number;
  /** The dump in it. */
  readonly dump: number;
  /** What the safety backup will take: its archive, and its dump. */
  readonly safetyArchive: number;
  readonly safetyDump: number;
}

type BytesKey = keyof RestoreBytes;

/** The steps of a restore in their order, with what each moves. test/e2e/dry-run.test.ts holds them against a real one. */
const STEPS: readonly (readonly [step: string, moves: BytesKey | null])[] = [
  ['preflight', 'archive'],
  ['enterMaintenance', null],
  ['fenceWrites', null],
  ['syncRemote', null],
  ['dumpDatabase', 'safetyDump'],
  ['tarball', 'safetyArchive'],
  ['publishBackup', 'safetyArchive'],
  ['deploy', 'archive'],
  ['createDatabase', null],
  ['importDatabase', 'dump'],
  ['createDbUser', null],
  ['verify', null],
  ['switchSite', null],
  ['reloadWebServer', null],
  ['probeSite', null],
  ['commitSwitch', null],
  ['endMaintenance', null],
  ['discardPrevious', null],
  ['discardReplacedDatabase', null],
  ['discardSpool', null],
];

/** Taken for granted where no task tells, in bytes a second; of the archive where that is what a step counts. */
const ROUGH_RATES: Readonly<Record<string, number>> = {
  preflight: 60e6,
  dumpDatabase: 40e6,
  tarball: 20e6,
  publishBackup: 60e6,
  deploy: 20e6,
  importDatabase: 8e6,
};
const ROUGH_MS = 200;
/** Between the end of a step and the beginning of the next. */
const BETWEEN_STEPS_MS = 100;

/** What a restore would do, how much each step moves, and how long it is to be expected to take. */
export function planRestore(
  bytes: RestoreBytes,
  durations: readonly StepDuration[],
): Pick<RestorePlan, 'steps' | 'expectedMs' | 'expectedDowntimeMs'> {
  const steps = STEPS.map(([step, moves]) => {
    const moved = moves === null ? null : bytes[moves];
    const earlier = durations.filter((duration) => duration.step === step);
    const fromTasks = expectedFrom(earlier, moved);
    const rate = ROUGH_RATES[step];
    const rough = ROUGH_MS + (rate === undefined || moved === null ? 0 : (moved / rate) * 1000);
    return {
      step,
      bytes: moved,
      expectedMs: Math.round(fromTasks ?? rough),
      basis: fromTasks === null ? ('rough' as const) : ('tasks' as const),
    };
  });
  const total = (some: readonly { expectedMs: number }[]): number =>
    some.reduce((sum, { expectedMs }) => sum + expectedMs + BETWEEN_STEPS_MS, 0);
  const indexOf = (name: string): number => steps.findIndex(({ step }) => step === name);
  return {
    steps,
    expectedMs: total(steps),
    expectedDowntimeMs: total(steps.slice(indexOf('enterMaintenance') + 1, indexOf('endMaintenance') + 1)),
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
