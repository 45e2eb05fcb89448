import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { KedgeError } from '../../src/contract/errors';
import type { BackupResult } from '../../src/contract/tasks';
import { bootNow } from '../../src/core/clock';
import { identify } from '../../src/core/hosts/processes';
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
  withWorkerInProcess,
} from '../helpers/e2e';
import { taskQueueOf } from '../../src/contract/names';
import { connectClient } from '../../src/temporal/connection';
import { answeringProbes, changingDatabaseServers } from '../helpers/changed-sites';
import { inTheImport } from '../helpers/in-the-import';
import { until } from '../helpers/until';

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
  const { staging = [], spool = [], temporary = [] } = await leftovers(lab);
  return [
    ...staging.map((name) => join(lab.folder, 'srv/.kedge', name)),
    ...spool.map((name) => join(lab.state, 'spool', name)),
    ...temporary.map((name) => join(lab.backups, site.uri, name)),
  ];
}

/** Restores, with Temporal away while `act` runs in the middle of the import. The task must never switch. */
async function restoreWithTemporalAway(act: () => Promise<void>): Promise<void> {
  let acted = false;
  let failure: unknown = null;
  const away = inTheImport(async () => {
    expect(await status()).toBe(503);
    await lab.temporal.kill();
    await act()
      .catch((error: unknown) => void (failure = error))
      .finally(() => lab.temporal.start());
    acted = true;
  });
  await withWorkerInProcess(lab, away, async () => {
    await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
    await until('Temporal was away', () => acted, 90_000);
    if (failure !== null) throw failure as Error;
    await until('the task is closed', () => newest()?.outcome?.status === 'failed', 90_000);
    // Its workflow ends a moment later.
    await cliJson(lab, 'verify', site.uri, '--wait-turn');
  });
}

/** The limit of the newest restore has passed that long ago, wherever the task has come. */
async function passLimit(agoMs: number): Promise<void> {
  const path = join(lab.state, 'tasks', `${newest()?.task}.json`);
  const journal = JSON.parse(await readFile(path, 'utf8')) as Journal;
  const { maintenance } = journal;
  if (!maintenance) throw new Error('the task keeps nobody out');
  const deadline = new Date(Date.now() - agoMs).toISOString();
  await writeFile(path, JSON.stringify({ ...journal, maintenance: { ...maintenance, deadline, limit: null } }));
}

const journalText = (): Promise<string> => readFile(join(lab.state, 'tasks', `${newest()?.task}.json`), 'utf8');
const PAST_ALL_GRACE = 180_000;

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
    await passLimit(0);
    await until('the site is back', async () => (await status()) === 200);
  });
  expect(newest()?.outcome).toMatchObject({ code: 'TaskSuperseded' });
  expect((await cli(lab, 'log', newest()?.task ?? '')).stdout).toContain(
    'its maintenance limit passed while Temporal was away',
  );
  await expectAsBefore();
});

it('the worker switches back a restore that hangs past its limit, with Temporal up; the task only undoes', async () => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const hanging = (real: ActivityDependencies): ActivityDependencies =>
    answeringProbes(real, async (server, ...asked) => {
      await released;
      return server.probe(...asked);
    });
  await withWorkerInProcess(lab, hanging, async () => {
    await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
    await until('it has switched, and hangs', () => newest()?.step === 'probeSite');
    expect(await status()).toBe(503);
    await passLimit(PAST_ALL_GRACE);
    await until('the site is given back', async () => /"givenBack": ?"/.test(await journalText()));
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    release();
    await until('the task is closed', () => newest()?.outcome?.status === 'failed', 90_000);
    await cliJson(lab, 'verify', site.uri, '--wait-turn');
  });
  expect((await cli(lab, 'log', newest()?.task ?? '')).stdout).toContain('its workflow did not end it');
  await expectAsBefore();
});

it("somebody's own workflow under the id of a site: doctor names it, sites online ends it", async () => {
  const client = await connectClient(lab.environment);
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      const ids = [`site/${site.uri}`, `turns/${site.uri}`];
      for (const workflowId of ids)
        await client.workflow.start('somethingElse', { workflowId, taskQueue: 'somewhere-else' });
      const doctor = (await cli(lab, 'doctor')).stdout;
      const online = await cli(lab, 'sites', 'online', site.uri);
      expect(online.exitCode).toBe(0);
      for (const id of ids) {
        expect(doctor).toContain(`${id} is held by a workflow that is not Kedge's: it is of the type somethingElse`);
        expect(online.stdout).toContain(`${id} was held by a workflow that is not Kedge's`);
      }
      await cliJson(lab, 'verify', site.uri, '--wait-turn');
      // One of the right kind that is to begin in a year holds it as well.
      const late = { workflowId: `site/${site.uri}`, taskQueue: taskQueueOf('lab'), startDelay: '365 days' } as const;
      await client.workflow.start('verify', { ...late, args: [{ site: site.uri }] });
      expect((await cli(lab, 'verify', site.uri)).exitCode).toBe(11);
      await cli(lab, 'sites', 'online', site.uri);
      await cliJson(lab, 'verify', site.uri, '--wait-turn');
    },
  );
  await client.connection.close();
});

