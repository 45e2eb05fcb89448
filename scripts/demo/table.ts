import { bytesText, durationText } from '../../src/contract/units';

export interface Row {
  step: string;
  ms: number;
  bytes?: number;
  downtimeMs?: number;
}

const WIDTHS = [10, 10, 10, 10];

/** Step, time, bytes, downtime. */
export function tableOf(rows: readonly Row[]): string[] {
  return [
    ['step', 'time', 'bytes', 'downtime'],
    ...rows.map(({ step, ms, bytes, downtimeMs }) => [
      step,
      durationText(ms),
      bytes === undefined ? '' : bytesText(bytes),
      downtimeMs === undefined ? '' : durationText(downtimeMs),
    ]),
  ].map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(WIDTHS[column] ?? 0) : cell.padStart(WIDTHS[column] ?? 0)))
      .join('')
      .trimEnd(),
  );
}
