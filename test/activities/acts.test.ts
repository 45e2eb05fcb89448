import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { get } from '../../scripts/lab/fingerprint';
import type { PackedRecord } from '../../src/contract/backup-record';
import { KedgeError } from '../../src/contract/errors';
import type { StepName } from '../../src/contract/steps';
import type { Journal } from '../../src/core/tasks/journal';
import type { SiteDatabase, SiteState } from '../../src/core/tasks/site-state';
import { ActivityLab } from '../helpers/activity-lab';
import { type DrivenTask, DrivenTasks } from '../helpers/driven-tasks';
import { leftovers } from '../helpers/e2e';
import { testOperation } from '../helpers/operation';
import { ToldActs } from '../helpers/told-acts';

/* What activities do over real parts: what they refuse, and what is written, and held, before they act. */

jest.setTimeout(240_000);

let ring: ActivityLab;
let tasks: DrivenTasks;
let backup: string;
const acts = new ToldActs();

beforeAll(async () => {
  ring = await ActivityLab.start({}, (real) => acts.change(real));
  tasks = new DrivenTasks(ring);
  backup = await tasks.backUp();
  // From here on the site lives on a database that Kedge made, and may drop.
  const restore = tasks.begin('restore', { backup });
  await tasks.take(restore, null);
  await tasks.finish(restore);
});
afterEach(() => {
  acts.before = () => undefined;
  acts.lockAsked = () => undefined;
  acts.packing = null;
});
afterAll(async () => {
  await ring?.stop();
});

const journalOf = (given: DrivenTask): Promise<Journal> => ring.parts.journals.get(given.task);
const status = async (): Promise<number> => (await get(ring.lab.nginx.port, ring.site.uri, '/')).status;
const ids = async (): Promise<string[]> =>
  (await ring.parts.catalog.list(ring.site.uri)).backups.map(({ id }) => id).sort();

/** Whether somebody has the lock of the site. */
function isLocked(): boolean {
  const lock = join(ring.lab.state, 'locks', `${ring.site.uri}.lock`);
  try {
    execFileSync('flock', ['--nonblock', '--exclusive', '--conflict-exit-code', '9', lock, 'true']);
    return false;
  } catch (error) {
    if ((error as { status?: number }).status === 9) return true;
    throw error;
  }
}

/** The only file of a name in the spool of a task. */
async function spooled(given: DrivenTask, step: string, name: string): Promise<string> {
  const { token, spooled: attempts } = await journalOf(given);
  return join(ring.lab.state, 'spool', token, step, attempts[step] ?? '', name);
}

function change(path: string, work: (text: string) => string): void {
  const before = readFileSync(path, 'latin1');
  const after = work(before);
  if (after === before) throw new Error(`${path} is as it was`);
  writeFileSync(path, after, 'latin1');
}

describe('a backup whose dump is not whole is not published', () => {
  it.each<[string, (text: string) => string, RegExp]>([
    ['its last line', (text) => text.replace(/\n-- Dump completed.*\n?$/, '\n'), /incomplete/],
    ['its last third', (text) => text.slice(0, Math.floor((text.length * 2) / 3)), /./],
    ['the rows of a table', (text) => text.replace(/^INSERT INTO `wp_posts`[^]*?;\n/m, ''), /wp_posts/],
    ['a table', (text) => text.replace(/^CREATE TABLE `wp_links`[^]*?;\n/m, ''), /wp_links/],
  ])('without %s', async (_what, cut, said) => {
    const [before, known] = [await leftovers(ring.lab), await ids()];
    const given = tasks.begin('backup');
    await tasks.take(given, 'dumpDatabase');
    change(await spooled(given, 'dumpDatabase', 'database.sql'), cut);
    await tasks.call(given, 'syncRemote');
    await tasks.call(given, 'tarball');
    await expect(tasks.call(given, 'publishBackup')).rejects.toMatchObject({
      code: 'DumpInvalid',
      message: expect.stringMatching(said) as string,
    });
    expect(await ids()).toEqual(known);
    await tasks.undo(given);
    expect(await leftovers(ring.lab)).toEqual(before);
  });
});

