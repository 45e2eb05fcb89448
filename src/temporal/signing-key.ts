import { readFile } from 'node:fs/promises';
import { KedgeError } from '../contract/errors';
import type { TaskType } from '../contract/names';

/** A signing key, or how it is found for a type of task; null where it is asked for without a signature. */
export type SigningKey = string | ((type: TaskType) => Promise<string | null>);

/** The signing key in the file that KEDGE_SIGNING_KEY_FILE names; null without the variable. @throws KedgeError SecretUnavailable */
export async function signingKeyOf(environment: Record<string, string | undefined>): Promise<string | null> {
  const path = environment['KEDGE_SIGNING_KEY_FILE'];
  if (path === undefined) return null;
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new KedgeError(
      'SecretUnavailable',
      `the signing key ${path} cannot be read: ${cause.code ?? cause.message}`,
      {
        cause,
        hint: 'Correct KEDGE_SIGNING_KEY_FILE, or let this account read the file.',
      },
    );
  });
}
