import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { BackupRecord } from '../../../src/contract/backup-record';
import { KedgeError } from '../../../src/contract/errors';
import { type TaskType, timeStamp } from '../../../src/contract/names';
import type { NamedReceiver } from '../../../src/contract/notices';
import type { Trouble } from '../../../src/core/notices/attention';
import { Lookout, type LookoutParts } from '../../../src/core/notices/lookout';
import { NoticeFile, type Recorded } from '../../../src/core/notices/notice-states';
import type { Journal } from '../../../src/core/tasks/journal';
import { BareMaster, SITE } from '../../helpers/bare-master';
import { BACKUP } from '../../helpers/configured-folder';

const HOUR = 3_600_000;
const PAGER: NamedReceiver = { name: 'pager', command: ['/bin/true'] };

let master: BareMaster;
let now: number;
let started: Recorded[];
let said: string[];
let receivers: NamedReceiver[];
let maxAges: Map<string, number>;
let trouble: Trouble | null | undefined;
let problem: KedgeError | null;
let temporalIsAway: boolean;

beforeEach(async () => {
  master = await BareMaster.start();
  now = Date.UTC(2026, 10, 27, 12);
  started = [];
  said = [];
  receivers = [PAGER];
  maxAges = new Map();
  trouble = null;
  problem = null;
  temporalIsAway = false;
});
afterEach(() => master.stop());

/** As a worker has it that has just been started. */
function lookout(changes: Partial<LookoutParts> = {}): Lookout {
  const { parts, folder } = master;
  return new Lookout({
    masterName: 'backup1',
    master: parts.master,
    file: new NoticeFile(join(folder, 'state/notices'), parts.master),
    journals: parts.journals,
    watched: async () => ({
      receivers,
      sites: [SITE, 'garden.example'],
      maxAges,
      problem,
      backups: join(folder, 'backups'),
    }),
    troubleOf: async () => trouble,
    start: async (recorded) => {
      if (temporalIsAway) throw new Error('no connection');
      started.push(recorded);
    },
    tell: (text) => void said.push(text),
    now: () => new Date(now),
    ...changes,
  });
}

/** What receivers were told since the last time this was asked, by a worker that is started for each look. */
async function told(): Promise<string[]> {
  await lookout().look();
  return started.splice(0).map(({ notice: { event, state, site, task } }) => `${event} ${state} ${task ?? site}`);
}

async function ended(
  time: string,
  status: NonNullable<Journal['outcome']>['status'],
  { type = 'backup', code = 'DiskFull' }: { type?: TaskType; code?: string } = {},
): Promise<string> {
  const { task } = await master.begin(time, type);
  await close(task, status, code);
  return task;
}

async function close(
  task: string,
  status: NonNullable<Journal['outcome']>['status'],
  code = 'DiskFull',
): Promise<void> {
  const failed = status !== 'done';
  const outcome = {
    ended: '2026-11-24T03:16:00.000Z',
    code: failed ? code : null,
    message: failed ? 'it broke' : null,
  };
  await master.parts.journals.close(task, { status, warnings: [], ...outcome });
}

const statesFile = (): string => join(master.folder, 'state/notices/states.json');

