import { chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hooks } from '../../src/contract/target';
import type { TaskType } from '../../src/contract/names';
import { type Journal, markOf } from '../../src/core/tasks/journal';
import { isRoot } from '../helpers/as-root';
import type { Run } from '../helpers/activity-lab';
import { BareMaster, SITE } from '../helpers/bare-master';
import { testOperation } from '../helpers/operation';
import { targetIn } from '../helpers/target';
import { until } from '../helpers/until';

/* The programs that a site declares, run by the activities over a real host. */

/** Root acts as somebody else; everybody else as himself. */
const OWNER = isRoot
  ? { user: 'nobody', uid: 65534, gid: 65534 }
  : { user: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const BACKUP = `${SITE}-20261124.031400`;

let master: BareMaster;
let root: string;
beforeEach(async () => {
  master = await BareMaster.start();
  root = join(master.folder, 'srv/gazette');
  mkdirSync(root, { recursive: true });
  chownSync(root, OWNER.uid, OWNER.gid);
});
afterEach(() => master.stop());

interface Begun {
  readonly task: string;
  readonly run: Run;
}

/** A task of a site with hooks; done are the steps that are named, or preflight alone. */
async function begin(
  type: TaskType,
  hooks: Hooks,
  { done = ['preflight'], ...changes }: Partial<Journal> & { readonly done?: readonly string[] } = {},
): Promise<Begun> {
  return master.begin('031502', type, {
    target: targetIn(master.folder, { site: { uri: SITE, root, owner: OWNER }, hooks }),
    steps: Object.fromEntries(done.map((name) => [name, { attempt: 'a', done: true }])),
    ...changes,
  });
}

const published = {
  ...{ id: BACKUP, created: '2026-11-24T03:14:00.000Z', archive: 'a', temporaryArchive: 'b', packed: null },
  published: true,
};
const OUTCOME: NonNullable<Journal['outcome']> = {
  ...{ status: 'done', ended: '2026-11-24T03:20:00.000Z', code: null, message: null },
  warnings: [],
};
const shell = (script: string): [string, ...string[]] => ['sh', '-c', script];
const at = (name: string): string => join(root, name);
const read = (name: string): string => readFileSync(at(name), 'utf8');
const runHook = ({ task, run }: Begun, name: string): Promise<unknown> => master.call(run, 'runHook', [{ task }, name]);
const runLastHook = ({ task, run }: Begun): Promise<unknown> => master.call(run, 'runLastHook', [{ task }]);
const journalOf = ({ task }: Begun): Promise<Journal> => master.parts.journals.get(task);

test('a hook runs as the owner in the folder of the site, is told what the task is, and what it prints is in the log', async () => {
  const given = await begin(
    'backup',
    { before: shell('cat > told.json; pwd; id -u; ls /etc/kedge* /root; exit 0') },
    { description: 'before the update' },
  );
  expect(await runHook(given, 'before')).toEqual({ value: null, warnings: [] });
  expect(JSON.parse(read('told.json'))).toEqual({
    ...{ hook: 'before', task: given.task, site: SITE, type: 'backup', who: 'anna' },
    ...{ description: 'before the update', source: null, backup: null },
  });
  expect(statSync(at('told.json')).uid).toBe(OWNER.uid);
  expect(master.logOf(given.task).filter((line) => line.startsWith('before: '))).toEqual([
    `before: ${root}`,
    `before: ${OWNER.uid}`,
  ]);
  expect((await journalOf(given)).steps?.['runHook before']?.done).toBe(true);
});

test('the failure of a hook on the way is that of the step, which may be tried again', async () => {
  const given = await begin('backup', { before: shell('echo no cache >&2; test -e ready') });
  await expect(runHook(given, 'before')).rejects.toMatchObject({
    code: 'HookFailed',
    site: SITE,
    message: expect.stringMatching(
      /^the hook before of gazette\.example failed: sh ended with 1[^]*no cache/,
    ) as string,
  });
  expect((await journalOf(given)).steps?.['runHook before']?.done).toBe(false);
  writeFileSync(at('ready'), '');
  expect(await runHook(given, 'before')).toEqual({ value: null, warnings: [] });
});

test.each<[string, string, Partial<Journal> & { done?: string[] }, string]>([
  ['that is not next', 'before', { done: [] }, 'StepRefused'],
  ['of a later part of the task', 'afterSwitch', {}, 'StepRefused'],
  ['that the site has not', 'fenced', {}, 'StepRefused'],
  ['for the end', 'after', {}, 'InputInvalid'],
  ['of a name that every object has', 'constructor', {}, 'InputInvalid'],
  ['of a task that is taken back', 'before', { undoing: true }, 'TaskSuperseded'],
])('a hook %s is refused, and does not run', async (_what, name, changes, code) => {
  const hooks = { before: shell('touch ran'), afterSwitch: shell('touch ran'), after: shell('touch ran') };
  const given = await begin('restore', hooks, changes);
  await expect(runHook(given, name)).rejects.toMatchObject({ code });
  expect(existsSync(at('ran'))).toBe(false);
});

test('before a deploy there may be no folder to run in: its first hook is passed over, and the log says so', async () => {
  const given = await begin('deploy', { before: shell('touch ran') });
  expect(await runHook(given, 'before')).toEqual({ value: null, warnings: [] });
  expect(existsSync(at('ran'))).toBe(false);
  expect(master.logOf(given.task)).toContainEqual(expect.stringContaining('before: not run'));
  expect((await journalOf(given)).steps?.['runHook before']?.done).toBe(true);
});

test('when somebody takes the site over at the moment a hook is to begin, it does not', async () => {
  const given = await begin('backup', { before: shell('touch ran') });
  let called: Promise<unknown> = Promise.resolve();
  await master.parts.locks.hold(SITE, testOperation(), async () => {
    called = runHook(given, 'before');
    // The step has begun, and waits for the lock.
    const refused = expect(called).rejects.toMatchObject({ code: 'TaskSuperseded' });
    await until('the step has begun', async () => (await journalOf(given)).step === 'runHook before');
    await master.parts.epochs.raise(SITE, 'anna', 'for the test');
    called = refused;
  });
  await called;
  expect(existsSync(at('ran'))).toBe(false);
});

test('a second attempt ends the program of the first before it runs its own', async () => {
  const script = 'if mkdir first 2>/dev/null; then sleep 1000; touch survived; else touch second; fi';
  const given = await begin('backup', { before: shell(script) });
  const first = expect(runHook(given, 'before')).rejects.toMatchObject({ code: 'TaskSuperseded' });
  await until('the first runs', () => existsSync(at('first')));
  const second = runHook(given, 'before');
  await first;
  expect(await second).toEqual({ value: null, warnings: [] });
  expect([existsSync(at('second')), existsSync(at('survived'))]).toEqual([true, false]);
  const mark = markOf(await journalOf(given));
  expect((await master.parts.master.listMarks()).filter((each) => each.includes(mark))).toEqual([]);
});

describe('the last hook', () => {
  const HOOKS = { after: shell('cat > told.json') };

  test('is told which backup was made, and which one a restore behind its commit went back to', async () => {
    const backup = await begin('backup', HOOKS, { backup: published });
    expect(await runLastHook(backup)).toEqual({ value: null, warnings: [] });
    expect(JSON.parse(read('told.json'))).toMatchObject({
      hook: 'after',
      type: 'backup',
      source: null,
      backup: BACKUP,
    });
    await master.parts.journals.close(backup.task, OUTCOME);

    const source = { id: `${SITE}-20261123.031400`, path: '', sha256: '', members: 1, contentBytes: 1, elsewhere: [] };
    const restore = await begin('restore', HOOKS, {
      ...{ backup: published, committed: true },
      source: { ...source, charset: '', collation: '', contentMark: null },
    });
    expect(await runLastHook(restore)).toEqual({ value: null, warnings: [] });
    expect(JSON.parse(read('told.json'))).toMatchObject({ type: 'restore', source: source.id, backup: BACKUP });
  });

  test.each<[string, TaskType, Partial<Journal>]>([
    ['a backup that is not published', 'backup', { backup: { ...published, published: false } }],
    ['a restore that is not committed', 'restore', { backup: published }],
  ])('of %s is refused, and does not run', async (_what, type, changes) => {
    await expect(runLastHook(await begin(type, HOOKS, changes))).rejects.toMatchObject({ code: 'StepRefused' });
    expect(existsSync(at('told.json'))).toBe(false);
  });

  test('runs no more once the task is closed: the site has gone on since', async () => {
    const given = await begin('backup', HOOKS, { backup: published, outcome: OUTCOME });
    expect(await runLastHook(given)).toEqual({ value: null, warnings: [] });
    expect(existsSync(at('told.json'))).toBe(false);
  });

  test('of a site that has none is nothing to do', async () => {
    expect(await runLastHook(await begin('backup', {}, { backup: published }))).toEqual({ value: null, warnings: [] });
  });

  test.each([
    ['fails', ['sh', '-c', 'exit 7'], 'HookFailed'],
    ['is not there', ['no-such-program'], 'ProgramMissing'],
  ] as const)('that %s says so', async (_what, after, code) => {
    const given = await begin('backup', { after: [...after] }, { backup: published });
    await expect(runLastHook(given)).rejects.toMatchObject({ code });
  });
});
