import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../../scripts/lab/free-port';
import { createLocalHost } from '../../../../src/core/hosts/local-host';
import { offeredKey, trustKey } from '../../../../src/core/hosts/ssh/trust-key';
import { testOperation } from '../../../helpers/operation';
import { type PrivateSshd, startSshd } from '../../../helpers/private-sshd';

const master = createLocalHost({ name: 'here' });
let sshd: PrivateSshd;
beforeAll(async () => {
  sshd = await startSshd();
  for (const key of ['other', 'third']) sshd.makeKey(key);
});
afterAll(() => sshd.remove());

let files = 0;
/** The server, and a fresh file of known hosts with these lines. */
function placeWith(...lines: string[]) {
  return { ...sshd.address, knownHosts: sshd.know(`known_${(files += 1)}`, ...lines) };
}
const name = (): string => `[127.0.0.1]:${sshd.port}`;
const fingerprintOf = (key: string): string =>
  execFileSync('ssh-keygen', ['-lf', join(sshd.folder, `${key}.pub`)], { encoding: 'utf8' }).split(' ')[1] ?? '';
const offer = (place: ReturnType<typeof placeWith>, fingerprint: string | null = null) =>
  offeredKey(master, place, fingerprint, testOperation());
const linesOf = ({ knownHosts }: { knownHosts: string }): string[] =>
  readFileSync(knownHosts, 'utf8').trimEnd().split('\n');

describe('the key that is offered', () => {
  test('is the best of an unknown server, and the one that is known of a known one', async () => {
    expect(await offer(placeWith('# nothing'))).toMatchObject({ type: 'ssh-ed25519', standing: 'new', known: [] });
    expect(await offer(placeWith(sshd.publicKey('host_ecdsa')))).toMatchObject({
      type: 'ecdsa-sha2-nistp256',
      standing: 'known',
      known: [`ecdsa-sha2-nistp256 ${fingerprintOf('host_ecdsa')}`],
    });
  });

  test('is another than the known ones when the server shows none of them', async () => {
    expect(await offer(placeWith(sshd.publicKey('other')))).toMatchObject({
      type: 'ssh-ed25519',
      standing: 'changed',
      known: [`ssh-ed25519 ${fingerprintOf('other')}`],
    });
  });

  test('is the one of the fingerprint; one more of a server that is known is no change', async () => {
    const place = placeWith(sshd.publicKey('host_ed25519'));
    expect(await offer(place, fingerprintOf('host_ecdsa'))).toMatchObject({
      type: 'ecdsa-sha2-nistp256',
      standing: 'new',
    });
    await expect(offer(place, fingerprintOf('other'))).rejects.toMatchObject({
      code: 'HostKeyRefused',
      message: expect.stringContaining(`ssh-ed25519 ${fingerprintOf('host_ed25519')}`),
    });
  });

  test('is refused when it is revoked, whatever fingerprint is given', async () => {
    const place = placeWith(`@revoked * ${sshd.publicKey('host_ed25519')}`);
    for (const fingerprint of [null, fingerprintOf('host_ed25519')])
      await expect(offer(place, fingerprint)).rejects.toMatchObject({
        code: 'HostKeyRefused',
        message: expect.stringContaining('revoked'),
      });
  });

  test('of a server where nobody listens is none', async () => {
    const port = await freePort();
    await expect(offer({ ...placeWith('# nothing'), port })).rejects.toMatchObject({
      code: 'HostUnreachable',
      message: expect.stringContaining(`web1 shows no key at 127.0.0.1 port ${port}`),
    });
  });

  test('is not compared with a file that others can write', async () => {
    const place = placeWith('# nothing');
    chmodSync(place.knownHosts, 0o666);
    await expect(offer(place)).rejects.toMatchObject({ code: 'OwnerRefused' });
  });
});

describe('a key that is trusted', () => {
  const trust = async (place: ReturnType<typeof placeWith>, replace = false) =>
    trustKey(master, place, await offer(place), { replace }, testOperation());

  test('is known to the next connection, and written once', async () => {
    const place = { ...placeWith('# nothing'), knownHosts: join(sshd.folder, 'new', 'known_hosts') };
    await trust(place);
    const host = sshd.host({ knownHosts: place.knownHosts });
    await host.connect();
    await host.close();
    const before = readFileSync(place.knownHosts, 'utf8');
    expect(before).toBe(`${name()} ${sshd.publicKey('host_ed25519')}\n`);
    await trust(place);
    expect(readFileSync(place.knownHosts, 'utf8')).toBe(before);
    expect(existsSync(`${place.knownHosts}.new`)).toBe(false);
  });

  test('leaves what else is known as it is, and the mode of the file', async () => {
    const others = ['# words', '', `elsewhere.example ${sshd.publicKey('other')}`];
    const place = placeWith(...others);
    chmodSync(place.knownHosts, 0o600);
    await trust(place);
    expect(linesOf(place)).toEqual([...others, `${name()} ${sshd.publicKey('host_ed25519')}`]);
    expect(statSync(place.knownHosts).mode & 0o777).toBe(0o600);
  });

  test('stands beside another one, unless it is to replace it', async () => {
    const place = placeWith(sshd.publicKey('other'));
    await trust(place);
    expect(linesOf(place)).toHaveLength(2);
    await trust(place, true);
    expect(linesOf(place)).toEqual([`${name()} ${sshd.publicKey('host_ed25519')}`]);
  });

  test('replaces what is known of that server alone: plain, hashed, and in a list', async () => {
    const place = placeWith(
      sshd.publicKey('other'),
      '# words',
      `other.example,${name()},192.0.2.1 ${sshd.publicKey('third')} comment`,
      '',
      `elsewhere.example ${sshd.publicKey('other')}`,
    );
    const hashed = placeWith(sshd.publicKey('other'));
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hashed.knownHosts], { stdio: 'ignore' });
    await trust(hashed, true);
    await trust(place, true);
    const now = `${name()} ${sshd.publicKey('host_ed25519')}`;
    expect(linesOf(hashed)).toEqual([now]);
    expect(linesOf(place)).toEqual([
      '# words',
      `other.example,192.0.2.1 ${sshd.publicKey('third')} comment`,
      '',
      `elsewhere.example ${sshd.publicKey('other')}`,
      now,
    ]);
  });

  test('replaces no line that means other servers too, and changes nothing then', async () => {
    const line = `[127.0.0.*]:* ${sshd.publicKey('other')}`;
    const place = placeWith(sshd.publicKey('third'), line);
    const before = readFileSync(place.knownHosts, 'utf8');
    await expect(trust(place, true)).rejects.toMatchObject({
      code: 'HostKeyRefused',
      message: expect.stringContaining('line 2'),
      state: 'no key was trusted',
    });
    expect(readFileSync(place.knownHosts, 'utf8')).toBe(before);
  });

  test('of many servers at one time are all kept', async () => {
    const place = placeWith('# nothing');
    const key = await offer(place);
    const places = Array.from({ length: 8 }, (_, at) => ({ ...place, port: 2000 + at }));
    await Promise.all(places.map((each) => trustKey(master, each, key, { replace: false }, testOperation())));
    expect(linesOf(place)).toHaveLength(1 + places.length);
  });
});
