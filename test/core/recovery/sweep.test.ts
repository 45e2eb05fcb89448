import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KedgeError } from '../../../src/contract/errors';
import type { Target } from '../../../src/contract/target';
import { withFileLock } from '../../../src/core/hosts/file-lock';
import type { Host } from '../../../src/core/hosts/host';
import { identify } from '../../../src/core/hosts/processes';
import type { MasterHost } from '../../../src/core/hosts/master-host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { JOURNAL, type Journal, markOf } from '../../../src/core/tasks/journal';
import { Journals } from '../../../src/core/tasks/journals';
import { Scratches } from '../../../src/core/proofs/scratches';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { type SiteDatabase, SiteStates } from '../../../src/core/tasks/site-state';
import { stagingFolders } from '../../../src/core/sites/switch-folders';
import { newProbeName } from '../../../src/core/flags/probe-file';
import { Sweeper } from '../../../src/core/recovery/sweep';
import { type DatabaseLab, openLab } from '../databases/lab';
import { describeAsRoot } from '../../helpers/as-root';
import { testOperation, type TestOperation } from '../../helpers/operation';
import { type RuledMachine, ruledMachine, ruledMachineOver } from '../../helpers/ruled-machine';
import { targetIn } from '../../helpers/target';
import { until } from '../../helpers/until';
import { newTask } from '../../helpers/new-task';

const SITE = 'shop.example';
const host = createLocalHost({ name: 'master' });

let lab: DatabaseLab;
let folder: string;
let journals: Journals;
let states: SiteStates;
let sweeper: Sweeper;
let operation: TestOperation;

beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab?.close());

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-sweep-');
  for (const name of ['srv/shop', 'state', `backups/${SITE}`, `flags/${SITE}.probe`])
    await mkdir(join(folder, name), { recursive: true });
  journals = new Journals(join(folder, 'state/tasks'), join(folder, 'state/open'), host, () => undefined);
  states = new SiteStates(join(folder, 'state/sites'), host, () => undefined);
  sweeper = newSweeper();
  operation = testOperation();
});
afterEach(async () => {
  for (const name of (await lab.server.databaseNames()).filter((database) => database.startsWith('shopexample')))
    await lab.server.dropDatabase(name);
  for (const user of (await lab.server.userNames()).filter((name) => name.startsWith('shopexample')))
    await lab.server.dropAccount({ user, hosts: ['localhost'] });
  await rm(folder, { recursive: true, force: true });
});

const newSweeper = (
  databaseServer = async () => lab.server,
  master: MasterHost = host,
  elsewhere: { webHosts?: [string, Host][]; flags?: { host: Host; path: string }[] } = {},
): Sweeper =>
  new Sweeper(async () => ({
    master,
    journals,
    states,
    locks: new SiteLocks(join(folder, 'state/locks'), host),
    scratches: new Scratches(join(folder, 'state/scratch'), host),
    webHosts: new Map<string, Host>([['web', master], ...(elsewhere.webHosts ?? [])]),
    databaseServers: new Map([['db', databaseServer]]),
    folders: { state: join(folder, 'state'), backups: join(folder, 'backups') },
    sockets: join(folder, 'state/sockets'),
    flags: [{ host: master, path: join(folder, 'flags') }, ...(elsewhere.flags ?? [])],
  }));

const target = (): Target =>
  targetIn(folder, {
    site: { uri: SITE, kind: 'wordpress' },
    database: { name: 'db', kind: 'mariadb', socket: lab.mariadb.socket, admin: { user: 'root' } },
  });

const siteDatabase = (database: string, user: string, madeByKedge = true): SiteDatabase => ({
  database,
  account: { user, hosts: ['localhost'] },
  password: 'secret',
  address: 'localhost',
  madeByKedge,
});

const nameIt = (suffix: string): string => `shopexample${suffix}`;

async function makeDatabase(name: string, user = name): Promise<void> {
  await lab.server.createDatabase(name, 'utf8mb4', 'utf8mb4_general_ci');
  await lab.server.createAccount({ user, hosts: ['localhost'] }, 'p', name);
}

let tasks = 0;
/** Begins a task that makes a thing of every kind. */
async function begin(changes: Partial<Journal> = {}): Promise<Journal> {
  tasks += 1;
  const task = `${SITE}-20261124.03${String(tasks).padStart(4, '0')}-restore`;
  const runId = `run-${tasks}`;
  const { token } = await journals.begin(newTask({ task, site: SITE, runId }));
  const staging = join(folder, 'srv/.kedge', token);
  const temporaryArchive = join(folder, 'backups', SITE, `.tmp-${token}`);
  const [spool, database] = [join(folder, 'state/spool', token), nameIt(token)];
  await mkdir(join(staging, 'site'), { recursive: true });
  await mkdir(spool, { recursive: true });
  await writeFile(join(spool, 'database.sql'), 'a dump');
  await writeFile(temporaryArchive, 'half an archive');
  await makeDatabase(`${database}a`, database);
  return journals.recordUndo(task, {
    target: target(),
    staged: [{ name: 'site', live: join(folder, 'srv/shop'), staging }],
    backup: {
      id: `${SITE}-20261124.030000`,
      created: '2026-11-24T03:00:00.000Z',
      archive: 'a.tar.zst',
      temporaryArchive,
      packed: null,
      published: false,
    },
    created: {
      databases: [`${database}a`],
      importBegan: true,
      account: { user: database, hosts: ['localhost'] },
      password: 'secret',
      enabledEvents: [],
    },
    ...changes,
  });
}

