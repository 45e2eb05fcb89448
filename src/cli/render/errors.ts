import type { createColors } from 'picocolors';
import { isKedgeError } from '../../contract/errors';
import { printable, printableLines } from '../../contract/printable';
import { messageOfError } from '../../contract/schema-issues';

/** The JSON document of a failed command. */
export function errorDocument(error: unknown): { error: Record<string, string> } {
  if (!isKedgeError(error)) return { error: { code: 'Internal', message: messageOfError(error) } };
  const { code, message, hint, site, server, state } = error;
  const safetyBackup = safetyBackupOf(error);
  return {
    error: {
      code,
      message,
      hint,
      ...(site === undefined ? {} : { site }),
      ...(server === undefined ? {} : { server }),
      ...(state === undefined ? {} : { state }),
      ...(safetyBackup === undefined ? {} : { safetyBackup }),
    },
  };
}

/**
 * What failed, where, what state things are in now, and what to do. A message of several lines is indented from the second on, so
 * that none of them looks like a line of ours.
 */
export function errorLines(error: unknown, colors: ReturnType<typeof createColors>): string[] {
  const label = colors.red('error:');
  const message = printableLines(messageOfError(error)).join('\n  ');
  if (!isKedgeError(error)) return `${label} ${message}`.split('\n');
  const safetyBackup = safetyBackupOf(error);
  return [
    ...`${label} ${message} (${error.code})`.split('\n'),
    ...(error.state === undefined ? [] : [`  state: ${printable(error.state)}`]),
    ...(safetyBackup === undefined ? [] : [`  safety backup: ${printable(safetyBackup)}`]),
    `  ${colors.bold('hint:')} ${printable(error.hint)}`,
  ];
}

function safetyBackupOf(error: object): string | undefined {
  return 'safetyBackup' in error && typeof error.safetyBackup === 'string' ? error.safetyBackup : undefined;
}