describe('an archive that does not read back as it was written is not published', () => {
  it.each<[string, (path: string) => void | Promise<void>]>([
    ['cut short', (path) => truncateSync(path, readFileSync(path).length - 1000)],
    ['with bytes behind its end', (path) => appendFile(path, Buffer.alloc(512))],
    // A frame that is skipped by whoever decompresses it: nothing but the size tells.
    ['with an empty frame behind its end', (path) => appendFile(path, Buffer.from('502a4d1800000000', 'hex'))],
    [
      'with a byte that fell over',
      (path) => {
        const bytes = readFileSync(path);
        bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0x10;
        writeFileSync(path, bytes);
      },
    ],
    ['in whose place another whole one stands', (path) => writeFileSync(path, readFileSync(publishedPath()))],
  ])('%s', async (_what, spoil) => {
    const [before, known] = [await leftovers(ring.lab), await ids()];
    const given = tasks.begin('backup');
    await tasks.takeUntil(given, 'publishBackup');
    await spoil((await journalOf(given)).backup?.temporaryArchive ?? '');
    expect(await tasks.outcome(given, 'publishBackup')).toMatch(/^(ArchiveInvalid|BackupDamaged)$/);
    expect(await ids()).toEqual(known);
    await tasks.undo(given);
    expect(await leftovers(ring.lab)).toEqual(before);
  });

  /** The archive of the first backup. */
  const publishedPath = (): string => {
    const folder = join(ring.lab.backups, ring.site.uri);
    return join(folder, readdirSync(folder).find((name) => name.startsWith(`${backup}.tar`)) ?? '');
  };
});

describe('a tar that leaves something out, and ends well, makes no backup', () => {
  const leavingOut =
    (name: string): NonNullable<ToldActs['packing']> =>
    (command, run) => {
      const [program, ...rest] = command.argv;
      return run({ ...command, argv: [program, ...rest.filter((word) => word !== name)] });
    };
  it.each<[string, NonNullable<ToldActs['packing']>, string]>([
    ['the dump', leavingOut('database.sql'), 'DumpInvalid'],
    ['its record', leavingOut('.kedge/backup.json'), 'BackupDamaged'],
    [
      'a folder that its record names',
      async (command, run) => {
        const { from = '' } = command.sandbox?.readOnly?.find(({ to }) => to === '/pack/.kedge/backup.json') ?? {};
        const record = JSON.parse(readFileSync(from, 'utf8')) as PackedRecord;
        const roots = [...record.roots, { name: 'media', path: '/srv/media' }];
        writeFileSync(from, JSON.stringify({ ...record, roots }));
        return run(command);
      },
      'BackupDamaged',
    ],
    [
      'the second half of what it wrote',
      async (command, run) => {
        const completed = await run(command);
        const { size = 0 } = (await command.outputFile?.stat()) ?? {};
        await command.outputFile?.truncate(Math.floor(size / 2));
        return completed;
      },
      'ArchiveInvalid',
    ],
  ])('%s', async (_what, packing, code) => {
    const [before, known] = [await leftovers(ring.lab), await ids()];
    const given = tasks.begin('backup');
    acts.packing = packing;
    await tasks.takeUntil(given, 'publishBackup');
    expect(await tasks.outcome(given, 'publishBackup')).toBe(code);
    expect(await ids()).toEqual(known);
    await tasks.undo(given);
    expect(await leftovers(ring.lab)).toEqual(before);
  });

  it('a tar that is ended by a signal has packed nothing', async () => {
    const given = tasks.begin('backup');
    acts.packing = (command, run) => run({ ...command, argv: ['sh', '-c', 'kill -9 $$'] });
    await tasks.takeUntil(given, 'tarball');
    expect(await tasks.outcome(given, 'tarball')).toBe('ProgramKilled');
    expect((await journalOf(given)).backup?.packed).toBeNull();
    expect(await tasks.outcome(given, 'publishBackup')).toBe('StepRefused');
    await tasks.undo(given);
  });
});

function keptOf({ database, account, address }: SiteDatabase): SiteState['kept'][number] {
  return { database, account, address, since: new Date().toISOString() };
}

