/** How sizes, durations and times are written, in a terminal and in the Temporal Web UI. Free of zod: workflow code imports it. */
import type { Progress } from './tasks';

/** `1.2 MB`, in powers of a thousand, as disks are sold and `ls --si` shows. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `1.2 MB of 3.4 MB (35 %)`, the bytes alone while nobody knows the whole; empty before anything is known. */
export function progressText({ bytes, totalBytes }: Progress): string {
  if (bytes === undefined) return '';
  if (totalBytes === undefined) return bytesText(bytes);
  // What is not all is not 100 %.
  const percent = totalBytes > 0 && bytes <= totalBytes ? ` (${Math.floor((100 * bytes) / totalBytes)} %)` : '';
  return `${bytesText(bytes)} of ${bytesText(totalBytes)}${percent}`;
}

/** `0.4 s`, `12 s`, `3 min 20 s`. */
export function durationText(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** `2026-11-24 03:15:02 UTC`. */
export function timeText(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}
