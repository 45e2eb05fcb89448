import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFolder, checkFreeSpace } from '../../../src/core/doctor/folders';
import { createLocalHost } from '../../../src/core/hosts/local-host';

const host = createLocalHost({ name: 'lab' });
const privileged = process.getuid?.() === 0;
let top: string;
let path: string;

beforeEach(async () => {
  top = await mkdtemp('/var/tmp/kedge-doctor-');
  path = join(top, 'state');
  await mkdir(path, { mode: 0o700 });
});
afterEach(() => rm(top, { recursive: true, force: true }));

const messages = async (): Promise<string[]> =>
  (await checkFolder(host, { name: 'state', path })).map(({ message }) => message.replaceAll(top, 'TOP'));

it('a folder of the worker alone is right, and so is one that can be made', async () => {
  expect(await messages()).toEqual([]);
  await rm(path, { recursive: true });
  expect(await messages()).toEqual([]);
});

it.each([
  [0o755, '0755'],
  [0o710, '0710'],
  [0o500, '0500'],
])('mode %o lets others in, or not the worker', async (mode, shown) => {
  await chmod(path, mode);
  expect(await checkFolder(host, { name: 'state', path })).toEqual([
    {
      level: 'error',
      message: `the state folder ${path} has mode ${shown}; it holds data and passwords of sites and is to be 0700`,
      hint: `Run \`chmod 0700 ${path}\`.`,
    },
  ]);
});

it('something else in its place', async () => {
  await rm(path, { recursive: true });
  await writeFile(path, '');
  expect(await messages()).toEqual(['the state folder TOP/state is no folder']);
});

it('a folder above that others can change', async () => {
  await chmod(top, 0o777);
  expect(await messages()).toEqual([
    'the state folder TOP/state lies below a link, or a folder that others than root and the worker can change',
  ]);
  await rm(path, { recursive: true });
  expect(await messages()).toEqual(['the state folder TOP/state does not exist and cannot be made']);
});

// Only root can give a folder away.
(privileged ? it : it.skip)('a folder of somebody else', async () => {
  await chown(path, 65534, 65534);
  expect(await messages()).toEqual(['the state folder TOP/state belongs to uid 65534, not to the worker']);
});

it('warns where little room is left, also for a folder not yet made', async () => {
  const folder = { name: 'backups', path: join(path, 'not/yet') } as const;
  expect(await checkFreeSpace(host, folder, 0)).toEqual([]);
  expect(await checkFreeSpace(host, folder, Number.MAX_SAFE_INTEGER)).toEqual([
    {
      level: 'warning',
      message: expect.stringMatching(/^\d+ MB are left for the backups folder/) as unknown,
      hint: `Make room on the file system of ${path}, or move the backups folder to another one.`,
    },
  ]);
});
