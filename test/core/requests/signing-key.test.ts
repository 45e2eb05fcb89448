import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { makeSigningKey, readSigningKey } from '../../../src/core/requests/signing-key';
import { signRequest } from '../../../src/temporal/sign-request';

const host = createLocalHost({ name: 'lab' });
const source = { environment: { SHORT: 'x'.repeat(31), LONG: 'x'.repeat(32) } };
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-key-');
  path = join(folder, 'etc/signing.key');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('a key is made once, for the worker alone, and never over another', async () => {
  const made = await Promise.all(Array.from({ length: 20 }).map(() => makeSigningKey(host, path)));
  expect(made.filter(Boolean)).toHaveLength(1);
  expect(await readdir(join(folder, 'etc'))).toEqual(['signing.key']);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const key = await readSigningKey({ file: path }, source);
  expect(Buffer.from(key, 'base64url')).toHaveLength(32);
  expect(await makeSigningKey(host, path)).toBe(false);
  expect((await readFile(path, 'utf8')).trim()).toBe(key);
});

it('one that is short is none', async () => {
  await expect(readSigningKey({ env: 'SHORT' }, source)).rejects.toMatchObject({ code: 'SecretUnavailable' });
  expect(await readSigningKey({ env: 'LONG' }, source)).toHaveLength(32);
  expect(() => signRequest('verify', { site: 'a' }, { master: 'm', key: 'x'.repeat(31) })).toThrow('shorter than 32');
});

it('the newline of its file is no part of it, for who reads it and for who signs', async () => {
  await writeFile(join(folder, 'key'), `${'x'.repeat(32)}\n`, { mode: 0o600 });
  expect(await readSigningKey({ file: join(folder, 'key') }, source)).toBe('x'.repeat(32));
  expect(() => signRequest('verify', { site: 'a' }, { master: 'm', key: `${'x'.repeat(31)}\n` })).toThrow('shorter');
});
