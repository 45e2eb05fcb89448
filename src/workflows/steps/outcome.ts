import { shortened } from '../../contract/payload-bounds';
import { markdownText } from '../../contract/printable';
import type { BackupResult, DeployResult, RestoreResult, TaskFailureDetails, VerifyResult } from '../../contract/tasks';
import { bytesText, durationText } from '../../contract/units';

/** Results of all types of tasks, as far as the run page tells of them. */
export type Told = Partial<
  Pick<BackupResult, 'backup'> &
    Pick<RestoreResult, 'restored' | 'safetyBackup' | 'downtimeMs'> &
    Pick<DeployResult, 'deployed'> &
    Pick<VerifyResult, 'status'>
>;

/** A page of the Web UI is no log: so many warnings, each so long. */
const WARNINGS_SHOWN = 5;
const TEXT_BYTES = 500;

/** What the run page says of a task that has ended well, a line of Markdown each. */
export function linesOfSuccess(
  { backup, restored, safetyBackup, downtimeMs, deployed, status }: Told,
  { durationMs, warnings }: { readonly durationMs: number; readonly warnings: readonly string[] },
): string[] {
  const shown = warnings.slice(0, WARNINGS_SHOWN).map((warning) => `    - ${text(warning)}`);
  const more = warnings.length - shown.length;
  return [
    `**done** in ${durationText(durationMs)}`,
    '',
    ...(backup ? [`- backup: **${text(backup.id)}**, ${bytesText(backup.bytes)}, ${text(backup.path)}`] : []),
    ...(restored === undefined ? [] : [`- restored to: **${text(restored)}**`]),
    ...(deployed === undefined ? [] : [`- deployed: **${text(deployed)}**`]),
    ...(safetyBackup === undefined ? [] : [`- the state before is in the backup **${text(safetyBackup)}**`]),
    ...(downtimeMs === undefined ? [] : [`- in maintenance for ${durationText(downtimeMs)}`]),
    ...(status === undefined ? [] : [`- a page was answered with ${status}`]),
    ...(warnings.length === 0 ? [] : [`- warnings: ${warnings.length}`, ...shown]),
    ...(more > 0 ? [`    - and ${more} more, in the log of the task`] : []),
  ];
}

/** The same of one that has failed, once it is undone; or goes on behind its commit point, and `details` say so. */
export function linesOfFailure(
  { code, message }: { readonly code: string; readonly message: string },
  { state, hint, safetyBackup }: TaskFailureDetails,
  failedIn: readonly string[],
): string[] {
  return [
    code === 'Cancelled' ? '**cancelled**' : `**failed** (${code}): ${text(message)}`,
    '',
    ...(state === undefined ? [] : [`- ${text(state)}`]),
    ...(safetyBackup === undefined
      ? []
      : [`- the backup **${text(safetyBackup)}**, made before anything was changed, stays`]),
    ...(hint === undefined ? [] : [`- what to do: ${text(hint)}`]),
    ...(failedIn.length === 0 ? [] : [`- while running: ${failedIn.join(', ')}`]),
  ];
}

function text(words: string): string {
  return markdownText(shortened(words, TEXT_BYTES));
}
