import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BACKUP_RECORD, PACKED_RECORD } from '../../src/contract/backup-record';
import { type DocumentKind, readDocument } from '../../src/contract/documents-on-disk';
import type { KedgeError } from '../../src/contract/errors';
import { TARGET } from '../../src/contract/target';
import type { Catalog } from '../../src/core/catalog/catalog';
import { createCatalog } from '../../src/core/catalog/file-catalog';
import { findLatest } from '../../src/core/catalog/publication';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { REQUEST_USE, RequestRecords } from '../../src/core/requests/request-records';
import { EPOCH, Epochs } from '../../src/core/tasks/epochs';
import { JOURNAL, markOf } from '../../src/core/tasks/journal';
import { Journals } from '../../src/core/tasks/journals';
import { Scratches } from '../../src/core/proofs/scratches';
import { SITE_STATE, SiteStates } from '../../src/core/tasks/site-state';

const FIXTURES = join(__dirname, '../fixtures/documents-on-disk');
const DAYS = readdirSync(FIXTURES).filter((name) => /^\d{4}-\d\d-\d\d(\.\d)?$/.test(name));

const host = createLocalHost({ name: 'master' });
let folder: string;
let journals: Journals;
let states: SiteStates;
let epochs: Epochs;
let requests: RequestRecords;
let scratches: Scratches;
let catalog: Catalog;

const state = (...names: string[]): string => join(folder, 'state', ...names);

beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-documents-');
  journals = new Journals(state('tasks'), state('open'), host, () => undefined);
  states = new SiteStates(state('sites'), host, () => undefined);
  epochs = new Epochs(state('epochs'), host);
  requests = new RequestRecords(state('requests'), host);
  scratches = new Scratches(state('scratch'), host);
  catalog = createCatalog(join(folder, 'backups'), host);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.each(DAYS)('what a Kedge of %s wrote', (day) => {
  const copy = (): void => cpSync(join(FIXTURES, day), folder, { recursive: true });
  const openOnes = readdirSync(join(FIXTURES, day, 'state/open')).sort();

  it('is read: every task, state, epoch and backup', async () => {
    copy();
    const tasks = await journals.all();
    expect(tasks.length).toBeGreaterThan(5);
    for (const task of tasks) expect(await journals.get(task)).toMatchObject({ task, version: JOURNAL.version });
    expect((await journals.open()).map(({ task }) => task).sort()).toEqual(openOnes);
    expect(await journals.unreadable()).toEqual(new Map());
    const sites = readdirSync(state('sites')).map((name) => name.replace('.json', ''));
    expect((await states.all()).map(({ site }) => site).sort()).toEqual(sites.sort());
    for (const name of existsSync(state('epochs')) ? readdirSync(state('epochs')) : [])
      expect(await epochs.current(name.replace('.json', ''))).toBeGreaterThan(0);
    let backups = 0;
    for (const site of readdirSync(join(folder, 'backups'))) {
      const listing = await catalog.list(site);
      expect(listing.strays).toEqual([]);
      backups += listing.backups.length;
    }
    expect(backups).toBeGreaterThan(1);
  });

  it('is gone on with: a change writes what this Kedge writes, and nothing is lost', async () => {
    copy();
    for (const task of openOnes) {
      const before = await journals.get(task);
      await journals.recordUndo(task, ({ warned }) => ({ warned: { ...warned, deploy: ['later'] } }));
      const written = JSON.parse(readFileSync(state('tasks', `${task}.json`), 'utf8')) as object;
      expect(written).toEqual({ ...before, warned: { ...before.warned, deploy: ['later'] } });
      expect(written).toMatchObject({ version: JOURNAL.version });
    }
  });
});

it('a journal of before has nothing where its Kedge noted nothing', async () => {
  cpSync(join(FIXTURES, '2026-11-25'), folder, { recursive: true });
  const journal = await journals.get('gazette.example-20261125.061502-restore');
  expect(journal).toMatchObject({ mark: null, steps: null, undone: null, accepted: null, worker: null });
  expect(journal).toMatchObject({
    maintenance: { limit: null, ended: null },
    source: { members: null, elsewhere: [] },
  });
  expect(journal).toMatchObject({ notBackedUp: [], warned: {}, notSaved: { database: [], folders: {} } });
  expect(markOf(journal)).toBe(journal.token);
});

