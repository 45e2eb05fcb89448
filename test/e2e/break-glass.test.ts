import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { KedgeError } from '../../src/contract/errors';
import type { BackupResult } from '../../src/contract/tasks';
import type { Journal } from '../../src/core/tasks/journal';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliJson,
  journalsOf,
  leftovers,
  shell,
  startLab,
  until,
  withWorkerInProcess,
} from '../helpers/e2e';
import { inTheImport } from '../helpers/in-the-import';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let backup: BackupResult;
let before: Fingerprint;
let leftBefore: Record<string, string[]>;

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  await cliJson(lab, 'sites', 'adopt', site.uri);
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      backup = await cliJson<BackupResult>(lab, 'backup', site.uri);
      // Makes the folders a restore needs, so that they do not count as left behind.
      await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes');
    },
  );
  leftBefore = await leftovers(lab);
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
});
afterAll(async () => {
  await lab?.stop();
});

const status = async (): Promise<number> => (await get(lab.nginx.port, site.uri, '/')).status;
const newest = () => journalsOf(lab, 'restore').at(-1);

/** What the abandoned task has left, below the folders for it. */
async function leftoverFolders(): Promise<string[]> {
  const { staging = [], spool = [] } = await leftovers(lab);
  return [
    ...staging.map((name) => join(lab.folder, 'srv/.kedge', name)),
    ...spool.map((name) => join(lab.state, 'spool', name)),
  ];
}

/** Restores, with Temporal away while `act` runs in the middle of the import. The task must never switch. */
async function restoreWithTemporalAway(act: () => Promise<void>): Promise<void> {
  let acted = false;
  const away = inTheImport(async () => {
    expect(await status()).toBe(503);
    await lab.temporal.kill();
    await act();
    acted = true;
    await lab.temporal.start();
  });
  await withWorkerInProcess(lab, away, async () => {
    await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
    await until('Temporal was away', () => acted, 90_000);
    await until('the task is closed', () => newest()?.outcome?.status === 'failed', 90_000);
    // Its workflow ends a moment later.
    await cliJson(lab, 'verify', site.uri, '--wait-turn');
  });
}

async function expectAsBefore(): Promise<void> {
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  expect(await leftovers(lab)).toEqual(leftBefore);
}

it('kedge sites online, with Temporal away: the site is back at once, and its task only undoes', async () => {
  await restoreWithTemporalAway(async () => {
    const { exitCode, stdout } = await cli(lab, 'sites', 'online', site.uri, '-m', 'the shop opens at nine');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('which can only undo now')]);
    // Its account is unlocked too: the page is not one about its database.
    expect(await status()).toBe(200);
  });
  expect(newest()?.outcome).toMatchObject({ code: 'TaskSuperseded' });
  expect((await cli(lab, 'log', newest()?.task ?? '')).stdout).toContain('the shop opens at nine');
  await expectAsBefore();
});

it('the worker ends maintenance by itself at its limit, with Temporal away; the task undoes and says why', async () => {
  await restoreWithTemporalAway(async () => {
    // The limit passes now, wherever the task has come in the meantime.
    const journal = join(lab.state, 'tasks', `${newest()?.task}.json`);
    const text = await readFile(journal, 'utf8');
    await writeFile(journal, text.replace(/"deadline": "[^"]+"/, `"deadline": "${new Date().toISOString()}"`));
    await until('the site is back', async () => (await status()) === 200);
  });
  expect(newest()?.outcome).toMatchObject({ code: 'TaskSuperseded' });
  expect((await cli(lab, 'log', newest()?.task ?? '')).stdout).toContain(
    'its maintenance limit passed while Temporal was away',
  );
  await expectAsBefore();
});

it('an undo that cannot finish ends the command with 4, and can be abandoned', async () => {
  const stuck = (real: ActivityDependencies): ActivityDependencies => ({
    ...real,
    attentionAfterMs: 500,
    databaseServer: async (...asked) => {
      const refuse = (): Promise<never> => Promise.reject(new KedgeError('DatabaseRefused', 'made to fail'));
      return { ...(await real.databaseServer(...asked)), importDump: refuse, dropDatabase: refuse };
    },
  });
  await withWorkerInProcess(lab, stuck, async () => {
    const restore = await cli(lab, 'restore', site.uri, backup.backup.id, '--yes');
    expect([restore.exitCode, restore.stderr]).toEqual([4, expect.stringContaining('discardDatabase')]);
    expect(await status()).toBe(503);
    const { task } = newest() ?? { task: '' };
    expect((await cli(lab, 'abandon', task)).exitCode).toBe(2);
    const abandoned = await cliJson<{ remains: string[] }>(lab, 'abandon', task, '--yes', '-m', 'the server is gone');
    expect(await status()).toBe(200);
    const left = (await leftovers(lab))['databases']?.filter((name) => !leftBefore['databases']?.includes(name));
    expect(left).toHaveLength(1);
    expect(abandoned.remains).toContain(`the database ${left?.[0]}`);
    // Its workflow ends by itself, and the site is free.
    await cliJson(lab, 'verify', site.uri, '--wait-turn');
    expect(newest()?.outcome?.status).toBe('abandoned');
    for (const name of left ?? [])
      await lab.mariadb.query(`DROP DATABASE ${name}; DROP USER '${name.slice(0, -1)}'@'localhost'`);
  });
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  shell('rm', '-rf', ...(await leftoverFolders()));
});

it('a site that no task holds is left as it is', async () => {
  const { exitCode, stdout } = await cli(lab, 'sites', 'online', site.uri);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('no task holds')]);
  await expectAsBefore();
});

