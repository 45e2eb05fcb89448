import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkLeftovers } from '../../src/core/doctor/leftovers';
import { BareMaster, SITE } from '../helpers/bare-master';
import { runCommand } from '../helpers/command';
import { testOperation } from '../helpers/operation';

let master: BareMaster;
const forget = (...args: string[]) =>
  runCommand(['sites', 'forget', ...args, '--config', join(master.folder, 'kedge.yaml')]);

beforeEach(async () => {
  master = await BareMaster.start();
});
afterEach(() => master.stop());

/** What a backup of a site elsewhere leaves for the next one. */
async function keep(site: string): Promise<string> {
  const { mirrors } = master.parts;
  await mirrors.make(site, '1-token.1', ['site']);
  const file = join(mirrors.pathOf(site, '1-token.1'), 'site/index.php');
  writeFileSync(file, '<?php');
  await mirrors.conclude(site, '1-token.1', '{}');
  return file;
}

it('the files of a site are removed once, and its backups stay', async () => {
  const file = await keep(SITE);
  expect((await forget(SITE)).stdout).toContain('is kept but its backups');
  expect(existsSync(file)).toBe(false);
  expect((await master.parts.catalog.list(SITE)).backups).not.toEqual([]);
  expect(await forget(SITE)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('no files of') });
});

it('those of a former site are named by doctor, and removed by the name it says', async () => {
  await keep(SITE);
  const file = await keep('former.example');
  const { sweeper, mirrors } = master.parts;
  const look = async () => {
    const found = await checkLeftovers({ sweeper, mirrors, sites: [{ uri: SITE }] }, testOperation());
    return found.filter(({ message }) => message.includes('former.example'));
  };
  expect(await look()).toEqual([
    {
      level: 'warning',
      message: expect.any(String),
      hint: 'Run `kedge sites forget former.example` to free their room.',
    },
  ]);
  await forget('former.example');
  expect(existsSync(file)).toBe(false);
  expect(await look()).toEqual([]);
});

it.each(['../backups', '.', '', '/'])('%p is no site', async (name) => {
  const file = await keep(SITE);
  await forget(name);
  expect(existsSync(file)).toBe(true);
  expect((await master.parts.catalog.list(SITE)).backups).not.toEqual([]);
});

it('a site at work keeps them', async () => {
  const file = await keep(SITE);
  await master.begin('031502', 'backup');
  expect(await forget(SITE)).toMatchObject({
    exitCode: expect.not.stringMatching(/^0$/),
    stderr: expect.stringContaining('is busy'),
  });
  expect(existsSync(file)).toBe(true);
});
