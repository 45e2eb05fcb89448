import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import type { TaskType } from '../../../src/contract/names';
import { KedgeError } from '../../../src/contract/errors';
import type { RequestSignature } from '../../../src/contract/tasks';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { type Request, type RequestRules, RequestAuthority } from '../../../src/core/requests/request-authority';
import { RequestRecords } from '../../../src/core/requests/request-records';
import { signRequest } from '../../../src/temporal/sign-request';

const KEY = 'k'.repeat(43);
const OTHER_KEY = 'o'.repeat(43);
const SITE = 'example.com';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RUN = { task: `${SITE}-20261124.031502-restore`, runId: 'first' };
const OTHER_RUN = { ...RUN, runId: 'second' };

let folder: string;
let records: RequestRecords;
let rules: RequestRules;
let secrets: Record<string, string>;
let clockMs: number;
let authority: RequestAuthority;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-requests-');
  const host = createLocalHost({ name: 'lab' });
  records = new RequestRecords(join(folder, 'requests'), host);
  rules = {
    keys: [{ env: 'now' }, { env: 'before' }],
    signed: ['restore', 'deploy'],
    archiveFolders: ['/srv/archives'],
  };
  secrets = { now: KEY, before: OTHER_KEY };
  clockMs = 0;
  authority = authorityOf(records);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function authorityOf(records: RequestRecords): RequestAuthority {
  return new RequestAuthority({
    master: 'backup1',
    records,
    rules: () => Promise.resolve(rules),
    readKey: (reference) => {
      const secret = 'env' in reference ? secrets[reference.env] : undefined;
      return secret === undefined
        ? Promise.reject(new KedgeError('SecretUnavailable', 'there is no key'))
        : Promise.resolve(secret);
    },
    now: () => new Date(Date.now() + clockMs),
  });
}

const INPUT = { site: SITE, backup: `${SITE}-20261124.031502` };

function signed(
  options: { key?: string; master?: string; validForMs?: number; waitTurn?: boolean } = {},
  input: { site: string } & Record<string, unknown> = INPUT,
  type: TaskType = 'restore',
): Request & { input: { signature: RequestSignature } } {
  return { type, input: signRequest(type, input, { master: 'backup1', key: KEY, ...options }) };
}

/** What a task's preflight does. */
async function begin(request: Request, run = RUN, by = authority): Promise<void> {
  await by.use(request, await by.examine(request, run), run);
}

const refused = (code: string): unknown => expect.objectContaining({ code, site: SITE });

it('a signed request is accepted, with the key and the one before', async () => {
  await expect(begin(signed())).resolves.toBeUndefined();
  await expect(begin(signed({ key: OTHER_KEY }))).resolves.toBeUndefined();
  expect(await authority.examine({ type: 'backup', input: { site: SITE } }, RUN)).toBeNull();
  rules = { ...rules, keys: [] };
  expect(await authority.examine({ type: 'restore', input: { site: SITE } }, RUN)).toBeNull();
});

it.each<[string, () => Request, string]>([
  ['without a signature', () => ({ type: 'restore', input: INPUT }), 'RequestUnsigned'],
  ['with another key', () => signed({ key: 'x'.repeat(43) }), 'SignatureInvalid'],
  ['for another master', () => signed({ master: 'backup2' }), 'SignatureInvalid'],
  ['for another type', () => ({ ...signed({}, INPUT, 'deploy'), type: 'restore' }), 'SignatureInvalid'],
  ['for another site', () => changed({ site: 'example.net' }), 'SignatureInvalid'],
  ['for another backup', () => changed({ backup: `${SITE}-20261125.031502` }), 'SignatureInvalid'],
  ['with a field more', () => changed({ noFence: true }), 'SignatureInvalid'],
  ['with a longer validity', () => resigned({ expires: '2099-01-01T00:00:00Z' }), 'SignatureInvalid'],
  ['that is now to wait', () => resigned({ waitTurn: true }), 'SignatureInvalid'],
  ['with another nonce', () => resigned({ nonce: 'n'.repeat(36) }), 'SignatureInvalid'],
  ['that came too late', () => signed({ validForMs: -1 }), 'RequestExpired'],
  ['valid for weeks', () => signed({ validForMs: 14 * DAY_MS }), 'RequestExpired'],
])('one %s is refused', async (_what, request, code) => {
  await expect(begin(request())).rejects.toMatchObject({ code });
  await expect(authority.accept(request())).rejects.toMatchObject({ code });
  expect(await readdir(folder)).toEqual([]);
});

function changed(change: object): Request {
  const request = signed();
  return { ...request, input: { ...request.input, ...change } };
}

function resigned(change: Partial<RequestSignature>): Request {
  const request = signed();
  return { ...request, input: { ...request.input, signature: { ...request.input.signature, ...change } } };
}

it('any bit of the HMAC counts', async () => {
  const request = signed();
  const { hmac } = request.input.signature;
  await fc.assert(
    fc.asyncProperty(fc.nat(255), async (bit) => {
      const bytes = Buffer.from(hmac, 'hex');
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const forged = resigned({ ...request.input.signature, hmac: bytes.toString('hex') });
      await expect(authority.examine(forged, RUN)).rejects.toMatchObject({ code: 'SignatureInvalid' });
    }),
    { numRuns: 64 },
  );
});

it('a key that cannot be read lets nothing through but what needs none', async () => {
  secrets = {};
  await expect(begin(signed())).rejects.toMatchObject({ code: 'SecretUnavailable' });
  await expect(begin({ type: 'backup', input: { site: SITE } })).resolves.toBeUndefined();
});

