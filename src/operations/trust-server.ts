import type { Configuration } from '../config/schema';
import { assertSshServer } from '../config/ssh';
import { KedgeError } from '../contract/errors';
import { commandAtServer, described, familyOf, fingerprintOf } from '../core/hosts/ssh/known-hosts';
import { type OfferedKey, offeredKey, trustKey } from '../core/hosts/ssh/trust-key';
import type { Operation } from '../core/operation';
import type { Parts } from './parts';

/** A key that a server shows, for somebody to compare. */
export interface KeyOffer {
  readonly server: string;
  readonly host: string;
  readonly port: number;
  /** ED25519, ECDSA, RSA: as OpenSSH calls it. */
  readonly family: string;
  readonly type: string;
  readonly fingerprint: string;
  readonly standing: OfferedKey['standing'];
  /** Type and fingerprint of the keys that are known. */
  readonly known: readonly string[];
  readonly knownHosts: string;
  /** What prints the fingerprint at the server itself. */
  readonly commandAtServer: string;
  /** Remembers it. Does nothing for a key that is known. */
  accept(): Promise<void>;
}

/**
 * Asks a server for its key, and believes nothing yet. With `replace` it may stand in the place of others, which takes the fingerprint.
 * @throws KedgeError ServerUnknown, HostUnreachable, HostKeyRefused: for another key than that of the fingerprint, one that is revoked,
 *   and one that would replace others without `replace`
 */
export async function offerKey(
  { master }: Pick<Parts, 'master'>,
  configuration: Configuration,
  name: string,
  { fingerprint, replace }: { readonly fingerprint: string | null; readonly replace: boolean },
  operation: Operation,
): Promise<KeyOffer> {
  const { place } = assertSshServer(configuration, name);
  const key = await offeredKey(master, place, fingerprint, operation);
  if (key.standing === 'changed' && !(replace && fingerprint !== null))
    throw new KedgeError(
      'HostKeyRefused',
      `${name} shows another host key than the one that is known: it shows ${described(key)}, known is ${key.known.join(' and ')}`,
      {
        server: name,
        state: 'no key was trusted',
        hint: `Find out whether it was installed anew: \`${commandAtServer(key)}\` at the server itself prints its key. Only where that is the same, run \`kedge servers trust ${name} --replace --fingerprint ${fingerprintOf(key)}\`.`,
      },
    );
  return {
    server: name,
    host: place.host,
    port: place.port,
    family: familyOf(key).toUpperCase(),
    type: key.type,
    fingerprint: fingerprintOf(key),
    standing: key.standing,
    known: key.known,
    knownHosts: place.knownHosts,
    commandAtServer: commandAtServer(key),
    accept: () => trustKey(master, place, key, { replace: key.standing === 'changed' }, operation),
  };
}
