import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import {
  type StagedFolder,
  discardedFolders,
  previousFolder,
  previousFolders,
  stagedFolder,
  stagingFolders,
  switchFolders,
  switchFoldersBack,
  takenBackFolder,
} from '../../../src/core/sites/switch-folders';

const host = createLocalHost({ name: 'here' });
let top: string;
let folders: StagedFolder[];

/** Three folders of one site; two of them share a staging folder. */
beforeEach(async () => {
  top = mkdtempSync('/var/tmp/kedge-switch-');
  folders = [
    { name: 'site', live: join(top, 'srv/shop'), staging: join(top, 'srv/.kedge/token') },
    { name: 'files', live: join(top, 'srv/files'), staging: join(top, 'srv/.kedge/token') },
    { name: 'config', live: join(top, 'etc/shop'), staging: join(top, 'etc/.kedge/token') },
  ];
  for (const folder of folders) {
    for (const [path, what] of [
      [folder.live, 'old'],
      [stagedFolder(folder), 'new'],
    ] as const) {
      await mkdir(path, { recursive: true });
      writeFileSync(join(path, 'which'), `${what} ${folder.name}`);
    }
  }
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** The host, until it has renamed so often: from then on it does nothing more, as after a kill. */
function dyingAfter(renames: number): Host {
  let left = renames;
  return new Proxy(host, {
    get(real, name: keyof Host) {
      if (name === 'rename')
        return async (from: string, to: string) => {
          if (left === 0) throw new Error('killed');
          left -= 1;
          await real.rename(from, to);
        };
      const value: unknown = real[name];
      return typeof value === 'function' ? value.bind(real) : value;
    },
  });
}

const live = (): string[] => folders.map((folder) => readFileSync(join(folder.live, 'which'), 'utf8'));
const OLD = ['old site', 'old files', 'old config'];
const NEW = ['new site', 'new files', 'new config'];
const RENAMES = [0, 1, 2, 3, 4, 5];

test('all are switched, and what they were is kept; back again', async () => {
  await switchFolders(host, folders);
  expect(live()).toEqual(NEW);
  expect(folders.map((folder) => readFileSync(join(previousFolder(folder), 'which'), 'utf8'))).toEqual(OLD);
  expect(stagingFolders(folders).map((staging) => readdirSync(staging))).toEqual([
    ['files.previous', 'site.previous'],
    ['config.previous'],
  ]);
  await switchFoldersBack(host, folders);
  expect(live()).toEqual(OLD);
  expect(folders.map((folder) => readFileSync(join(stagedFolder(folder), 'which'), 'utf8'))).toEqual(NEW);
});

test('what is taken back waits apart from what is staged, where the folders of before do', async () => {
  folders = folders.map((folder) => ({ ...folder, previous: `${folder.staging}.previous` }));
  for (const folder of previousFolders(folders)) await mkdir(folder, { mode: 0o700 });
  await switchFolders(host, folders);
  await expect(switchFoldersBack(dyingAfter(3), folders)).rejects.toThrow('killed');
  await switchFoldersBack(host, folders);
  expect(live()).toEqual(OLD);
  expect(folders.map((folder) => readFileSync(join(takenBackFolder(folder), 'which'), 'utf8'))).toEqual(NEW);
  expect(stagingFolders(folders).map((staging) => readdirSync(staging))).toEqual([[], []]);
  for (const folder of discardedFolders(folders)) rmSync(folder, { recursive: true });
  for (const kedge of ['srv/.kedge', 'etc/.kedge']) expect(readdirSync(join(top, kedge))).toEqual(['token.previous']);
});

test.each(RENAMES)('killed after %i renames: the next attempt goes on, and all are new', async (renames) => {
  await expect(switchFolders(dyingAfter(renames), folders)).rejects.toThrow('killed');
  await switchFolders(host, folders);
  expect(live()).toEqual(NEW);
  await switchFolders(host, folders);
  expect(live()).toEqual(NEW);
});

test.each(RENAMES)('killed after %i renames: undone, all are old', async (renames) => {
  await expect(switchFolders(dyingAfter(renames), folders)).rejects.toThrow('killed');
  await switchFoldersBack(host, folders);
  expect(live()).toEqual(OLD);
});

// An undo of n renames takes n of them.
const TWICE = RENAMES.flatMap((renames) => Array.from({ length: renames }, (_, back) => [renames, back] as const));
test.each(TWICE)('killed after %i renames, its undo after %i more: all are old', async (renames, back) => {
  await expect(switchFolders(dyingAfter(renames), folders)).rejects.toThrow('killed');
  await expect(switchFoldersBack(dyingAfter(back), folders)).rejects.toThrow('killed');
  await switchFoldersBack(host, folders);
  expect(live()).toEqual(OLD);
  expect(folders.map((folder) => readFileSync(join(stagedFolder(folder), 'which'), 'utf8'))).toEqual(NEW);
});

test('what was switched last is put back first', async () => {
  await switchFolders(host, folders);
  await expect(switchFoldersBack(dyingAfter(2), folders)).rejects.toThrow('killed');
  expect(live()).toEqual(['new site', 'new files', 'old config']);
});