describe('a task', () => {
  it('that fails again and again alike is told once, its end once, through every restart of the worker', async () => {
    expect(await told()).toEqual([]);
    const first = await ended('000001', 'failed');
    expect(await told()).toEqual([`task-failed firing ${first}`]);
    expect(await told()).toEqual([]);
    await ended('000002', 'failed');
    expect(await told()).toEqual([]);
    const other = await ended('000003', 'failed', { code: 'DatabaseUnreachable' });
    expect(await told()).toEqual([`task-failed firing ${other}`]);
    const well = await ended('000004', 'done');
    expect(await told()).toEqual([`task-failed resolved ${well}`]);
    await ended('000005', 'done');
    expect(await told()).toEqual([]);
  });

  it('says what, why, and what to do', async () => {
    await told();
    const task = await ended('000001', 'failed');
    await lookout().look();
    expect(started[0]?.receivers).toEqual(['pager']);
    expect(started[0]?.notice).toMatchObject({
      ...{ version: 1, master: 'backup1', site: SITE, task, code: 'DiskFull', since: '2026-11-24T03:16:00.000Z' },
      message: `backup of ${SITE} failed: it broke`,
      hint: expect.stringMatching(/^Make room .*kedge log/),
      text: `[firing] task-failed ${SITE}: backup of ${SITE} failed: it broke (DiskFull)`,
    });
  });

  it('that had failed before anybody was to be told is no news', async () => {
    await ended('000001', 'failed');
    expect(await told()).toEqual([]);
    const next = await ended('000002', 'failed');
    expect(await told()).toEqual([`task-failed firing ${next}`]);
  });

  it('that fails and one that ends well between two looks are both told, in their order', async () => {
    await told();
    const [failed, well, again] = [
      await ended('000001', 'failed'),
      await ended('000002', 'done'),
      await ended('000003', 'failed'),
    ];
    expect(await told()).toEqual([
      `task-failed firing ${failed}`,
      `task-failed resolved ${well}`,
      `task-failed firing ${again}`,
    ]);
  });

  it('that somebody asked for is told each time it fails; one that somebody ended is not', async () => {
    await told();
    const [one, other] = [
      await ended('000001', 'failed', { type: 'restore' }),
      await ended('000002', 'failed', { type: 'restore' }),
    ];
    await ended('000003', 'cancelled', { type: 'restore' });
    await ended('000004', 'abandoned');
    expect(await told()).toEqual([`task-failed firing ${one}`, `task-failed firing ${other}`]);
  });

  it('whose workflow was lost, and that was put back, is told as that', async () => {
    await told();
    const task = await ended('000001', 'recovered', { code: 'TaskTerminated' });
    expect(await told()).toEqual([`task-recovered firing ${task}`]);
  });

  it('that runs is told when it has ended, however many looks that takes', async () => {
    await told();
    const { task } = await master.begin('000001', 'backup');
    expect(await told()).toEqual([]);
    await close(task, 'failed');
    expect(await told()).toEqual([`task-failed firing ${task}`]);
  });

  it('is told by one of the workers of a master', async () => {
    await told();
    await ended('000001', 'failed');
    await Promise.all([lookout().look(), lookout().look(), lookout().look()]);
    expect(new Set(started.map(({ notice }) => notice.id)).size).toBe(1);
  });
});

describe('what is recorded', () => {
  it('waits while Temporal is away, says so once, and is started when it is back, under the id it had', async () => {
    await told();
    const task = await ended('000001', 'failed');
    temporalIsAway = true;
    const worker = lookout();
    await worker.look();
    await worker.look();
    expect(said).toEqual(['notices wait, for Temporal does not take them: no connection']);
    const { recorded } = JSON.parse(readFileSync(statesFile(), 'utf8'));
    expect(recorded).toMatchObject([{ notice: { task }, started: null }]);
    temporalIsAway = false;
    await worker.look();
    expect(started.map(({ notice }) => notice.id)).toEqual([recorded[0].notice.id]);
    expect(await told()).toEqual([`task-failed firing ${task}`]);
    expect(await told()).toEqual([]);
  });

  it('is handed over again, under the same id, by who does not know that it was', async () => {
    await told();
    await ended('000001', 'failed');
    class Dying extends NoticeFile {
      override amend(): Promise<void> {
        return Promise.reject(new KedgeError('DiskFull', 'no space left'));
      }
    }
    const file = new Dying(join(master.folder, 'state/notices'), master.parts.master);
    await lookout({ file }).look();
    expect(said).toEqual(['nobody is told what goes wrong: no space left']);
    await lookout().look();
    expect(started.map(({ notice }) => notice.id)).toEqual(Array(2).fill(started[0]?.notice.id));
    started = [];
    expect(await told()).toEqual([]);
  });

  it('is forgotten once its day is over; who did not take it is named', async () => {
    receivers = [PAGER, { name: 'chat', command: ['/bin/true'] }];
    await told();
    await ended('000001', 'failed');
    await lookout().look();
    const file = new NoticeFile(join(master.folder, 'state/notices'), master.parts.master);
    await file.amend(started[0]?.notice.id ?? '', (one) => ({ ...one, delivered: ['pager'] }));
    now += 25 * HOUR;
    await lookout().look();
    expect((await file.read())?.recorded).toHaveLength(1);
    now += 2 * HOUR;
    await lookout().look();
    expect((await file.read())?.recorded).toEqual([]);
    expect(said).toEqual([expect.stringMatching(/^chat did not take a notice within a day: .*it broke/)]);
  });

  it('by a newer Kedge is left as it is', async () => {
    mkdirSync(join(master.folder, 'state/notices'), { recursive: true });
    writeFileSync(statesFile(), '{"version":99}');
    const worker = lookout();
    await worker.look();
    await worker.look();
    expect(said).toEqual([expect.stringContaining('nobody is told what goes wrong: ')]);
    expect(said[0]).toContain('a newer one wrote it');
    expect(readFileSync(statesFile(), 'utf8')).toBe('{"version":99}');
  });
});

