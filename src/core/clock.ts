import { readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * A moment by the boot's monotonic clock, which nobody sets: all processes of a boot share it, and it stands still while the
 * machine sleeps (man 2 clock_gettime, CLOCK_MONOTONIC).
 */
export const bootMomentSchema = z.strictObject({
  /** Of which boot, by /proc/sys/kernel/random/boot_id. */
  boot: z.string(),
  /** Since the boot, ms. */
  ms: z.number(),
});
export type BootMoment = z.infer<typeof bootMomentSchema>;

let boot: string | undefined;

/** This moment by the boot's clock. */
export function bootNow(): BootMoment {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { boot, ms: Number(process.hrtime.bigint() / 1_000_000n) };
}

/** Whole milliseconds by a clock that nobody sets, as Node's timers take them; for durations within one process. */
export function monotonicMs(): number {
  return Math.floor(performance.now());
}