it('is used once: the same run goes on, also late and by another worker; every other is refused', async () => {
  const request = signed();
  await begin(request);
  clockMs = HOUR_MS;
  const another = authorityOf(new RequestRecords(join(folder, 'requests'), createLocalHost({ name: 'lab' })));
  await expect(begin(request, RUN, another)).resolves.toBeUndefined();
  await expect(begin(request, OTHER_RUN)).rejects.toEqual(refused('RequestReplayed'));
  await expect(begin(request, { ...RUN, task: `${SITE}-20261124.031503-restore` })).rejects.toThrow(
    `was used already, by ${RUN.task}`,
  );
  await expect(authority.accept(request)).rejects.toEqual(refused('RequestReplayed'));
});

it('of many runs that use it at once one has it', async () => {
  const request = signed();
  const runs = Array.from({ length: 12 }, (_, index) => ({ ...RUN, runId: `run ${index}` }));
  const ended = await Promise.allSettled(runs.map((run) => begin(request, run)));
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  // Nothing half written is left.
  expect(await readdir(join(folder, 'requests'))).toEqual([`${request.input.signature.nonce}.used`]);
});

it('accepted in time it waits for longer, once; not for ever, and not without being asked to wait', async () => {
  const request = signed({ waitTurn: true });
  await authority.accept(request);
  clockMs = 3 * DAY_MS;
  await expect(authority.accept(request)).resolves.toBeUndefined();
  await begin(request);
  await expect(begin(request, OTHER_RUN)).rejects.toEqual(refused('RequestReplayed'));

  clockMs = 0;
  const forgotten = signed({ waitTurn: true });
  await authority.accept(forgotten);
  clockMs = 8 * DAY_MS;
  await expect(begin(forgotten)).rejects.toEqual(refused('RequestExpired'));

  clockMs = 0;
  const prompt = signed();
  await authority.accept(prompt);
  clockMs = HOUR_MS;
  await expect(begin(prompt)).rejects.toEqual(refused('RequestExpired'));
});

it('given up it is used up, in time and accepted', async () => {
  const request = signed({ waitTurn: true });
  await authority.accept(request);
  await authority.withdraw(request);
  await authority.withdraw(request);
  await expect(begin(request)).rejects.toThrow('was given up');
  // Nobody gives up what was not signed, nor what a task has.
  await expect(authority.withdraw(changed({ noFence: true }))).rejects.toMatchObject({ code: 'SignatureInvalid' });
  const running = signed();
  await begin(running);
  await authority.withdraw(running);
  await expect(begin(running)).resolves.toBeUndefined();
});

it('is remembered for as long as it could be used again, and forgotten then', async () => {
  const request = signed({ waitTurn: true });
  await authority.accept(request);
  await begin(request);
  await authority.admitArchive(SITE, '/root/a.tar');
  const forgottenAfter = async (ms: number): Promise<string[]> => {
    await records.forgetOld(new Date(Date.now() + ms));
    return (await readdir(join(folder, 'requests'))).sort();
  };
  expect(await forgottenAfter(6 * DAY_MS)).toHaveLength(3);
  expect(await forgottenAfter(7.5 * DAY_MS)).toEqual([`${request.input.signature.nonce}.used`]);
  expect(await forgottenAfter(9 * DAY_MS)).toEqual([]);
  clockMs = 9 * DAY_MS;
  await expect(begin(request, OTHER_RUN)).rejects.toEqual(refused('RequestExpired'));
});

it('a record that cannot be read lets nobody through', async () => {
  const request = signed();
  await begin(request);
  await writeFile(join(folder, 'requests', `${request.input.signature.nonce}.used`), '{');
  await expect(begin(request, OTHER_RUN)).rejects.toMatchObject({ code: 'StateInvalid' });
});

describe('archives', () => {
  it.each([
    ['/srv/archives/a.tar', '/srv/archives/a.tar'],
    ['/srv/archives/deep/../a.tar', '/srv/archives/a.tar'],
    ['/srv//archives/./a.tar', '/srv/archives/a.tar'],
  ])('in a configured folder are taken: %s', async (given, path) => {
    expect(await authority.archivePath(SITE, given)).toBe(path);
  });

  it.each(['/srv/archives/../secret.tar', '/srv/archives', '/srv/archives2/a.tar', '/root/a.tar', '/srv/archives/..'])(
    'elsewhere are refused: %s',
    async (path) => {
      await expect(authority.archivePath(SITE, path)).rejects.toEqual(refused('FileRefused'));
    },
  );

  it('elsewhere are taken when the master itself vouches for them: this one, for this site, for some days', async () => {
    await authority.admitArchive(SITE, '/root/x/../a.tar');
    expect(await authority.archivePath(SITE, '/root/a.tar')).toBe('/root/a.tar');
    await expect(authority.archivePath('example.net', '/root/a.tar')).rejects.toMatchObject({ code: 'FileRefused' });
    await expect(authority.archivePath(SITE, '/root/b.tar')).rejects.toMatchObject({ code: 'FileRefused' });
    clockMs = 6 * DAY_MS;
    await authority.admitArchive(SITE, '/root/a.tar');
    clockMs = 12 * DAY_MS;
    expect(await authority.archivePath(SITE, '/root/a.tar')).toBe('/root/a.tar');
    clockMs = 14 * DAY_MS;
    await expect(authority.archivePath(SITE, '/root/a.tar')).rejects.toMatchObject({ code: 'FileRefused' });
  });

  it('/ as a folder is everything', async () => {
    rules = { ...rules, archiveFolders: ['/'] };
    expect(await authority.archivePath(SITE, '/root/a.tar')).toBe('/root/a.tar');
  });
});
