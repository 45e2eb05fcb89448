import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readFile, readdir, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lowerMaintenanceFile, raiseMaintenanceFile } from '../../../src/core/sites/maintenance-file';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

const FILE = { path: '.maintenance', content: '<?php $upgrading = time();' };
const LONG_AGO = new Date('2020-01-02T03:04:05Z');

let site: Fixture;
beforeEach(async () => {
  site = await makeSite();
  await utimes(site.folder.path, LONG_AGO, LONG_AGO);
});
afterEach(() => site.remove());

const raise = (): Promise<boolean> => raiseMaintenanceFile(site.folder, FILE, testOperation());
const lower = (): Promise<void> => lowerMaintenanceFile(site.folder, FILE, testOperation());
const path = (): string => join(site.folder.path, FILE.path);

test('is written for the site to read, and taken away; the folder keeps its time', async () => {
  expect(await raise()).toBe(true);
  expect(await readFile(path(), 'utf8')).toBe(FILE.content);
  expect((await stat(path())).mode & 0o777).toBe(0o644);
  expect((await stat(site.folder.path)).mtime).toEqual(LONG_AGO);
  expect(await raise()).toBe(true);
  await lower();
  expect(await readdir(site.folder.path)).toEqual([]);
  expect((await stat(site.folder.path)).mtime).toEqual(LONG_AGO);
  await lower();
});

test.each(['a file', 'a folder', 'a link to nowhere', 'a link to a file outside'])(
  '%s of that name is not ours and stays',
  async (what) => {
    const outside = join(site.base, 'outside');
    await writeFile(outside, FILE.content);
    if (what === 'a file') await site.write(FILE.path, 'somebody updates');
    if (what === 'a folder') await mkdir(path());
    if (what === 'a link to nowhere') await symlink('nowhere', path());
    if (what === 'a link to a file outside') await symlink(outside, path());
    const before = await lstat(path());
    expect(await raise()).toBe(false);
    await lower();
    expect(await lstat(path())).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
    expect(await readFile(outside, 'utf8')).toBe(FILE.content);
  },
);

test.each(['endless', 'a pipe'])('what the owner laid there to stop the worker is %s, and does not', async (what) => {
  if (what === 'endless') await truncate(await site.write(FILE.path, FILE.content), 2 ** 40);
  else execFileSync('mkfifo', [path()]);
  expect(await raise()).toBe(false);
  await lower();
  expect(await readdir(site.folder.path)).toEqual([FILE.path]);
});