it('what shuts a site without an owner is found and put right: flag, account, vhost', async () => {
  const flag = join(lab.nginx.address.flags, site.uri);
  const { current } = JSON.parse(await readFile(join(lab.state, 'sites', `${site.uri}.json`), 'utf8')) as {
    current: { account: { user: string; hosts: string[] } };
  };
  const [vhost = ''] = (await readdir(lab.nginx.address.vhosts)).filter((name) => name.includes(site.uri));
  await writeFile(flag, '');
  for (const host of current.account.hosts)
    await lab.mariadb.query(`ALTER USER '${current.account.user}'@'${host}' ACCOUNT LOCK`);
  await rm(join(lab.nginx.address.vhosts, vhost));

  const found = (await cli(lab, 'doctor')).stdout;
  expect(found).toContain(`${site.uri} is shut to its visitors, and no task is open: its maintenance page is up`);
  expect(found).toMatch(/no task is open: .*its account '.*' (is )?locked.* - Run `kedge sites online/);

  const { exitCode, stdout } = await cli(lab, 'sites', 'online', site.uri);
  expect(stdout.split('\n').filter(Boolean)).toEqual([
    expect.stringMatching(/its account '.*' (is )?locked.*; put right/),
    expect.stringContaining('its vhost is not written; put right'),
    expect.stringContaining('its maintenance page is up; put right'),
  ]);
  expect(exitCode).toBe(0);
  expect(await status()).toBe(200);
  await expectAsBefore();
  expect((await cli(lab, 'sites', 'online', site.uri)).stdout).toContain('nothing was changed');
});

it('a task that was closed without its undo: its fence, and the folder that its switch took away', async () => {
  const [shut] = journalsOf(lab, 'restore').filter(({ outcome }) => outcome?.status === 'failed');
  const path = join(lab.state, 'tasks', `${shut?.task}.json`);
  const text = await readFile(path, 'utf8');
  const journal = JSON.parse(text) as Journal;
  const { current } = JSON.parse(await readFile(join(lab.state, 'sites', `${site.uri}.json`), 'utf8')) as {
    current: { database: string; account: { user: string; hosts: string[] } };
  };
  const staging = join(lab.folder, 'srv/.kedge', journal.token);
  // As a Kedge has left it that let anybody close a task.
  const closed: Journal = {
    ...journal,
    switched: true,
    staged: [{ name: 'site', live: site.root, staging }],
    fence: {
      account: current.account,
      database: current.database,
      lockedBefore: [],
      eventPrivilegeAt: [],
      lowered: false,
    },
  };
  await writeFile(path, JSON.stringify(closed));
  shell('mkdir', '-m', '700', staging);
  shell('mv', site.root, join(staging, 'site.previous'));
  for (const host of current.account.hosts)
    await lab.mariadb.query(`ALTER USER '${current.account.user}'@'${host}' ACCOUNT LOCK`);
  try {
    const doctor = (await cli(lab, 'doctor')).stdout;
    expect(doctor).toContain(`was closed in the middle of its switch: the folder of before waits in ${staging}`);
    expect(doctor).toContain('was closed and left its account');
    const { exitCode, stdout } = await cli(lab, 'sites', 'online', site.uri);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/closed in the middle of its switch.*put right[^]*locked.*put right/),
    ]);
  } finally {
    await writeFile(path, text);
    shell('rm', '-rf', staging);
  }
  await expectAsBefore();
});
