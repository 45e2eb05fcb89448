import { createHash } from 'node:crypto';
import { KedgeError } from '../../../contract/errors';
import type { Operation } from '../../operation';
import type { Host } from '../host';

/** A machine as SSH names it in files of known hosts. */
export interface SshPlace {
  /** Its name in the configuration. */
  readonly server: string;
  readonly host: string;
  readonly port: number;
  /** The file of known hosts, on the master. */
  readonly knownHosts: string;
}

/** A public key, as SSH writes it down: its type, and all of it (RFC 4253, 6.6). */
export interface HostKey {
  readonly type: string;
  readonly blob: Buffer;
}

/** A key that the file of known hosts has for a machine. */
export interface KnownKey extends HostKey {
  /** Where it stands, from 1. */
  readonly line: number;
}

export interface KnownKeys {
  readonly good: readonly KnownKey[];
  readonly revoked: readonly KnownKey[];
}

const DEFAULT_PORT = 22;
/** ssh-keygen's word for a name that it did not find. */
const NOT_FOUND = 1;

/**
 * What the file of known hosts says of a machine: plain and hashed names, patterns, revoked keys. Read by OpenSSH's own program.
 * Certificates of hosts are not known here, so that their authorities are no keys.
 * @throws KedgeError OwnerRefused when others than root and the worker can write the file; ProgramMissing
 */
export async function readKnownKeys(master: Host, place: SshPlace, operation: Operation): Promise<KnownKeys> {
  const { knownHosts } = place;
  await master.assertTrusted(knownHosts);
  if ((await master.realPath(knownHosts)) === null || (await master.status(knownHosts)) === undefined)
    return { good: [], revoked: [] };
  const { stdout } = await master.run({
    argv: ['ssh-keygen', '-F', nameOf(place), '-f', knownHosts],
    acceptExitCodes: [0, NOT_FOUND],
    operation,
  });
  const good: KnownKey[] = [];
  const revoked: KnownKey[] = [];
  let line = 0;
  for (const said of stdout.split('\n')) {
    const words = said.trim().split(/\s+/);
    line = Number(/^# Host .* found: line (\d+)/.exec(said)?.[1] ?? line);
    if (said.startsWith('#') || words.length < 3) continue;
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [, type = '', text = ''] = words;
    const blob = Buffer.from(text, 'base64');
    if (marker === undefined) good.push({ type, blob, line });
    else if (marker === '@revoked') revoked.push({ type, blob, line });
  }
  return { good, revoked };
}

/** Null for a key that is known, and not revoked; else why nothing is said to who shows it: HostKeyRefused. */
export function refusalOf(blob: Buffer, known: KnownKeys, place: SshPlace): KedgeError | null {
  const shown: HostKey = { type: typeOf(blob), blob };
  const same = (key: HostKey): boolean => key.blob.equals(blob);
  const { server, knownHosts } = place;
  const refused = (message: string, hint: string): KedgeError =>
    new KedgeError('HostKeyRefused', message, { server, hint });
  const atServer = `\`${commandAtServer(shown)}\` at the server itself`;
  if (known.revoked.some(same))
    return refused(
      `${server} shows a host key that is revoked in ${knownHosts}: ${described(shown)}`,
      `Whoever has this key may not be ${server}: find out, at the server itself, why it shows it, and give it a new one.`,
    );
  if (known.good.some(same)) return null;
  if (known.good.length === 0)
    return refused(
      `no host key of ${server} (${nameOf(place)}) is known in ${knownHosts}; it shows ${described(shown)}`,
      `Run \`kedge servers trust ${server}\`, and compare that with ${atServer}.`,
    );
  return refused(
    `${server} shows another host key than the one that is known: it shows ${described(shown)}, known is ${known.good.map(described).join(' and ')}`,
    `Was it installed anew, or does somebody stand in between? Compare \`ssh-keygen -l -F '${nameOf(place)}' -f ${knownHosts}\` with ${atServer}. Where it has a new key: \`kedge servers trust ${server} --replace --fingerprint …\`.`,
  );
}

/** Algorithms by which a server may show its key, those of known keys first: a server has keys of several types. */
export function algorithmsFor({ good }: KnownKeys): (typeof ALGORITHMS)[number][] {
  const isKnown = (algorithm: string): boolean => good.some(({ type }) => typesOf(algorithm).includes(type));
  return [...ALGORITHMS.filter(isKnown), ...ALGORITHMS.filter((algorithm) => !isKnown(algorithm))];
}

/** Best first. */
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

/** Types of keys that an algorithm signs with. */
function typesOf(algorithm: string): string[] {
  return algorithm.startsWith('rsa-') ? ['ssh-rsa'] : [algorithm];
}

/** As the file names a machine: in lower case, with its port where that is another one. */
export function nameOf({ host, port }: Pick<SshPlace, 'host' | 'port'>): string {
  const name = host.toLowerCase();
  return port === DEFAULT_PORT ? name : `[${name}]:${port}`;
}

/** As OpenSSH prints it: `SHA256:` and 43 characters. */
export function fingerprintOf({ blob }: Pick<HostKey, 'blob'>): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The type as OpenSSH's programs call it: ed25519, ecdsa, rsa. */
export function familyOf({ type }: Pick<HostKey, 'type'>): string {
  return type.replace(/^(ssh-|ecdsa-)(\w+).*$/, (_, family: string, name: string) =>
    family === 'ecdsa-' ? 'ecdsa' : name,
  );
}

/** What prints the fingerprint of a key where nobody stands in between. */
export function commandAtServer(key: Pick<HostKey, 'type'>): string {
  return `ssh-keygen -lf /etc/ssh/ssh_host_${familyOf(key)}_key.pub`;
}

/** Type and fingerprint. */
export function described(key: HostKey): string {
  return `${key.type} ${fingerprintOf(key)}`;
}

/** The type stands in front, behind its length. What was shown is not believed to be a key. */
export function typeOf(blob: Buffer): string {
  const length = blob.length < 4 ? 0 : blob.readUInt32BE(0);
  const type = blob.subarray(4, 4 + length).toString('latin1');
  return /^[\w.@-]{1,64}$/.test(type) ? type : 'a key of no known type';
}
