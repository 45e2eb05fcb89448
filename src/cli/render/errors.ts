import type { createColors } from 'picocolors';
import { isKedgeError } from '../../contract/errors';

/** The JSON document of a failed command. */
export function errorDocument(error: unknown): { error: Record<string, string> } {
  if (!isKedgeError(error)) return { error: { code: 'Internal', message: messageOf(error) } };
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

/** What failed, where, what state things are in now, and what to do. */
export function errorLines(error: unknown, colors: ReturnType<typeof createColors>): string[] {
  const label = colors.red('error:');
  if (!isKedgeError(error)) return [`${label} ${messageOf(error)}`];
  const safetyBackup = safetyBackupOf(error);
  return [
    `${label} ${error.message} (${error.code})`,
    ...(error.state === undefined ? [] : [`  state: ${error.state}`]),
    ...(safetyBackup === undefined ? [] : [`  safety backup: ${safetyBackup}`]),
    `  ${colors.bold('hint:')} ${error.hint}`,
  ];
}

function safetyBackupOf(error: object): string | undefined {
  return 'safetyBackup' in error && typeof error.safetyBackup === 'string' ? error.safetyBackup : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