it('requests of before are known: who used one, what was accepted, which archive was vouched for', async () => {
  cpSync(join(FIXTURES, '2026-11-27'), folder, { recursive: true });
  const names = readdirSync(state('requests'));
  const nonce = names.find((name) => name.endsWith('.used'))?.slice(0, -'.used'.length) ?? '';
  expect(await requests.findUse(nonce)).toMatchObject({ runId: expect.any(String) as unknown });
  const signature = { nonce, expires: '2026-11-28T00:00:00.000Z', waitTurn: false, hmac: '' };
  expect(await requests.isAccepted(signature, new Date('2026-11-28T00:00:00.000Z'))).toBe(true);
  await requests.forgetOld(new Date('2026-11-28T00:00:00.000Z'));
  expect(readdirSync(state('requests')).sort()).toEqual(names.sort());
});

it('a note of a scratch database of before there were versions is read', async () => {
  const note = { databaseServer: 'db', database: 'kedge1', account: { user: 'kedge1', hosts: ['localhost'] } };
  const of = (by: object): string => JSON.stringify({ ...note, folder: '/var/tmp/x', by });
  mkdirSync(state('scratch'), { recursive: true });
  writeFileSync(state('scratch', 'kedge1.json'), of({ pid: 1, started: 'long ago' }));
  expect(await scratches.left()).toEqual({ notes: [{ ...note, folder: '/var/tmp/x' }], problems: [] });
});

