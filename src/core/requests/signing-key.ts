import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SecretReference } from '../../contract/target';
import { createFile } from '../hosts/create-file';
import type { Host } from '../hosts/host';
import { type SecretSource, readSecret } from '../secrets/references';

/** Shorter ones could be guessed. */
const MINIMUM_BYTES = 32;

/**
 * Reads a key that requests are signed with: its text, as it stands.
 * @throws KedgeError SecretUnavailable, also for one that is too short; OwnerRefused
 */
export async function readSigningKey(reference: SecretReference, source: SecretSource): Promise<string> {
  const key = await readSecret(reference, source);
  if (Buffer.byteLength(key) >= MINIMUM_BYTES) return key;
  const place = 'file' in reference ? reference.file : `the environment variable ${reference.env}`;
  throw new KedgeError('SecretUnavailable', `the signing key in ${place} is shorter than ${MINIMUM_BYTES} characters`, {
    hint: 'Move it away; `kedge up` makes another, or `head -c 32 /dev/urandom | base64`.',
  });
}

/**
 * Makes a key of 32 random bytes, 0600 and the worker's own, where there is none; it appears whole, and never replaces a file. Returns
 * whether it was made. @throws KedgeError OwnerRefused in a folder that others can change
 */
export async function makeSigningKey(host: Host, path: string): Promise<boolean> {
  if ((await host.status(path)) !== undefined) return false;
  await host.makeFolder(dirname(path), { mode: 0o755 });
  await host.assertTrusted(dirname(path));
  return createFile(host, path, `${randomBytes(32).toString('base64url')}\n`);
}