/** What the journal says when a step makes an act, before it is made. */
const NOTED: readonly (readonly [StepName, string, (journal: Journal, before: Journal) => unknown])[] = [
  ['dumpDatabase', 'makeFolder', (journal) => journal.spooled['dumpDatabase'] === attemptOf(journal)],
  ['tarball', 'makeFolder', (journal) => journal.backup?.temporaryArchive.includes(attemptOf(journal))],
  ['enterMaintenance', 'raiseMaintenance', ({ maintenance }) => maintenance?.foundOn === false],
  ['fenceWrites', 'raiseFence', ({ fence }) => fence?.lowered === false && fence.account.user !== ''],
  ['deploy', 'makeFolder', ({ staged }) => staged.length === 1],
  ['createDatabase', 'createDatabase', ({ created }) => created?.databases.length === 1],
  ['importDatabase', 'createAccount', ({ created }) => created?.importBegan === true && created.password.length > 16],
  ['createDbUser', 'createAccount', ({ created }, before) => created?.password !== before.created?.password],
  ['switchSite', 'rename', ({ switched }) => switched],
  ['reloadWebServer', 'writeVhost', ({ vhostBefore }) => vhostBefore !== null],
  // The commit is no step that notes that it began.
  ['probeSite', 'save', ({ committed }) => committed],
];

/** The attempt of the newest step. */
function attemptOf({ steps, step }: Journal): string {
  return steps?.[step ?? '']?.attempt ?? 'none';
}

/**
 * Folders of the staging area are made under the lock with what is in them; the first of them is enough. An import writes to a database
 * that nobody knows yet.
 */
const UNNOTICED = new Set(['makeFolder', 'importDump']);

it('each act that visitors or other tasks notice is in the journal before it is made, and made under the lock of the site', async () => {
  const unlocked: string[] = [];
  const seen = new Set<string>();
  const noted = new Map<string, boolean>();
  let given = tasks.begin('restore', { backup });
  let before = null as Journal | null;
  acts.before = async (act) => {
    seen.add(act);
    if (!UNNOTICED.has(act) && !isLocked()) unlocked.push(act);
    const journal = await journalOf(given);
    const wanted = NOTED.find(([step, name]) => step === journal.step && name === act);
    const key = `${journal.step}: ${act}`;
    // The first of its kind: what follows it may rest on it.
    if (wanted && before && !noted.has(key)) noted.set(key, Boolean(wanted[2](journal, before)));
  };
  await tasks.take(given, 'probeSite', async () => {
    before = await journalOf(given);
  });
  await tasks.undo(given);
  given = tasks.begin('restore', { backup });
  await tasks.take(given, null);
  await tasks.finish(given);
  expect(isLocked()).toBe(false);
  expect(unlocked).toEqual([]);
  expect(Object.fromEntries(noted)).toEqual(Object.fromEntries(NOTED.map(([step, act]) => [`${step}: ${act}`, true])));
  expect([...seen]).toEqual(
    expect.arrayContaining([
      ...['raiseMaintenance', 'lowerMaintenance', 'raiseFence', 'lowerFence', 'rename', 'writeVhost', 'putVhostBack'],
      ...['createDatabase', 'createAccount', 'dropDatabase', 'dropAccount', 'lockAccount', 'publish', 'save'],
    ]),
  );
});

it('the folder of before stays while that of the site is missing, whatever is called', async () => {
  const given = tasks.begin('restore', { backup });
  await tasks.take(given, null);
  await tasks.call(given, 'endMaintenance');
  const aside = `${ring.site.root}.aside`;
  renameSync(ring.site.root, aside);
  const { staged } = await journalOf(given);
  const previous = staged.map(({ previous: folder = '' }) => folder);
  expect(await tasks.outcome(given, 'discardPrevious')).toBe('StepRefused');
  expect(previous.map((folder) => existsSync(folder))).toEqual(previous.map(() => true));
  renameSync(aside, ring.site.root);
  await tasks.finish(given);
  expect(previous.map((folder) => existsSync(folder))).toEqual(previous.map(() => false));
  expect(await status()).toBe(200);
});

it('the database of before stays while the state of the site names it', async () => {
  const given = tasks.begin('restore', { backup });
  await tasks.take(given, null);
  for (const name of ['endMaintenance', 'discardPrevious']) await tasks.call(given, name);
  const { before } = await journalOf(given);
  const state = await ring.parts.states.get(ring.site.uri);
  if (before === null) throw new Error('the site had no database');
  await ring.parts.states.save({ ...state, current: before });
  expect(await tasks.outcome(given, 'discardReplacedDatabase')).toBe('StepRefused');
  await ring.parts.states.save({ ...state, kept: [keptOf(before)] });
  expect(await tasks.outcome(given, 'discardReplacedDatabase')).toBe('StepRefused');
  expect((await leftovers(ring.lab))['databases']).toContain(before.database);
  await ring.parts.states.save(state);
  await tasks.finish(given);
  expect((await leftovers(ring.lab))['databases']).not.toContain(before.database);
});

