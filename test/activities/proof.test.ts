import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { get } from '../../scripts/lab/fingerprint';
import { recordsOf } from '../../scripts/lab/leftovers';
import { UNPROVEN } from '../../src/contract/names';
import type { Journal } from '../../src/core/tasks/journal';
import { ActivityLab } from '../helpers/activity-lab';
import { DONE, type DrivenTask, DrivenTasks } from '../helpers/driven-tasks';
import { leftovers } from '../helpers/e2e';

/* Whether what a site defines could be restored is asked before the site is shut, over a real server. */

jest.setTimeout(240_000);

let ring: ActivityLab;
let tasks: DrivenTasks;
beforeAll(async () => {
  ring = await ActivityLab.start();
  tasks = new DrivenTasks(ring);
});
afterAll(async () => {
  await ring?.stop();
});

const QUIET = { quiesce: true } as const;
const query = (sql: string): Promise<string> => ring.lab.mariadb.query(sql);
const journalOf = ({ task }: DrivenTask): Promise<Journal> => ring.parts.journals.get(task);
/** How many databases were made on the server so far: each try makes one. */
const created = async (): Promise<number> =>
  Number((await query("SHOW GLOBAL STATUS LIKE 'Com_create_db'")).trim().split('\t')[1]);

/** A backup that keeps the site quiet, to its end. What the first step said, and how often the server was asked in it and behind it. */
async function backUp(meanwhile: () => Promise<unknown> = async () => undefined) {
  const given = tasks.begin('backup', QUIET);
  const before = await created();
  let said: Journal['proof'] = null;
  let [first, from] = [0, 0];
  await tasks.take(given, null, async (done) => {
    if (done.at(-1) !== 'proveDefinitions') return;
    said = (await journalOf(given)).proof;
    first = (await created()) - before;
    await meanwhile();
    from = await created();
  });
  const later = (await created()) - from;
  for (const name of ['liftFence', 'leaveMaintenance', 'discardSpool', 'runLastHook']) await tasks.call(given, name);
  await tasks.close(given, DONE);
  const { backup } = await journalOf(given);
  const record = recordsOf(ring.lab, ring.site.uri).find(({ id }) => id === backup?.id);
  return { said: said as Journal['proof'], first, later, warnings: record?.warnings };
}

test('definitions that nobody has tried are tried while the site is open, and not again once it is shut', async () => {
  const nothing = await leftovers(ring.lab);
  const given = tasks.begin('backup', QUIET);
  await tasks.take(given, 'proveDefinitions');
  const { proof, scratch, token, maintenance } = await journalOf(given);
  expect(proof).toEqual({ definitions: expect.stringMatching(/./) as string, warning: null });
  expect(maintenance).toBe(null);
  expect((await get(ring.lab.nginx.port, ring.site.uri, '/')).status).toBe(200);
  // What was made for it is noted, and gone; what was dumped for it too.
  expect(await query(`SHOW DATABASES LIKE '${scratch?.database}'`)).toBe('');
  expect(await query(`SELECT user FROM mysql.user WHERE user = '${scratch?.account.user}'`)).toBe('');
  expect(execFileSync('find', [join(ring.lab.state, 'spool', token), '-type', 'f'], { encoding: 'utf8' })).toBe('');
  await tasks.undo(given);
  expect(await leftovers(ring.lab)).toEqual(nothing);

  await query(`CREATE TABLE ${ring.site.database}.new_one (a INT)`);
  expect(await backUp()).toEqual({
    ...{ said: { definitions: expect.not.stringMatching(`^${proof?.definitions}$`) as string, warning: null } },
    ...{ first: 1, later: 0, warnings: [] },
  });
  // Rows are no definitions.
  await query(`INSERT INTO ${ring.site.database}.new_one VALUES (1)`);
  expect(await backUp()).toMatchObject({ said: { warning: null }, first: 0, later: 0, warnings: [] });
  expect(await leftovers(ring.lab)).toEqual(nothing);
});

test('what the server does not take is known before the site is shut, and the backup says it without a second try', async () => {
  await query(`CREATE DATABASE private; CREATE TABLE private.t (a INT);
    CREATE VIEW ${ring.site.database}.peeks AS SELECT * FROM private.t`);
  const nothing = await leftovers(ring.lab);
  const refused = expect.stringMatching(new RegExp(`^${UNPROVEN}: .*denied`)) as string;
  expect(await backUp()).toMatchObject({
    ...{ said: { warning: refused }, first: 1, later: 0 },
    warnings: expect.arrayContaining([refused]) as string[],
  });
  expect(await leftovers(ring.lab)).toEqual(nothing);
  await query(`DROP VIEW ${ring.site.database}.peeks; DROP DATABASE private`);
});

test('what changes between is tried once more: the backup is proved by what it holds', async () => {
  const nothing = await leftovers(ring.lab);
  const change = (): Promise<string> => query(`ALTER TABLE ${ring.site.database}.new_one ADD b INT`);
  expect(await backUp(change)).toMatchObject({ said: { warning: null }, first: 0, later: 1, warnings: [] });
  expect(await leftovers(ring.lab)).toEqual(nothing);
});

test('a server that cannot be asked holds nobody: the backup is made, and says so', async () => {
  await query(`ALTER TABLE ${ring.site.database}.new_one ADD c INT`);
  await query('SET GLOBAL read_only = 1');
  const made = await backUp(() => query('SET GLOBAL read_only = 0'));
  const why = expect.stringContaining('could not be tried: database server') as string;
  expect(made).toMatchObject({ said: { warning: why }, first: 0, later: 0, warnings: [why] });
});

test('where proofs are switched off nothing is dumped and nobody is asked', async () => {
  await query(`ALTER TABLE ${ring.site.database}.new_one ADD d INT`);
  const before = readFileSync(ring.lab.configuration, 'utf8');
  writeFileSync(ring.lab.configuration, stringify({ ...(parse(before) as object), proveBackups: false }));
  try {
    expect(await backUp()).toEqual({ said: null, first: 0, later: 0, warnings: [] });
  } finally {
    writeFileSync(ring.lab.configuration, before);
  }
});

test('it is no step of a backup that leaves the site open, nor one of a task that is taken back', async () => {
  const open = tasks.begin('backup');
  await tasks.take(open, 'preflight');
  expect(await tasks.outcome(open, 'proveDefinitions')).toBe('StepRefused');
  await tasks.undo(open);

  const given = tasks.begin('backup', QUIET);
  await tasks.take(given, 'preflight');
  await tasks.call(given, 'discardUnpublished');
  expect(await tasks.outcome(given, 'proveDefinitions')).toBe('TaskSuperseded');
  expect(existsSync(join(ring.lab.state, 'spool', (await journalOf(given)).token))).toBe(false);
  await tasks.undo(given);
});
