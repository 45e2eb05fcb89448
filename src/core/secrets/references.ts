import { type Stats, closeSync, fstatSync, readSync } from 'node:fs';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { SecretReference } from '../../contract/target';
import { isOurs, openInTrustedFolders, ownUid } from '../../trust/trusted-path';

/** Where secrets that are no files come from; handed in, since core reads no environment. */
export interface SecretSource {
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const MAXIMUM_BYTES = 64 * 1024;
const OTHERS = 0o007;
const GROUP_WRITE = 0o020;

/**
 * Reads a referenced secret at the moment of use. One newline at the end is no part of it. A file may be a link, as
 * secret stores lay them; what it leads to is judged, and that nobody else can change the folders and links on the way.
 * @throws KedgeError SecretUnavailable when there is none; OwnerRefused when somebody else may read or change the file
 */
export async function readSecret(reference: SecretReference, source: SecretSource): Promise<string> {
  if ('env' in reference) return readVariable(reference.env, source);
  return readSecretFile(reference.file);
}

function readVariable(name: string, { environment }: SecretSource): string {
  const value = environment[name];
  if (value === undefined) throw unavailable(`the environment variable ${name}`, 'is not set');
  return secretOf(value, `the environment variable ${name}`);
}

function readSecretFile(path: string): string {
  const what = `the secret file ${path}`;
  const descriptor = openSecretFile(path, what);
  try {
    judge(fstatSync(descriptor), path);
    const buffer = Buffer.alloc(MAXIMUM_BYTES + 1);
    const bytesRead = readSync(descriptor, buffer, 0, buffer.length, 0);
    if (bytesRead > MAXIMUM_BYTES) throw unavailable(what, `is larger than ${MAXIMUM_BYTES} bytes`);
    return secretOf(decode(buffer.subarray(0, bytesRead), what), what);
  } finally {
    closeSync(descriptor);
  }
}

function openSecretFile(path: string, what: string): number {
  try {
    return openInTrustedFolders(path);
  } catch (cause) {
    if (isKedgeError(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw unavailable(what, code === 'ENOENT' ? 'does not exist' : `cannot be opened: ${code}`, cause);
  }
}

function judge(status: Stats, path: string): void {
  if (!status.isFile()) throw unavailable(`the secret file ${path}`, 'is no regular file');
  if (!isOurs(status)) {
    throw new KedgeError('OwnerRefused', `the secret file ${path} belongs to uid ${status.uid}`, {
      hint: `Run \`chown ${ownUid()} ${path}\`: only root or the worker's user may own it.`,
    });
  }
  if ((status.mode & (OTHERS | GROUP_WRITE)) !== 0) {
    throw new KedgeError(
      'OwnerRefused',
      `the secret file ${path} has mode 0${(status.mode & 0o777).toString(8)}, which lets others in`,
      { hint: `Run \`chmod 600 ${path}\`, and change the secret if others may have read it.` },
    );
  }
}

function decode(bytes: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw unavailable(what, 'is not UTF-8 text', cause);
  }
}

function secretOf(text: string, what: string): string {
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw unavailable(what, 'is empty');
  if (secret.includes('\0')) throw unavailable(what, 'holds a NUL byte');
  return secret;
}

function unavailable(what: string, why: string, cause?: unknown): KedgeError {
  return new KedgeError('SecretUnavailable', `${what} ${why}`, { cause });
}
