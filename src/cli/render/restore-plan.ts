import type { BackupRecord } from '../../contract/backup-record';
import type { RestorePlan } from '../../contract/documents';
import { backupLabel } from './backup-label';
import { sentenceOf } from '../../contract/steps';
import type { Printer } from './printer';
import { bytesText, durationText } from '../../contract/units';

/** What a restore would do, for people. */
export function restorePlanLines(
  printer: Pick<Printer, 'table'>,
  plan: RestorePlan,
  record: Pick<BackupRecord, 'created' | 'description' | 'warnings'>,
): string[] {
  const rough = plan.steps.filter(({ basis }) => basis === 'rough').length;
  const basis =
    rough === 0
      ? 'Times are expected from what earlier restores took.'
      : rough === plan.steps.length
        ? 'Times are rough: no earlier restore tells more.'
        : 'Times are expected from what earlier restores took; those with ~ are rough.';
  return [
    `Dry run: ${plan.site} would be restored to ${backupLabel(record)}. Nothing was changed.`,
    ...printer.table(
      ['Step', 'Size', 'Expected'],
      plan.steps.map(({ step, bytes, expectedMs, basis: from }) => [
        sentenceOf(step),
        bytes === null ? '' : bytesText(bytes),
        `${from === 'rough' ? '~ ' : ''}${durationText(expectedMs)}`,
      ]),
    ),
    ...printer.table(
      ['Place', 'Needs', 'Folder'],
      plan.space.map(({ place, bytes, path }) => [place, bytesText(bytes), path]),
    ),
    ...(plan.hooks.length === 0 ? [] : [`Hooks that run too: ${plan.hooks.join(', ')}`]),
    `About ${durationText(plan.expectedMs)}, ${durationText(plan.expectedDowntimeMs)} of it in maintenance. ${basis}`,
  ];
}