const close = (journal: Journal): Promise<void> =>
  journals.close(journal.task, {
    status: 'failed',
    ended: new Date().toISOString(),
    code: null,
    message: null,
    warnings: [],
  });

/** Sweeps, and gives what there is to be told as texts. */
const sweep = async (only?: string, by = sweeper): Promise<{ removed: readonly string[]; problems: string[] }> => {
  const { removed, problems } = await by.sweep(() => operation, only);
  return { removed, problems: problems.map(({ text }) => text) };
};
const found = async (): Promise<string[]> => (await sweeper.search(operation.signal)).leftovers.map(({ what }) => what);

const stagingOf = ({ staged }: Journal): string => stagingFolders(staged)[0] ?? '';

/** What there is of a task, of its files and on the server. */
async function remaining({ token, staged, backup }: Journal): Promise<string[]> {
  const paths = [...stagingFolders(staged), join(folder, 'state/spool', token), backup?.temporaryArchive ?? ''];
  return [
    ...paths.filter((path) => existsSync(path)),
    ...(await lab.server.databaseNames()).filter((name) => name.startsWith(nameIt(token))),
    ...(await lab.server.userNames()).filter((name) => name.startsWith(nameIt(token))),
  ];
}

async function makeOld(path: string): Promise<string> {
  await writeFile(path, 'half');
  const long = new Date(Date.now() - 3_600_000);
  await utimes(path, long, long);
  return path;
}