describe('who is told', () => {
  it('of which events, and of which sites; the master is no site', async () => {
    receivers = [
      PAGER,
      { name: 'garden', command: ['/bin/true'], sites: ['garden.example'] },
      { name: 'disks', command: ['/bin/true'], events: ['disk-filling'] },
      { name: 'gazette', command: ['/bin/true'], events: ['task-failed', 'disk-filling'], sites: [SITE] },
    ];
    await told();
    await ended('000001', 'failed');
    fillDisk();
    await lookout().look();
    expect(started.map(({ notice, receivers: names }) => [notice.event, names])).toEqual([
      ['task-failed', ['pager', 'gazette']],
      ['disk-filling', ['pager', 'disks']],
    ]);
  });

  it('is told what stands when somebody comes who wants it', async () => {
    receivers = [{ ...PAGER, events: ['disk-filling'] }];
    maxAges.set(SITE, HOUR);
    expect(await told()).toEqual([]);
    receivers = [PAGER];
    expect(await told()).toEqual([`backup-overdue firing ${SITE}`]);
  });
});

/** Puts a backup of so many hours ago into the catalogue. */
function backUp(hoursAgo: number, changes: Partial<BackupRecord> = {}): { id: string; archive: string } {
  const folder = join(master.folder, 'backups', SITE);
  const template = JSON.parse(readFileSync(join(folder, `${BACKUP}.json`), 'utf8')) as BackupRecord;
  const created = new Date(now - hoursAgo * HOUR);
  const id = `${SITE}-${timeStamp(created)}`;
  writeFileSync(join(folder, `${id}.tar.zst`), 'x');
  const record = { ...template, id, archive: `${id}.tar.zst`, created: created.toISOString(), ...changes };
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(record));
  return { id, archive: join(folder, `${id}.tar.zst`) };
}

/** The next backup of the site is expected to be larger than any disk. */
function fillDisk(): void {
  backUp(1, { bytes: 2 ** 52 });
  backUp(25, { bytes: 2 ** 52 });
}

describe('a site', () => {
  it('without a good backup for longer than its objective is told, and that it has one again', async () => {
    maxAges.set(SITE, 26 * HOUR);
    backUp(25);
    expect(await told()).toEqual([]);
    now += 2 * HOUR;
    expect(await told()).toEqual([`backup-overdue firing ${SITE}`]);
    expect(await told()).toEqual([]);
    backUp(0, { trigger: 'restore' });
    expect(await told()).toEqual([]);
    backUp(0.1);
    expect(await told()).toEqual([`backup-overdue resolved ${SITE}`]);
  });

  it('is measured by good backups: what lost its bytes where it lies is none', async () => {
    maxAges.set(SITE, 26 * HOUR);
    const worker = lookout();
    backUp(30);
    const { id, archive } = backUp(2);
    await worker.look();
    expect(started).toEqual([]);
    truncateSync(archive);
    await worker.look();
    const [{ notice } = { notice: undefined }] = started;
    expect(notice).toMatchObject({
      event: 'backup-overdue',
      state: 'firing',
      since: new Date(now - 4 * HOUR).toISOString(),
    });
    expect(notice?.message).toContain(`${id} is passed over: its archive has 0 bytes`);
  });

  it('that never had one is measured from when somebody asked for it', async () => {
    maxAges.set('garden.example', 2 * HOUR);
    expect(await told()).toEqual([]);
    now += HOUR;
    expect(await told()).toEqual([]);
    now += 1.5 * HOUR;
    expect(await told()).toEqual(['backup-overdue firing garden.example']);
    maxAges.delete('garden.example');
    expect(await told()).toEqual(['backup-overdue resolved garden.example']);
  });
});

