import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkSigningKeys } from '../../../src/core/doctor/signing-keys';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { makeSigningKey, readSigningKey } from '../../../src/core/requests/signing-key';

const host = createLocalHost({ name: 'lab' });
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-doctor-');
  file = join(folder, 'etc/signing.key');
  await mkdir(join(folder, 'etc'), { mode: 0o755 });
  await makeSigningKey(host, file);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const check = (...references: ({ file: string } | { env: string })[]) =>
  checkSigningKeys({
    master: host,
    configurationPath: '/etc/kedge/kedge.yaml',
    signingKeys: { references, read: (reference) => readSigningKey(reference, { environment: { SHORT: 'x' } }) },
  });

it('without a key it says what that means, and what to do', async () => {
  expect(await check()).toEqual([
    {
      level: 'warning',
      message: expect.stringMatching(
        /^there is no signing key: whoever reaches Temporal, .*restore and deploy/,
      ) as unknown,
      hint: expect.stringContaining('requests: { key: { file: /etc/kedge/signing.key } }') as unknown,
    },
  ]);
});

it('a key for the worker alone is right', async () => {
  expect(await check({ file })).toEqual([]);
});

it.each<[string, () => Promise<unknown>, string, RegExp]>([
  ['missing', () => rm(file), 'error', /signing\.key does not exist/],
  ['open to all', () => chmod(file, 0o644), 'error', /mode 0644, which lets others in/],
  ['open to its group', () => chmod(file, 0o640), 'warning', /the group of the signing key/],
  ['short', () => writeFile(file, 'password\n'), 'error', /shorter than 32 characters/],
  ['in a folder of everybody', () => chmod(join(folder, 'etc'), 0o777), 'error', /can be changed by others/],
])('one that is %s', async (_what, spoil, level, message) => {
  await spoil();
  expect(await check({ file })).toEqual([
    {
      level,
      message: expect.stringMatching(message) as unknown,
      hint: expect.stringMatching(/^[A-Z].*[.`]$/) as unknown,
    },
  ]);
});

it('the key before is looked at too', async () => {
  expect(await check({ file }, { env: 'SHORT' })).toHaveLength(1);
});