describe('sweeper', () => {
  it('removes everything a closed task left, and nothing of an open one beside it', async () => {
    const closed = await begin();
    await close(closed);
    const open = await begin();
    expect(await remaining(closed)).toHaveLength(5);
    const { removed, problems } = await sweep();
    expect(problems).toEqual([]);
    expect(removed).toHaveLength(5);
    expect(await remaining(closed)).toEqual([]);
    expect(await remaining(open)).toHaveLength(5);
    expect(await sweep()).toEqual({ removed: [], problems: [] });
  });

  it('right after a task, what that one left: its probe file and unfinished ones too, however young, and nothing of others', async () => {
    const mine = await begin();
    await close(mine);
    const other = await begin();
    await close(other);
    const probe = join(folder, `flags/${SITE}.probe`, newProbeName({ mark: `undo-${markOf(mine)}/probeSite` }));
    // The look at its end, whether the site stays shut; a worker that is killed there leaves it.
    const late = join(folder, `flags/${SITE}.probe`, newProbeName({ mark: `look-${markOf(mine)}/closeTask` }));
    const another = join(folder, `flags/${SITE}.probe`, newProbeName({ mark: `${markOf(other)}/probeSite` }));
    const unfinished = await makeOld(join(folder, 'state/tasks/.a.json.0123456789ab.tmp'));
    const cutShort = (name: string): string => join(folder, 'state', `${name}.0123456789ab.tmp`);
    const ofTask = cutShort(`tasks/.${mine.task}.json`);
    const ofSite = cutShort(`sites/.${SITE}.json`);
    const ofOther = cutShort(`tasks/.${other.task}.json`);
    await mkdir(join(folder, 'state/sites'), { recursive: true });
    await Promise.all([probe, late, another, ofTask, ofSite, ofOther].map((path) => writeFile(path, '')));
    const { removed, problems } = await sweep(mine.task);
    expect([problems, removed]).toEqual([[], expect.arrayContaining([`the probe file ${probe}`])]);
    expect(removed).toHaveLength(9);
    expect([ofTask, ofSite, ofOther].map((path) => existsSync(path))).toEqual([false, false, true]);
    expect(await remaining(mine)).toEqual([]);
    expect(await remaining(other)).toHaveLength(5);
    expect([probe, late, another, unfinished].map((path) => existsSync(path))).toEqual([false, false, true, true]);
  });

  it('what came into the folder of before, and was not committed, is left to a person', async () => {
    const journal = await begin();
    const previous = `${stagingOf(journal)}.previous`;
    await journals.recordUndo(journal.task, {
      staged: journal.staged.map((staged) => ({ ...staged, previous })),
      switched: true,
    });
    await close(journal);
    await mkdir(join(previous, 'site'), { recursive: true });
    const { problems } = await sweep();
    expect(problems).toEqual([expect.stringContaining(join(previous, 'site'))]);
    expect(existsSync(join(previous, 'site'))).toBe(true);
    // Once it is empty it goes, with the rest.
    await rm(join(previous, 'site'), { recursive: true });
    expect((await sweep()).removed).toEqual(expect.arrayContaining([`the folder of before ${previous}`]));
    expect(existsSync(previous)).toBe(false);
  });

  it('locks of processes that have ended go, and no others', async () => {
    const [ended, held] = ['.a.example.lock', '.b.example.lock'].map((name) => join(folder, 'state/tasks', name));
    await mkdir(join(folder, 'state/tasks'), { recursive: true });
    await symlink('4194305 1 abc', ended ?? '');
    await withFileLock(held ?? '', host, async () => {
      expect((await sweep()).removed).toEqual([`the lock ${ended} of a process that has ended`]);
    });
  });

  it('scratch databases of commands that were killed go, and no others', async () => {
    const scratches = new Scratches(join(folder, 'state/scratch'), host);
    const made = async (name: string): Promise<string> => {
      const account = { user: name, hosts: ['localhost'] };
      const spool = join(folder, 'state/spool', name);
      await mkdir(spool, { recursive: true });
      await writeFile(join(spool, 'definitions.sql'), 'a dump');
      await scratches.add({ databaseServer: 'db', database: name, account, folder: spool });
      await makeDatabase(name);
      return spool;
    };
    const killed = await made(nameIt('dead1'));
    await made(nameIt('alive1'));
    const path = join(folder, 'state/scratch', `${nameIt('dead1')}.json`);
    const note = JSON.parse(await readFile(path, 'utf8')) as { by: { pid: number; started: string } };
    await writeFile(path, JSON.stringify({ ...note, by: { ...note.by, started: '1' } }));

    const { removed, problems } = await sweep(undefined, newSweeper());
    expect(problems).toEqual([]);
    expect(removed).toEqual([`the scratch database ${nameIt('dead1')} of db`]);
    expect(await lab.server.databaseNames()).not.toContain(nameIt('dead1'));
    expect(await lab.server.userNames()).not.toContain(nameIt('dead1'));
    expect(await lab.server.databaseNames()).toContain(nameIt('alive1'));
    expect(existsSync(killed)).toBe(false);
    expect(await readdir(join(folder, 'state/scratch'))).toEqual([`${nameIt('alive1')}.json`]);
  });

  it('looks without touching', async () => {
    const closed = await begin();
    await close(closed);
    expect(await found()).toEqual([
      `the staging folder ${stagingOf(closed)}`,
      `the spool folder ${join(folder, 'state/spool', closed.token)}`,
      `the unfinished archive ${closed.backup?.temporaryArchive}`,
      `the account ${nameIt(closed.token)} of lab`,
      `the database ${nameIt(closed.token)}a of lab`,
    ]);
    expect(await remaining(closed)).toHaveLength(5);
  });

  it('a journal that cannot be read stops nothing on other sites, and is named', async () => {
    const closed = await begin();
    await close(closed);
    const broken = join(folder, 'state/tasks/broken.example-20261124.031502-restore.json');
    await writeFile(broken, '{');
    expect(await sweep()).toMatchObject({
      removed: expect.arrayContaining([expect.stringContaining('staging folder')]) as string[],
      problems: [expect.stringMatching(/^broken\.example is passed over: .*broken\.example-20261124/)],
    });
    expect(await remaining(closed)).toEqual([]);
    await rm(broken);
  });

  it('passes over what tasks left on a site with a journal that cannot be read', async () => {
    const closed = await begin();
    await close(closed);
    const broken = join(folder, `state/tasks/${SITE}-20200101.000000-restore.json`);
    await writeFile(broken, '{');
    expect((await sweep()).removed).toEqual([]);
    expect(await remaining(closed)).toHaveLength(5);
    await rm(broken);
    expect((await sweep()).removed).toHaveLength(5);
  });

  it('touches nothing on a site with an open journal of a newer Kedge, and does not say that no task is open', async () => {
    const closed = await begin();
    await close(closed);
    const open = await begin();
    await mkdir(join(folder, 'state/sites'), { recursive: true });
    await states.save({ version: 1, site: SITE, current: siteDatabase('elsewhere', 'elsewhere'), kept: [] });
    await writeFile(join(folder, 'flags', SITE), '');
    const probe = await makeOld(join(folder, `flags/${SITE}.probe`, 'old'));
    const path = join(folder, `state/tasks/${open.task}.json`);
    const text = await readFile(path, 'utf8');
    const newer = JSON.stringify({ ...(JSON.parse(text) as object), version: JOURNAL.version + 1, novelty: true });
    await writeFile(path, newer);
    const named = [
      expect.stringMatching(
        new RegExp(`^shop\\.example is passed over: .*a journal of version ${JOURNAL.version + 1}`),
      ),
    ];
    for (const only of [undefined, closed.task])
      expect([only, await sweep(only, newSweeper())]).toEqual([
        only,
        { removed: [], problems: only === undefined ? named : [] },
      ]);
    expect(await remaining(closed)).toHaveLength(5);
    expect(await remaining(open)).toHaveLength(5);
    expect(existsSync(probe)).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(newer);
    await writeFile(path, text);
    expect((await sweep()).removed).toHaveLength(5);
  });

  it('drops no database while the state of a site cannot be read, which may use it', async () => {
    const closed = await begin();
    await close(closed);
    await mkdir(join(folder, 'state/sites'), { recursive: true });
    const broken = join(folder, 'state/sites/other.example.json');
    await writeFile(broken, '{');
    const { removed, problems } = await sweep();
    expect(removed).toHaveLength(3);
    expect(problems).toEqual([expect.stringMatching(/^other\.example is passed over: /)]);
    await rm(broken);
    expect((await sweep()).removed).toHaveLength(2);
    expect(await remaining(closed)).toEqual([]);
  });

  it('keeps what no journal says Kedge made, however it is called', async () => {
    const foreign = nameIt('0123456789a');
    await makeDatabase(foreign);
    const paths = ['srv/.kedge/0123456789', 'state/spool/0123456789', `backups/${SITE}/.tmp-0123456789`];
    for (const path of paths) await mkdir(join(folder, path), { recursive: true });
    await close(await begin());
    await sweep();
    expect(paths.filter((path) => existsSync(join(folder, path)))).toEqual(paths);
    expect(await lab.server.databaseExists(foreign)).toBe(true);
  });

  describe('of databases', () => {
    /** A committed restore that put its database in the place of another. */
    async function committed(before: SiteDatabase): Promise<{ journal: Journal; database: string; user: string }> {
      const journal = await begin({ before, switched: true });
      await journals.recordUndo(journal.task, { committed: true });
      await close(journal);
      return { journal, database: `${nameIt(journal.token)}a`, user: nameIt(journal.token) };
    }
    const save = (current: SiteDatabase, kept: SiteDatabase[] = []): Promise<void> =>
      states.save({
        version: 1,
        site: SITE,
        current,
        kept: kept.map(({ database, account, address }) => ({ database, account, address })),
      });

    it('the database before, of Kedge, goes; the one the site has now stays', async () => {
      await makeDatabase(nameIt('old'));
      const { database, user } = await committed(siteDatabase(nameIt('old'), nameIt('old')));
      await save(siteDatabase(database, user));
      const { removed } = await sweep();
      expect(removed).toEqual(expect.arrayContaining([`the database ${nameIt('old')} of lab`]) as unknown);
      expect(await lab.server.databaseExists(nameIt('old'))).toBe(false);
      expect(await lab.server.userNames()).not.toContain(nameIt('old'));
      expect(await lab.server.databaseExists(database)).toBe(true);
      expect(await lab.server.userNames()).toContain(user);
    });

    it('an adopted one stays, with its account', async () => {
      await makeDatabase(nameIt('adopted'));
      const { database, user } = await committed(siteDatabase(nameIt('adopted'), nameIt('adopted'), false));
      await save(siteDatabase(database, user));
      await sweep();
      expect(await lab.server.databaseExists(nameIt('adopted'))).toBe(true);
      expect(await lab.server.userNames()).toContain(nameIt('adopted'));
    });

    it('the one a site lives on stays, also while its state is gone, or says an older one', async () => {
      await makeDatabase(nameIt('old'));
      const { database, user } = await committed(siteDatabase(nameIt('old'), nameIt('old')));
      await sweep();
      expect(await lab.server.databaseExists(database)).toBe(true);
      await makeDatabase(nameIt('old'));
      await save(siteDatabase(nameIt('old'), nameIt('old')));
      await sweep();
      expect(await lab.server.databaseExists(database)).toBe(true);
      expect(await lab.server.userNames()).toContain(user);
      expect(await lab.server.databaseExists(nameIt('old'))).toBe(true);
    });

    it('one that was kept for its site, or that an open task works with, stays', async () => {
      const failed = await begin();
      await close(failed);
      const [kept, used] = [`${nameIt(failed.token)}a`, nameIt('current')];
      await save(siteDatabase(used, used), [siteDatabase(kept, nameIt(failed.token))]);
      await makeDatabase(nameIt('before'));
      await committed(siteDatabase(nameIt('before'), nameIt('before')));
      const open = await begin({ before: siteDatabase(nameIt('before'), nameIt('before')) });
      await sweep();
      expect(await lab.server.databaseExists(kept)).toBe(true);
      expect(await lab.server.databaseExists(nameIt('before'))).toBe(true);
      expect(await lab.server.userNames()).toEqual(
        expect.arrayContaining([nameIt(failed.token), nameIt('before')]) as unknown,
      );
      await close(open);
      await sweep();
      expect(await lab.server.databaseExists(nameIt('before'))).toBe(false);
      expect(await lab.server.databaseExists(kept)).toBe(true);
    });

    it('one that came into use between the search and the removal stays', async () => {
      const failed = await begin();
      await close(failed);
      const { leftovers } = await sweeper.search(operation.signal);
      await save(siteDatabase(`${nameIt(failed.token)}a`, nameIt(failed.token)));
      for (const { remove } of leftovers) await remove(operation);
      expect(await lab.server.databaseExists(`${nameIt(failed.token)}a`)).toBe(true);
      expect(await lab.server.userNames()).toContain(nameIt(failed.token));
    });

    /** The server, which is away as soon as it is asked for that. */
    const silentAt = (method: string): DatabaseLab['server'] =>
      new Proxy(lab.server, {
        get(real, name) {
          const value: unknown = Reflect.get(real, name);
          const away = new KedgeError('DatabaseUnreachable', 'the server is away', { server: 'db' });
          if (name === method) return () => Promise.reject(away);
          return typeof value === 'function' ? (value.bind(real) as unknown) : value;
        },
      });

    /** A closed task of which nothing is left but that its site has a locked account. */
    async function leftLocked(): Promise<{ journal: Journal; unlock: () => Promise<void>; told: string }> {
      const user = nameIt('live');
      await makeDatabase(user);
      await save(siteDatabase(user, user));
      const account = { user, hosts: ['localhost'] };
      await lab.server.lockAccount(account);
      const journal = await begin({
        fence: { account, database: user, lockedBefore: [], eventPrivilegeAt: [], lowered: false },
      });
      await close(journal);
      const told = `${journal.task} was closed and left the account ${user} of ${SITE} locked: run \`kedge sites online ${SITE}\``;
      expect(await sweep()).toMatchObject({ removed: expect.arrayContaining([expect.anything()]), problems: [told] });
      expect(await sweep()).toEqual({ removed: [], problems: [told] });
      return { journal, unlock: () => lab.server.unlockAccount(account), told };
    }

    it('whether an account is locked still is not settled by a server that does not say', async () => {
      const { journal, unlock, told } = await leftLocked();
      let server = silentAt('planFence');
      sweeper = newSweeper(async () => server);
      expect((await sweep()).problems).toEqual(['db cannot be asked for what tasks left there: the server is away']);
      expect(sweeper.isSettled(journal.task)).toBe(false);
      server = lab.server;
      expect((await sweep()).problems).toEqual([told]);
      expect(sweeper.isSettled(journal.task)).toBe(false);
      await unlock();
      expect((await sweep()).problems).toEqual([]);
      expect(sweeper.isSettled(journal.task)).toBe(true);
    });

    it('nor while another task of the site is open, which may have locked it', async () => {
      const { journal, told } = await leftLocked();
      const open = await begin();
      expect((await sweep()).problems).toEqual([]);
      expect(sweeper.isSettled(journal.task)).toBe(false);
      await close(open);
      expect((await sweep()).problems).toEqual([told]);
    });

    it('a server that falls silent while it is asked is a problem, the rest is done, and the server later', async () => {
      const failed = await begin();
      await close(failed);
      let server = silentAt('accountExists');
      sweeper = newSweeper(async () => server);
      const { removed, problems } = await sweep();
      expect(removed).toHaveLength(3);
      expect(problems).toEqual(['db cannot be asked for what tasks left there: the server is away']);
      expect(sweeper.isSettled(failed.task)).toBe(false);
      server = lab.server;
      expect((await sweep()).removed).toHaveLength(2);
      expect(await remaining(failed)).toEqual([]);
    });

    it('a server that does not answer is a problem, the rest is done, and the server later', async () => {
      const failed = await begin();
      await close(failed);
      let isAway = true;
      sweeper = newSweeper(async () => {
        if (isAway) throw new Error('the server is away');
        return lab.server;
      });
      const { removed, problems } = await sweep();
      expect(removed).toHaveLength(3);
      expect(problems).toEqual([expect.stringContaining('the server is away') as unknown]);
      expect(sweeper.isSettled(failed.task)).toBe(false);
      isAway = false;
      expect((await sweep()).removed).toHaveLength(2);
      expect(await remaining(failed)).toEqual([]);
    });
  });

  it('a task that ended in the middle of its switch is left to a person: its staging folder holds the site', async () => {
    const ended = await begin({ switched: true });
    await mkdir(join(stagingOf(ended), 'site.previous'));
    await close(ended);
    const { removed, problems } = await sweep();
    expect(removed).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(join(stagingOf(ended), 'site.previous')) as unknown]);
    expect(await remaining(ended)).toHaveLength(5);
    expect(sweeper.isSettled(ended.task)).toBe(false);
  });

  it('nor goes one that holds the folder of a declared path from before; a finished one goes, each folder of it', async () => {
    const media = join(folder, 'media');
    const withPath = async (changes: Partial<Journal>): Promise<Journal> => {
      const begun = await begin(changes);
      const files = { name: 'files', live: join(media, 'shop'), staging: join(media, '.kedge', begun.token) };
      await mkdir(join(files.staging, 'files.previous'), { recursive: true });
      await mkdir(files.live, { recursive: true });
      return journals.recordUndo(begun.task, { staged: [...begun.staged, files] });
    };
    const torn = await withPath({ switched: true });
    await close(torn);
    const done = await withPath({ switched: true, committed: true });
    await close(done);
    const { removed, problems } = await sweep();
    expect(problems).toEqual([expect.stringContaining(join(media, '.kedge', torn.token, 'files.previous')) as unknown]);
    expect(removed).toEqual(
      expect.arrayContaining(stagingFolders(done.staged).map((staging) => `the staging folder ${staging}`)),
    );
    expect(await remaining(torn)).toHaveLength(6);
    expect(existsSync(join(media, '.kedge', done.token))).toBe(false);
  });

  it('one that was abandoned after its switch is left to a person, also when the staging folder is gone', async () => {
    const abandoned = await begin({ switched: true });
    await rm(stagingOf(abandoned), { recursive: true });
    await journals.close(abandoned.task, {
      status: 'abandoned',
      ended: new Date().toISOString(),
      code: null,
      message: null,
      warnings: [],
    });
    const { removed, problems } = await sweep();
    expect(removed).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(`the database ${nameIt(abandoned.token)}a`) as unknown]);
    expect(await remaining(abandoned)).toHaveLength(4);
  });

  it('no staging folder goes while its site folder is missing', async () => {
    const ended = await begin({ switched: true });
    await journals.recordUndo(ended.task, { committed: true });
    await close(ended);
    await rm(join(folder, 'srv/shop'), { recursive: true });
    expect(await sweep()).toMatchObject({
      removed: [],
      problems: [expect.stringContaining('srv/shop of the site does not exist') as unknown],
    });
    expect(existsSync(stagingOf(ended))).toBe(true);
  });

  it('what cannot be removed is a problem, and no reason to stop', async () => {
    const first = await begin({ created: null });
    await close(first);
    const second = await begin();
    await close(second);
    const unfinished = first.backup?.temporaryArchive ?? '';
    const removeTree: MasterHost['removeTree'] = async (path, of) => {
      if (path === unfinished) throw new Error(`${path} is immutable`);
      await host.removeTree(path, of);
    };
    sweeper = newSweeper(undefined, Object.assign(Object.create(host) as MasterHost, { removeTree }));
    const { removed, problems } = await sweep();
    expect(removed).toHaveLength(7);
    expect(sweeper.isSettled(first.task)).toBe(false);
    expect(problems).toEqual([expect.stringContaining(unfinished) as unknown]);
    expect(await remaining(second)).toEqual([]);
  });

  it('removes sockets that led to other machines, of processes that have ended', async () => {
    const sockets = join(folder, 'state/sockets');
    const own = (await identify(process.pid))?.started;
    const [left, used] = [join(sockets, '4194304-17-Ab3dEf'), join(sockets, `${process.pid}-${own}-Ab3dEf`)];
    for (const path of [left, used]) await mkdir(path, { recursive: true });
    expect((await sweep()).removed).toEqual([expect.stringContaining(left)]);
    expect([existsSync(left), existsSync(used)]).toEqual([false, true]);
  });

  it('removes old files of durable writes and of probes, and no young one, or that of a site in a task', async () => {
    const unfinished = '.x.json.0123456789ab.tmp';
    const old = [
      await makeOld(join(folder, 'state', unfinished)),
      await makeOld(join(folder, 'backups', SITE, unfinished)),
      await makeOld(join(folder, 'flags', unfinished)),
      await makeOld(join(folder, 'flags', `${SITE}.probe`, 'a1b2')),
    ];
    const kept = [
      await makeOld(join(folder, 'state', 'x.tmp')),
      await makeOld(join(folder, 'backups', SITE, '.x.json.tmp')),
      await makeOld(join(folder, 'flags', SITE)),
      join(folder, 'state', '.y.json.0123456789ab.tmp'),
      join(folder, 'flags', `${SITE}.probe`, 'c3d4'),
    ];
    for (const path of kept.slice(-2)) await writeFile(path, 'young');
    const task = await begin();
    expect(await found()).not.toContain(`the probe file ${old[3]}`);
    await close(task);
    await sweep();
    expect(old.filter((path) => existsSync(path))).toEqual([]);
    expect(kept.filter((path) => existsSync(path))).toEqual(kept);
  });

  it('ends the processes of closed tasks, and no others', async () => {
    const closed = await begin();
    await close(closed);
    const open = await begin();
    const start = (mark: string): ChildProcess =>
      spawn('sleep', ['600'], { env: { ...process.env, KEDGE_MARK: mark }, stdio: 'ignore' });
    const [ofClosed, undoing, ofOpen] = [
      start(`${markOf(closed)}/deploy/1`),
      start(`undo-${markOf(closed)}/discardStaged/1`),
      start(`${markOf(open)}/deploy/1`),
    ];
    try {
      await until('all of them carry their mark', async () => {
        const marks = await host.listMarks();
        return [markOf(closed), `undo-${markOf(closed)}`, markOf(open)].every((mark) =>
          marks.some((other) => other.startsWith(`${mark}/`)),
        );
      });
      const { removed } = await sweep();
      expect(removed.filter((what) => what.startsWith('a process')).sort()).toEqual([
        `a process of the step deploy on ${host.name}`,
        `a process of the step discardStaged on ${host.name}`,
      ]);
      const marks = [markOf(closed), markOf(open)];
      const left = (await host.listMarks()).filter((mark) => marks.some((known) => mark.includes(known)));
      expect(left).toEqual([`${markOf(open)}/deploy/1`]);
    } finally {
      for (const child of [ofClosed, undoing, ofOpen]) child.kill('SIGKILL');
    }
  });

  it('an error of the master itself ends the search: nobody knows what else is wrong there', async () => {
    await close(await begin());
    const broken = Object.assign(Object.create(host) as MasterHost, {
      list: (path: string) =>
        path === join(folder, 'flags') ? Promise.reject(new Error('EIO: i/o error')) : host.list(path),
    });
    await expect(newSweeper(undefined, broken).sweep(() => operation)).rejects.toThrow('EIO: i/o error');
  });

  it('reads a closed journal of which nothing is left no second time', async () => {
    const closed = await begin();
    await close(closed);
    await sweep();
    await sweep();
    expect(sweeper.isSettled(closed.task)).toBe(true);
    await writeFile(join(folder, 'state/tasks', `${closed.task}.json`), '{');
    expect(await sweep()).toEqual({ removed: [], problems: [] });
    expect(await readFile(join(folder, 'state/tasks', `${closed.task}.json`), 'utf8')).toBe('{');
  });
});

