import { dirname } from 'node:path';
import { KedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import type { Host } from '../host';
import {
  type HostKey,
  type SshPlace,
  described,
  familyOf,
  fingerprintOf,
  nameOf,
  readKnownKeys,
  refusalOf,
  typeOf,
} from './known-hosts';

/** A key that a server shows, beside what is known of the server. */
export interface OfferedKey extends HostKey {
  /**
   * `known`: nothing is to be done. `new`: no key of the server is known, or this one is one more of a server that shows a known one too.
   * `changed`: others are known, of which the server shows none any more.
   */
  readonly standing: 'known' | 'new' | 'changed';
  /** Type and fingerprint of those that are known. */
  readonly known: readonly string[];
}

/** What SSH is asked for, best first. */
const FAMILIES = ['ed25519', 'ecdsa', 'rsa'];
const ANSWER_WITHIN_S = 10;
const SCAN_WITHIN_MS = 60_000;
const MAXIMUM_BYTES = 16 * 1024 ** 2;
const HASHED = '|';

/**
 * The key that a server shows: one that is known where there is one, else the best; or the one of this fingerprint. Nothing is believed yet.
 * @throws KedgeError HostUnreachable when it shows none; HostKeyRefused for a key that is revoked, and when it has no key of the
 *   fingerprint; as {@link readKnownKeys}
 */
export async function offeredKey(
  master: Host,
  place: SshPlace,
  fingerprint: string | null,
  operation: Operation,
): Promise<OfferedKey> {
  const known = await readKnownKeys(master, place, operation);
  const shown = await shownKeys(master, place, operation);
  const isKnown = (key: HostKey): boolean => known.good.some(({ blob }) => blob.equals(key.blob));
  const [best] = shown;
  const key =
    fingerprint === null ? (shown.find(isKnown) ?? best) : shown.find((shows) => fingerprintOf(shows) === fingerprint);
  if (!key)
    throw new KedgeError(
      'HostKeyRefused',
      `${place.server} shows no key of the fingerprint ${fingerprint}: it shows ${shown.map(described).join(' and ')}`,
      {
        server: place.server,
        state: 'no key was trusted',
        hint: 'Look at the server itself which keys it has. Another one may stand in between.',
      },
    );
  if (known.revoked.some(({ blob }) => blob.equals(key.blob)))
    throw refusalOf(key.blob, known, place) ?? new KedgeError('Internal', 'a revoked key was not refused');
  const isNew = known.good.length === 0 || shown.some(isKnown);
  return {
    ...key,
    standing: isKnown(key) ? 'known' : isNew ? 'new' : 'changed',
    known: known.good.map(described),
  };
}

/**
 * Remembers the key of a server, durably, in the place of those that are known of it when it is to replace them. Other lines stay as they
 * are. A key that is known already is not written again.
 * @throws KedgeError HostKeyRefused for a line that names the server by a pattern; as {@link readKnownKeys}
 */
export async function trustKey(
  master: Host,
  place: SshPlace,
  key: HostKey,
  { replace }: { readonly replace: boolean },
  operation: Operation,
): Promise<void> {
  const path = (await master.realPath(place.knownHosts)) ?? place.knownHosts;
  await master.makeFolder(dirname(path), { mode: 0o700 });
  await master.withLock(`${path}.lock`, operation, async () => {
    const known = await readKnownKeys(master, place, operation);
    const stale = replace ? known.good.filter(({ blob }) => !blob.equals(key.blob)) : [];
    if (stale.length === 0 && known.good.some(({ blob }) => blob.equals(key.blob))) return;
    const status = await master.status(path);
    const text = status ? (await master.readFile(path, MAXIMUM_BYTES)).toString('utf8') : '';
    const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
    for (const { line } of stale) lines[line - 1] = withoutServer(lines[line - 1] ?? '', line, place);
    // What is put in the place of a line that is gone keeps the numbers of the others.
    const kept = lines.filter((line, at) => line !== '' || !stale.some((of) => of.line === at + 1));
    if (!known.good.some(({ blob }) => blob.equals(key.blob)))
      kept.push(`${nameOf(place)} ${key.type} ${key.blob.toString('base64')}`);
    await master.writeFile(path, `${kept.join('\n')}\n`, {
      mode: status?.mode ?? 0o644,
      ...(status ? { uid: status.uid, gid: status.gid } : {}),
    });
  });
}

/** A line of known hosts that does not name a server any more; empty when it names nobody then. @throws KedgeError HostKeyRefused */
function withoutServer(line: string, number: number, place: SshPlace): string {
  const [, indent = '', names = '', rest = ''] = /^(\s*)(\S+)(.*)$/.exec(line) ?? [];
  if (names.startsWith(HASHED)) return '';
  const name = nameOf(place);
  const all = names.split(',');
  const others = all.filter((other) => other.toLowerCase() !== name);
  if (others.length === all.length || others.some((other) => /[*?!]/.test(other)))
    throw new KedgeError(
      'HostKeyRefused',
      `line ${number} of ${place.knownHosts} names ${place.server} by a pattern, and other servers with it`,
      { server: place.server, state: 'no key was trusted', hint: 'Change that line by hand, then try again.' },
    );
  return others.length === 0 ? '' : `${indent}${others.join(',')}${rest}`;
}

/** The keys that a server shows, best first. @throws KedgeError HostUnreachable, ProgramMissing */
async function shownKeys(master: Host, { server, host, port }: SshPlace, operation: Operation): Promise<HostKey[]> {
  const { stdout, stderr } = await master.run({
    argv: ['ssh-keyscan', '-T', String(ANSWER_WITHIN_S), '-p', String(port), '-t', FAMILIES.join(','), '--', host],
    acceptExitCodes: [0, 1],
    limits: { timeoutMs: SCAN_WITHIN_MS },
    operation,
  });
  const keys: HostKey[] = [];
  for (const line of stdout.split('\n')) {
    const [name = '', type, text = ''] = line.split(' ');
    const blob = Buffer.from(text, 'base64');
    if (!name.startsWith('#') && type !== undefined && typeOf(blob) === type) keys.push({ type, blob });
  }
  if (keys.length > 0) return keys.sort((one, other) => rankOf(one) - rankOf(other));
  const said = stderr.split('\n').findLast((line) => line.trim() !== '' && !line.startsWith('#'));
  throw new KedgeError(
    'HostUnreachable',
    `${server} shows no key at ${host} port ${port}${said === undefined ? '' : `: ${said.trim()}`}`,
    { server, hint: 'Look whether sshd runs there, and whether a firewall lets this machine in.' },
  );
}

function rankOf(key: HostKey): number {
  return FAMILIES.indexOf(familyOf(key));
}