it('a page that was up before a task stays up when it is undone, and when it is done', async () => {
  const { webServer } = ring.parts.siteAtWork(await ring.parts.resolveTarget(ring.site.uri));
  await webServer.raiseMaintenance(ring.site.uri);
  const undone = tasks.begin('restore', { backup });
  await tasks.take(undone, 'enterMaintenance');
  expect((await journalOf(undone)).maintenance?.foundOn).toBe(true);
  await tasks.undo(undone);
  expect(await status()).toBe(503);
  const done = tasks.begin('restore', { backup });
  await tasks.take(done, null);
  await tasks.finish(done);
  expect(await status()).toBe(503);
  await webServer.lowerMaintenance(ring.site.uri);
  expect(await status()).toBe(200);
});

it('an account that is complete has a password that its import had not', async () => {
  const given = tasks.begin('restore', { backup });
  await tasks.take(given, 'importDatabase');
  const imported = (await journalOf(given)).created;
  await tasks.call(given, 'createDbUser');
  const { created } = await journalOf(given);
  if (!imported || !created) throw new Error('there is no account');
  const { databaseServer } = ring.parts.siteAtWork(await ring.parts.resolveTarget(ring.site.uri));
  const server = await databaseServer();
  const database = created.databases.at(-1) ?? '';
  expect(await server.canLogIn(created.account.user, created.password, database)).toBe(true);
  expect(await server.canLogIn(created.account.user, imported.password, database)).toBe(false);
  await tasks.undo(given);
});

it('an import that begins again has a database and a password of its own: of the attempt before nothing is left', async () => {
  const server = await ring.parts.siteAtWork(await ring.parts.resolveTarget(ring.site.uri)).databaseServer();
  const given = tasks.begin('restore', { backup });
  await tasks.takeUntil(given, 'importDatabase');
  const imports: { database: string; tables: string }[] = [];
  const tablesOf = (database: string): Promise<string> =>
    ring.lab.mariadb.query(
      `SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${database}'`,
    );
  acts.before = async (act, _dump, database) => {
    if (act !== 'importDump') return;
    imports.push({ database: String(database), tables: (await tablesOf(String(database))).trim() });
    if (imports.length > 1) return;
    await ring.lab.mariadb.query(`CREATE TABLE ${String(database)}.of_the_first (id int)`);
    throw new KedgeError('DatabaseUnreachable', 'the import was cut off');
  };
  expect(await tasks.outcome(given, 'importDatabase')).toBe('DatabaseUnreachable');
  const first = (await journalOf(given)).created;
  await tasks.call(given, 'importDatabase');
  const { created } = await journalOf(given);
  if (!first || !created) throw new Error('there is no account');
  const [one, other] = created.databases;
  expect(created.databases).toHaveLength(2);
  expect(one).not.toBe(other);
  expect(imports).toEqual([
    { database: one, tables: 'NULL' },
    { database: other, tables: 'NULL' },
  ]);
  expect((await leftovers(ring.lab))['databases']).not.toContain(one);
  expect((await tablesOf(other ?? '')).split(',')).not.toContain('of_the_first');
  expect(await server.canLogIn(created.account.user, created.password, other ?? '')).toBe(true);
  expect(await server.canLogIn(created.account.user, first.password, other ?? '')).toBe(false);
  await tasks.undo(given);
});

it('undo begins under the lock of the site: never in the middle of an act', async () => {
  const given = tasks.begin('restore', { backup });
  await tasks.take(given, 'enterMaintenance');
  let undone: Promise<unknown> = Promise.resolve();
  await ring.parts.locks.hold(ring.site.uri, testOperation(), async () => {
    const asked = new Promise<void>((resolve) => (acts.lockAsked = resolve));
    undone = tasks.outcome(given, 'leaveMaintenance');
    await Promise.race([asked, undone]);
    expect((await journalOf(given)).undoing).toBe(false);
  });
  expect(await undone).toMatchObject({ value: { value: null } });
  await tasks.undo(given);
  expect(await status()).toBe(200);
});