/** The target of a task whose web server is that machine. */
const targetOn = (name: string): Target => ({
  ...target(),
  elsewhere: { web: true, database: false },
  web: { ...target().web, name },
});

describe('a machine that', () => {
  const away = new KedgeError('HostUnreachable', 'web2 does not answer', { server: 'web2' });
  let answers: boolean;
  let asked: string[];
  let silentAt: string | null;
  let flags: string;

  beforeEach(async () => {
    [answers, asked, silentAt] = [true, [], null];
    flags = join(folder, 'flags-of-web2');
    await mkdir(join(flags, `${SITE}.probe`), { recursive: true });
    const web2 = new Proxy(host, {
      get(real, name) {
        const value: unknown = name === 'name' ? 'web2' : Reflect.get(real, name);
        if (typeof value !== 'function') return value;
        return (...parameters: unknown[]): unknown => {
          asked.push(String(name));
          if (name === silentAt) answers = false;
          return answers ? (value.apply(real, parameters) as unknown) : Promise.reject(away);
        };
      },
    });
    sweeper = newSweeper(undefined, undefined, { webHosts: [['web2', web2]], flags: [{ host: web2, path: flags }] });
  });

  it('does not answer is passed over and named, holds up nothing elsewhere, and is looked at later', async () => {
    answers = false;
    const here = await begin();
    await close(here);
    const there = await begin({ target: targetOn('web2') });
    await close(there);
    const { problems } = await sweep();
    expect(problems).toEqual(['web2 is passed over: web2 does not answer']);
    expect([existsSync(stagingOf(here)), existsSync(stagingOf(there))]).toEqual([false, true]);
    expect([sweeper.isSettled(here.task), sweeper.isSettled(there.task)]).toEqual([false, false]);
    answers = true;
    expect((await sweep()).problems).toEqual([]);
    expect(existsSync(stagingOf(there))).toBe(false);
  });

  it.each(['status', 'list', 'listMarks'])(
    'answers, and falls silent when it is asked for `%s`, is named once, asked nothing more, and looked at later',
    async (method) => {
      const here = await begin();
      await close(here);
      const there = await begin({ target: targetOn('web2') });
      await close(there);
      silentAt = method;
      const { problems } = await sweep();
      expect(problems.filter((problem) => problem.startsWith('web2'))).toEqual([
        'web2 is passed over: web2 does not answer',
      ]);
      expect(asked.slice(asked.indexOf(method) + 1).filter((name) => name !== 'removeTree')).toEqual(['now']);
      expect(await remaining(here)).toEqual([]);
      expect(await remaining(there)).toEqual([stagingOf(there)]);
      expect(sweeper.isSettled(there.task)).toBe(false);
      [answers, silentAt] = [true, null];
      expect((await sweep()).problems).toEqual([]);
      await sweep();
      expect([sweeper.isSettled(here.task), sweeper.isSettled(there.task)]).toEqual([true, true]);
      expect(existsSync(stagingOf(there))).toBe(false);
    },
  );

  it('does not answer keeps the database of a task that had begun to switch there, and it is told', async () => {
    answers = false;
    const torn = await begin({ target: targetOn('web2'), switched: true });
    await close(torn);
    const database = `${nameIt(torn.token)}a`;
    expect((await sweep()).problems).toEqual([
      'web2 is passed over: web2 does not answer',
      expect.stringMatching(new RegExp(`^${torn.task} left .*the database ${database} of .* until web2 can be looked`)),
    ]);
    expect(await lab.server.databaseNames()).toContain(database);
    answers = true;
    await sweep();
    expect(await lab.server.databaseNames()).not.toContain(database);
  });
});