it('a disk that the next backups fill is told, and that it has room again', async () => {
  fillDisk();
  expect(await told()).toEqual([`disk-filling firing null`]);
  expect(await told()).toEqual([]);
  rmSync(join(master.folder, 'backups', SITE), { recursive: true });
  expect(await told()).toEqual([`disk-filling resolved null`]);
});

it('a configuration with which no task begins is told, and that it is right again', async () => {
  problem = new KedgeError('ConfigurationInvalid', 'kedge.yaml:3:1: backup: unknown key');
  await lookout().look();
  expect(started.splice(0)).toMatchObject([
    {
      notice: {
        ...{ event: 'configuration-broken', site: null, code: 'ConfigurationInvalid' },
        message: 'no task can begin: kedge.yaml:3:1: backup: unknown key',
      },
    },
  ]);
  expect(await told()).toEqual([]);
  problem = null;
  expect(await told()).toEqual(['configuration-broken resolved null']);
});

it('who is told while the configuration is broken, and of what, is what it said before', async () => {
  const path = join(master.folder, 'kedge.yaml');
  const right = stringify({
    ...(parse(readFileSync(path, 'utf8')) as object),
    ...{ notify: [{ command: ['/bin/true'] }], objective: { maxAge: '26h' } },
  });
  const worker = lookout({ watched: () => master.parts.notices.watched() });
  const saw = async (): Promise<unknown> => {
    await worker.look();
    return started.splice(0).map(({ notice, receivers: names }) => [notice.event, notice.state, names]);
  };
  writeFileSync(path, right);
  expect(await saw()).toEqual([['backup-overdue', 'firing', ['true']]]);
  writeFileSync(path, `${right}bakcups: [\n`);
  expect(await saw()).toEqual([['configuration-broken', 'firing', ['true']]]);
  writeFileSync(path, right);
  expect(await saw()).toEqual([['configuration-broken', 'resolved', ['true']]]);
});

describe('a task that needs a person', () => {
  const hung: Trouble = { code: 'FileRefused', message: 'leaveMaintenance cannot finish: the flag is no file' };

  it('is told, and that it goes on; while Temporal does not say, nothing changes', async () => {
    await told();
    const { task } = await master.begin('000001', 'restore');
    expect(await told()).toEqual([]);
    trouble = hung;
    expect(await told()).toEqual([`task-attention firing ${task}`]);
    trouble = undefined;
    expect(await told()).toEqual([]);
    trouble = hung;
    expect(await told()).toEqual([]);
    trouble = null;
    expect(await told()).toEqual([`task-attention resolved ${task}`]);
    trouble = hung;
    expect(await told()).toEqual([`task-attention firing ${task}`]);
    await close(task, 'failed', 'HookFailed');
    expect((await told()).sort()).toEqual([`task-attention resolved ${task}`, `task-failed firing ${task}`]);
  });

  it('is one whose journal cannot be read, too', async () => {
    await told();
    const { task } = await master.begin('000001', 'restore');
    const path = join(master.folder, 'state/tasks', `${task}.json`);
    const journal = readFileSync(path, 'utf8');
    writeFileSync(path, '{"version":99}');
    await lookout().look();
    expect(started.splice(0)).toMatchObject([
      {
        notice: {
          event: 'task-attention',
          site: SITE,
          task,
          code: 'NewerVersion',
          message: expect.stringContaining('left alone'),
        },
      },
    ]);
    writeFileSync(path, journal);
    expect(await told()).toEqual([`task-attention resolved ${task}`]);
  });
});