describe('what a newer Kedge wrote is refused by its version, and not touched', () => {
  const SITE = 'gazette.example';
  const TASK = `${SITE}-20261125.061502-restore`;
  const CLOSED = `${SITE}-20261125.031502-restore`;
  const OTHER = 'shop.example-20261125.071503-backup';
  const BACKUP = `${SITE}-20261125.031502`;

  /** Makes files those of the next version, with what only that one would understand. */
  function raise(kind: DocumentKind<unknown>, ...paths: string[]): void {
    for (const path of paths) {
      const document = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...document, [kind.key]: kind.version + 1, novelty: { of: 'tomorrow' } }));
    }
  }

  /** Sees each of some attempts refused, and the files as they were. */
  async function expectRefused(
    kind: DocumentKind<unknown>,
    where: string,
    attempts: readonly (() => Promise<unknown>)[],
  ): Promise<void> {
    const before = contents(folder);
    for (const attempt of attempts) {
      const error = (await attempt().then(
        () => null,
        (reason: unknown) => reason,
      )) as KedgeError;
      expect(error).toMatchObject({ code: 'NewerVersion' });
      expect(error.message).toContain(where);
      expect(error.message).toContain(
        `${kind.name} of version ${kind.version + 1}, and this Kedge knows none above ${kind.version}`,
      );
    }
    expect(contents(folder)).toEqual(before);
  }

  const ENDED = { status: 'failed', ended: '2026-11-27T00:00:00.000Z', code: null, message: null } as const;

  beforeEach(() => cpSync(join(FIXTURES, '2026-11-25'), folder, { recursive: true }));

  const newTask = (site: string) => ({
    ...{ task: `${site}-20261127.000000-backup`, site, type: 'backup' as const, who: 'anna', description: null },
    ...{ requestKey: null, workflowId: `site/${site}`, runId: 'run', epoch: 1, accepted: null },
  });

  it('journals: no task begins on their sites, and those of other sites do', async () => {
    raise(JOURNAL, state('tasks', `${TASK}.json`), state('tasks', `${CLOSED}.json`));
    const outcome = { ...ENDED, warnings: [] };
    await expectRefused(JOURNAL, `${SITE}-`, [
      () => journals.get(TASK),
      () => journals.find(CLOSED),
      () => journals.open(SITE),
      () => journals.beginUndo(TASK),
      () => journals.recordUndo(TASK, {}),
      () => journals.close(TASK, outcome),
      () => journals.remove(CLOSED),
      () => journals.beginStep(TASK, { workflowId: `site/${SITE}`, runId: 'run' }, 'deploy'),
    ]);
    // Its lock is made and taken away.
    await expect(journals.begin(newTask(SITE))).rejects.toMatchObject({ code: 'NewerVersion' });
    expect((await journals.open()).map(({ task }) => task)).toEqual([OTHER]);
    expect([...(await journals.unreadable()).keys()]).toEqual([TASK]);
    expect((await journals.newest(10)).map(({ task }) => task)).not.toContain(TASK);
    await journals.close(OTHER, outcome);
    expect(await journals.begin(newTask('shop.example'))).toMatchObject({ site: 'shop.example' });
  });

  it('a journal that this Kedge knows with a target that it does not', async () => {
    const path = state('tasks', `${TASK}.json`);
    const journal = JSON.parse(readFileSync(path, 'utf8')) as { target: object };
    writeFileSync(path, JSON.stringify({ ...journal, target: { ...journal.target, version: TARGET.version + 1 } }));
    await expectRefused(TARGET, path, [() => journals.get(TASK), () => journals.recordUndo(TASK, {})]);
  });

  it('states and epochs', async () => {
    raise(SITE_STATE, state('sites', `${SITE}.json`));
    await expectRefused(SITE_STATE, `${SITE}.json`, [() => states.get(SITE), () => states.all()]);
    expect([...(await states.readable()).unreadable.keys()]).toEqual([SITE]);
    raise(EPOCH, state('epochs', `${SITE}.json`));
    const journal = await journals.get(TASK);
    await expectRefused(EPOCH, `${SITE}.json`, [
      () => epochs.current(SITE),
      () => epochs.raise(SITE, 'anna', 'why not'),
      () => epochs.assertCurrent(journal),
    ]);
  });

  it('records: a backup is not shown as lost, nor passed over in silence, nor deleted', async () => {
    raise(BACKUP_RECORD, join(folder, 'backups', SITE, `${BACKUP}.json`));
    await expectRefused(BACKUP_RECORD, BACKUP, [
      () => catalog.get(SITE, BACKUP),
      () => catalog.delete(SITE, BACKUP),
      () => catalog.amend(SITE, BACKUP, (record) => record),
    ]);
    const { strays } = await catalog.list(SITE);
    expect(strays.map(({ file }) => file)).toEqual([join(folder, 'backups', SITE, `${BACKUP}.json`)]);
    expect(strays[0]?.problem).toMatch(/version 2/);
    const { record, passedOver } = await findLatest(catalog, host, SITE);
    expect([record, passedOver.length]).toEqual([null, 2]);
    expect(passedOver[0]).toMatch(new RegExp(`^${BACKUP} is passed over: .*version 2`));
  });

  it('records in archives', () => {
    const record = JSON.parse(readFileSync(join(folder, 'backups', SITE, `${BACKUP}.json`), 'utf8')) as object;
    expect(() => readDocument(PACKED_RECORD, { ...record, schema: 2 }, 'the archive')).toThrow(
      /the archive holds .* 2/,
    );
  });

  it('records of requests, which are kept whatever time it is; scratch databases beside others', async () => {
    cpSync(join(FIXTURES, '2026-11-27/state/requests'), state('requests'), { recursive: true });
    const [used = ''] = readdirSync(state('requests')).filter((name) => name.endsWith('.used'));
    raise(REQUEST_USE, state('requests', used));
    const nonce = used.slice(0, -'.used'.length);
    const signature = { nonce, expires: '2026-11-28T00:00:00.000Z', waitTurn: false, hmac: '' };
    await expectRefused(REQUEST_USE, used, [
      () => requests.findUse(nonce),
      () => requests.use(SITE, signature, { task: TASK, runId: 'run' }),
    ]);
    await requests.forgetOld(new Date('2036-01-01T00:00:00.000Z'));
    expect(readdirSync(state('requests'))).toEqual([used]);
    const note = { databaseServer: 'db', account: { user: 'kedge1', hosts: [] }, folder: '/var/tmp/x' };
    mkdirSync(state('scratch'));
    for (const [version, database] of [
      [1, 'kedge1'],
      [2, 'kedge2'],
    ])
      writeFileSync(
        state('scratch', `${database}.json`),
        JSON.stringify({ version, ...note, database, by: { pid: 1, started: 'long ago' } }),
      );
    const { notes, problems } = await scratches.left();
    expect(notes.map(({ database }) => database)).toEqual(['kedge1']);
    expect(problems).toEqual([expect.stringMatching(/kedge2\.json holds a note of a scratch database of version 2/)]);
  });
});

/** Every file of a folder, by its path. */
function contents(of: string): Record<string, string> {
  const files = readdirSync(of, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'utf8')]),
  );
}