describeAsRoot('a machine whose rules', () => {
  let machine: RuledMachine;
  beforeEach(() => {
    machine = ruledMachine();
  });
  afterEach(() => machine.dispose());

  /** A sweeper that reaches the machine as web1, by rules with these names and folders of sites. */
  const sweepBy = (names: string[], folders = machine.rules.sites): Sweeper => {
    const { web } = machine.rules;
    if (!web) throw new Error('the machine has no web server');
    const web1 = ruledMachineOver({ ...machine, rules: { ...machine.rules, sites: folders, web: { ...web, names } } });
    return newSweeper(undefined, undefined, {
      webHosts: [['web1', web1]],
      flags: [{ host: web1, path: machine.at('flags') }],
    });
  };
  const beginThere = async (): Promise<Journal> => {
    const { task, token } = await begin({ target: targetOn('web1') });
    const staging = machine.at('sites/.kedge', token);
    await mkdir(join(staging, 'site'), { recursive: true, mode: 0o700 });
    const journal = await journals.recordUndo(task, {
      staged: [{ name: 'site', live: machine.at('sites/shop'), staging }],
    });
    await close(journal);
    return journal;
  };

  it('know nothing of a site of the master does not keep what its tasks left, nor its journals', async () => {
    const here = await begin();
    await close(here);
    sweeper = sweepBy(['other.example']);
    expect((await sweep()).problems).toEqual([]);
    expect(await remaining(here)).toEqual([]);
    expect(await sweep()).toEqual({ removed: [], problems: [] });
    expect(sweeper.isSettled(here.task)).toBe(true);
  });

  it('do not name a site, for its vhost is not managed, are asked nothing of its probe files', async () => {
    const there = await beginThere();
    sweeper = sweepBy(['other.example']);
    expect((await sweep()).problems).toEqual([]);
    expect(await sweep()).toEqual({ removed: [], problems: [] });
    expect(sweeper.isSettled(there.task)).toBe(true);
  });

  it('name a folder no more is told once for each site; all else goes, and this once it is named again', async () => {
    const [first, second] = [await beginThere(), await beginThere()];
    const here = await begin();
    await close(here);
    const elsewhere = [{ folder: machine.at('outside'), owners: ['games'] }];
    sweeper = sweepBy([SITE], elsewhere);
    const told = [
      expect.stringMatching(
        /^what was left of shop\.example on web1 is passed over: looking at .*\.kedge\/.* is not allowed on web1\. .*`kedge servers prepare web1`.*`kedge doctor --sweep`/,
      ),
    ];
    const { removed, problems } = await sweep();
    expect(problems).toEqual(told);
    expect(removed).toHaveLength(13);
    expect(await remaining(here)).toEqual([]);
    expect((await sweep()).problems).toEqual(told);
    const all = [first, second, here];
    expect(all.map(({ task }) => sweeper.isSettled(task))).toEqual([false, false, true]);
    expect(all.map((journal) => existsSync(stagingOf(journal)))).toEqual([true, true, false]);
    // As the next worker finds it.
    sweeper = sweepBy([SITE]);
    expect((await sweep()).problems).toEqual([]);
    await sweep();
    expect(all.map(({ task }) => sweeper.isSettled(task))).toEqual([true, true, true]);
    expect(all.map((journal) => existsSync(stagingOf(journal)))).toEqual([false, false, false]);
  });

  it('name a site no more keeps nothing but its probe folder, which is told until somebody removes it', async () => {
    const there = await beginThere();
    const probes = machine.at('flags', `${SITE}.probe`);
    await mkdir(probes);
    await mkdir(machine.at('flags', 'other.example.probe'));
    const name = newProbeName({ mark: `${markOf(there)}/probeSite` });
    const ofOther = await makeOld(machine.at('flags/other.example.probe', name));
    sweeper = sweepBy(['other.example']);
    const { problems } = await sweep();
    expect(problems).toEqual([
      `what was left of ${SITE} on web1 is passed over: listing ${probes} is not allowed on web1. ` +
        `Where the configuration has the site, run \`kedge servers prepare web1\`; otherwise remove ${probes} there`,
    ]);
    expect([stagingOf(there), ofOther].filter((path) => existsSync(path))).toEqual([]);
    await sweep();
    expect(sweeper.isSettled(there.task)).toBe(false);
    await rm(probes, { recursive: true });
    expect(await sweep()).toEqual({ removed: [], problems: [] });
    expect(sweeper.isSettled(there.task)).toBe(true);
  });

  it('know nothing of its flags is told once, whatever is looked for there', async () => {
    const here = await begin();
    await close(here);
    const web1 = machine.host;
    sweeper = newSweeper(undefined, undefined, {
      webHosts: [['web1', web1]],
      flags: [{ host: web1, path: '/srv/other-flags' }],
    });
    expect((await sweep()).problems).toEqual([
      expect.stringMatching(
        /^what was left on web1 is passed over: listing \/srv\/other-flags .*servers prepare web1`/,
      ),
    ]);
    expect(await remaining(here)).toEqual([]);
  });
});