it('an undo that cannot finish ends the command with 4, and can be abandoned', async () => {
  const refuse = (): Promise<never> => Promise.reject(new KedgeError('DatabaseRefused', 'made to fail'));
  const stuck = (real: ActivityDependencies): ActivityDependencies => ({
    ...changingDatabaseServers(real, (server) => ({ ...server, importDump: refuse, dropDatabase: refuse })),
    // Attention is asked for before the undo that cannot finish has failed: the command waits for that one.
    attentionAfterMs: 1,
  });
  await withWorkerInProcess(lab, stuck, async () => {
    const restore = await cli(lab, 'restore', site.uri, backup.backup.id, '--yes');
    const why = `undo of ${newest()?.task} cannot finish: "Undo: drop the new database and account" failed: made to fail`;
    expect([restore.exitCode, restore.stdout]).toEqual([4, expect.stringContaining(why)]);
    const listed = await cliJson<{ tasks: { step: string }[] }>(lab, 'tasks', site.uri, '--limit', '1');
    expect(listed.tasks[0]?.step).toBe('discardDatabase');
    expect(await status()).toBe(503);
    const { task } = newest() ?? { task: '' };
    // Its undo is paused on top of it: the worker itself opens the site past its limit, and doctor says what goes on.
    const client = await connectClient(lab.environment);
    const run = client.workflow.getHandle(`site/${site.uri}`);
    await client.workflowService.pauseActivity({
      namespace: 'default',
      execution: { workflowId: run.workflowId },
      type: 'discardDatabase',
      identity: 'test',
    });
    await passLimit(60_000);
    expect((await cli(lab, 'doctor')).stdout).toContain(`${task} keeps ${site.uri} from its visitors`);
    expect(await status()).toBe(503);
    await passLimit(PAST_ALL_GRACE);
    await until('the site is given back', async () => /"givenBack": ?"/.test(await journalText()));
    expect(await status()).toBe(200);
    expect((await cli(lab, 'doctor')).stdout).toContain(`${task}, which may only undo since, has not ended`);
    expect((await cli(lab, 'abandon', task)).exitCode).toBe(2);
    const { runId } = await run.describe();
    const abandoned = await cliJson<{ remains: string[] }>(lab, 'abandon', task, '--yes', '-m', 'the server is gone');
    expect(await status()).toBe(200);
    const left = (await leftovers(lab))['databases']?.filter((name) => !leftBefore['databases']?.includes(name));
    expect(left).toHaveLength(1);
    expect(abandoned.remains).toContain(`the database ${left?.[0]}`);
    // What held its workflow holds it no more, and the site is free.
    expect((await client.workflow.getHandle(run.workflowId, runId).describe()).status.name).toBe('TERMINATED');
    await client.connection.close();
    expect((await cli(lab, 'abandon', task, '--yes')).exitCode).toBe(10);
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

it('a task that ends well warns when the site stays shut', async () => {
  const flag = join(lab.nginx.address.flags, site.uri);
  await writeFile(flag, '');
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      const verified = await cli(lab, 'verify', site.uri);
      expect([verified.exitCode, verified.stderr]).toEqual([
        3,
        expect.stringContaining(`${site.uri} stays shut to its visitors: its maintenance page is up`),
      ]);
      expect(verified.stdout).not.toContain('all is well');
      const restored = await cliJson<{ warnings: string[] }>(lab, 'restore', site.uri, backup.backup.id, '--yes');
      expect(restored.warnings).toContainEqual(expect.stringContaining('stays shut to its visitors'));
      await rm(flag);
      expect((await cli(lab, 'verify', site.uri)).exitCode).toBe(0);
    },
  );
  // The restore was done all the same.
  leftBefore = await leftovers(lab);
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
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

it('sites online does not wait behind a process that is stopped with the lock of the site: it names and ends it', async () => {
  await writeFile(join(lab.nginx.address.flags, site.uri), '');
  const program = join(__dirname, '../helpers/lock-holder.js');
  const holder = spawn(process.execPath, [program, join(lab.state, 'locks'), site.uri]);
  const ended = once(holder, 'exit');
  let said = '';
  holder.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until('it holds the lock', () => said.includes('held'));
  holder.kill('SIGSTOP');
  const { exitCode, stdout, stderr } = await cli(lab, 'sites', 'online', site.uri);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('its maintenance page is up; put right')]);
  expect(stderr).toMatch(
    new RegExp(`process ${holder.pid} on lab, which has the lock .*does not run any more: it is ended`),
  );
  expect((await ended)[1]).toBe('SIGKILL');
  expect(await status()).toBe(200);
});

it('a task whose run Temporal does not know is left alone while its worker lives, and undone afterwards', async () => {
  const [last] = journalsOf(lab, 'restore').filter(({ outcome }) => outcome?.status === 'failed');
  const path = join(lab.state, 'tasks', `${last?.task}.json`);
  const text = await readFile(path, 'utf8');
  const worker = spawn('sleep', ['600']);
  const ended = once(worker, 'exit');
  const { pid = 0 } = worker;
  const { started = '' } = (await identify(pid)) ?? {};
  // As another Temporal runs it, or one that came back from an old copy.
  const open = { outcome: null, runId: randomUUID(), worker: { boot: bootNow().boot, pid, started } };
  await writeFile(path, JSON.stringify({ ...(JSON.parse(text) as Journal), ...open }));
  await writeFile(join(lab.state, 'open', last?.task ?? ''), '');
  try {
    await withWorkerInProcess(
      lab,
      (real) => real,
      async () => {
        const busy = await cli(lab, 'verify', site.uri);
        expect([busy.exitCode, busy.stderr]).toEqual([11, expect.stringContaining(last?.task ?? '')]);
        expect((JSON.parse(await readFile(path, 'utf8')) as Journal).outcome).toBeNull();
        worker.kill('SIGKILL');
        await ended;
        // The worker, which looks for such tasks itself once a minute, may be at it.
        expect((await cli(lab, 'verify', site.uri, '--wait-turn')).exitCode).toBe(0);
      },
    );
    expect((JSON.parse(await readFile(path, 'utf8')) as Journal).outcome).toMatchObject({ status: 'recovered' });
  } finally {
    worker.kill('SIGKILL');
    await writeFile(path, text);
  }
  await expectAsBefore();
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
