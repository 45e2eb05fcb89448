import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkRequestKeys } from '../../../src/core/doctor/request-keys';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { makeRequestKey, readRequestKey } from '../../../src/core/requests/request-key';

const host = createLocalHost({ name: 'lab' });
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-doctor-');
  file = join(folder, 'etc/request.key');
  await mkdir(join(folder, 'etc'), { mode: 0o755 });
  await makeRequestKey(host, file);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const check = (...references: ({ file: string } | { env: string })[]) =>
  checkRequestKeys({
    master: host,
    configurationPath: '/etc/kedge/kedge.yaml',
    requestKeys: { references, read: (reference) => readRequestKey(reference, { environment: { SHORT: 'x' } }) },
  });

it('without a key it says what that means, and what to do', async () => {
  expect(await check()).toEqual([
    {
      level: 'warning',
      message: expect.stringMatching(
        /^there is no request key: whoever reaches Temporal, .*restore and deploy/,
      ) as unknown,
      hint: expect.stringContaining('requests: { key: { file: /etc/kedge/request.key } }') as unknown,
    },
  ]);
});

it('a key for the worker alone is right', async () => {
  expect(await check({ file })).toEqual([]);
});

it.each<[string, () => Promise<unknown>, string, RegExp]>([
  ['missing', () => rm(file), 'error', /request\.key does not exist/],
  ['open to all', () => chmod(file, 0o644), 'error', /mode 0644, which lets others in/],
  ['open to its group', () => chmod(file, 0o640), 'warning', /the group of the request key/],
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
