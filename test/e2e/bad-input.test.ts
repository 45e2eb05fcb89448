import { readFileSync } from 'node:fs';
import { chmod, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { kedge, type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Fingerprint, differences, fingerprint } from '../../scripts/lab/fingerprint';
import { KedgeClient } from '../../src/client';
import type { BackupRecord } from '../../src/contract/backup-record';
import { ERROR_CODES, type ErrorCode } from '../../src/contract/error-codes';
import { taskQueueOf } from '../../src/contract/names';
import type { BackupResult } from '../../src/contract/tasks';
import { kedgeErrorOf } from '../../src/temporal/failures';
import {
  type FailureDocument,
  type Lab,
  type Outcome,
  type WordPressSite,
  cli,
  cliJson,
  journalsOf,
  leftovers,
  shell,
  startLab,
} from '../helpers/e2e';
import { type ForgedMember, tarOf } from '../helpers/archives/forged-members';
import { type FalseBackup, layInCatalogue, recordOf } from '../helpers/forge-backup';

jest.setTimeout(120_000);

const GAZETTE = 'gazette.example';
const NEIGHBOUR = 'neighbour.example';

let lab: Lab;
let worker: WorkerProcess;
let client: KedgeClient;
let site: WordPressSite;
let model: BackupRecord;
let archive: Buffer;
let before: Fingerprint;
let leftBefore: Record<string, string[]>;
let configuration: string;
/** Asked of a master without a worker while the other tests run, for it takes its time. */
let unanswered: Promise<[Failure, Outcome]>;

beforeAll(async () => {
  lab = await startLab({ sites: [GAZETTE, NEIGHBOUR] });
  site = lab.sites[0] as WordPressSite;
  configuration = readFileSync(lab.configuration, 'utf8');
  const lonely = await variant('lonely', (document) => {
    document.master = 'nobody';
    document.sites = { 'lonely.example': document.sites[GAZETTE], 'left.example': document.sites[NEIGHBOUR] };
  });
  unanswered = Promise.all([
    failure(['backup', 'lonely.example', '--config', lonely]),
    cli(lab, 'backup', 'left.example', '--config', lonely, '--detach', '--json'),
  ]);
  worker = await startWorkerProcess(lab.environment);
  client = await KedgeClient.connect('lab', lab.environment);
  await cliJson(lab, 'sites', 'adopt', GAZETTE);
  const { backup } = await cliJson<BackupResult>(lab, 'backup', GAZETTE);
  model = recordOf(lab, GAZETTE, backup.id);
  archive = await readFile(backup.path);
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  leftBefore = await leftovers(lab);
});
afterAll(async () => {
  await client?.close();
  await worker?.stop();
  await lab?.stop();
});

type Failure = FailureDocument['error'] & { exitCode: number; stderr: string };

/** The error of a command that must fail, as its JSON document and its exit code tell it. */
async function failure(args: readonly string[], environment: Record<string, string> = {}): Promise<Failure> {
  const { exitCode, stdout, stderr } = await kedge([...args, '--json'], { ...lab.environment, ...environment });
  if (exitCode === 0 || exitCode === 3) throw new Error(`kedge ${args.join(' ')} did not fail: ${stdout}${stderr}`);
  return { ...(JSON.parse(stdout) as FailureDocument).error, exitCode, stderr };
}

/** What every failure tells: its code with the exit code of the table, the place, and what to do; to people as well. */
function expectFailure(told: Failure, code: ErrorCode, place: RegExp, exit: number = ERROR_CODES[code].exit): void {
  expect({ code: told.code, exitCode: told.exitCode, message: told.message }).toEqual({
    code,
    exitCode: exit,
    message: expect.stringMatching(place) as unknown,
  });
  expect(told.hint).toMatch(/^[A-Z][^\n]+[.?!`]$/);
  expect(told.stderr).toContain(told.message.split('\n')[0]);
  expect(told.stderr).toContain(`hint: ${told.hint}`);
}

interface ConfigurationDocument {
  master: string;
  servers: Record<string, { web: Record<string, unknown>; db: Record<string, unknown> }>;
  sites: Record<string, unknown>;
  [key: string]: unknown;
}

/** A configuration that differs from the lab's, in a file of its own. */
async function variant(name: string, change: (document: ConfigurationDocument) => void): Promise<string> {
  const document = parse(configuration) as ConfigurationDocument;
  change(document);
  return writeVariant(name, stringify(document));
}

async function writeVariant(name: string, text: string): Promise<string> {
  const path = join(lab.folder, `${name}.yaml`);
  await writeFile(path, text);
  return path;
}

describe('what was typed', () => {
  it.each<[string, string[], ErrorCode, RegExp]>([
    ['an unknown site', ['backup', 'gazete.example'], 'SiteUnknown', /gazete\.example/],
    [
      'an unknown backup',
      ['restore', GAZETTE, `${GAZETTE}-20200101.000000`, '--yes'],
      'BackupUnknown',
      /20200101\.000000/,
    ],
    [
      'the backup of another site',
      ['restore', GAZETTE, `${NEIGHBOUR}-20200101.000000`, '--yes'],
      'BackupUnknown',
      /neighbour.* is no backup of gazette/,
    ],
    ['a restore that nobody confirmed', ['restore', GAZETTE, 'latest'], 'UsageInvalid', /gazette\.example/],
    ['a restore to nothing, without a terminal', ['restore', GAZETTE], 'UsageInvalid', /which backup/],
    ['a description with control characters', ['backup', GAZETTE, '-m', 'a\u0007b'], 'InputInvalid', /description/],
    ['an unknown task', ['cancel', `${GAZETTE}-20200101.000000-backup`], 'TaskUnknown', /20200101/],
  ])('%s', async (_what, args, code, place) => {
    expectFailure(await failure(args), code, place);
  });

  it('deleting backups needs --yes where nobody can be asked, and deletes nothing otherwise', async () => {
    expectFailure(await failure(['backups', 'delete', model.id]), 'UsageInvalid', /do not come back/);
    const unknown = await failure(['backups', 'delete', model.id, `${GAZETTE}-20200101.000000`, '--yes']);
    expectFailure(unknown, 'BackupUnknown', /20200101/);
    expect(recordOf(lab, GAZETTE, model.id)).toEqual(model);
  });

  it('a task that has ended cannot be cancelled', async () => {
    expectFailure(await failure(['cancel', GAZETTE]), 'TaskUnknown', /has ended/);
  });
});

describe('archives', () => {
  const TABLE = 'CREATE TABLE `wp_posts` (`ID` int)';
  const TRAILER = '-- Dump completed on 2026-11-24\n';
  const dump = (content: string): ForgedMember => ({ path: './database.sql', content });
  const sound = dump(`${TABLE} ENGINE=InnoDB;\n${TRAILER}`);
  const tables = {
    database: {
      charset: 'utf8mb4',
      collation: 'utf8mb4_unicode_ci',
      serverVersion: '10.11',
      tables: [{ name: 'wp_posts', rows: 0 }],
      views: [],
      enabledEvents: [],
    },
  };
  const of =
    (...members: ForgedMember[]): (() => FalseBackup) =>
    () => ({ archive: tarOf(members), record: tables });
  const hiddenMember = (): Buffer =>
    Buffer.concat([tarOf([sound]), tarOf([{ path: './hidden.php', content: '<?php' }])]);
  const page: ForgedMember = { path: './index.php', content: '<?php' };

  it.each<[string, () => FalseBackup, ErrorCode, RegExp]>([
    ['empty', () => ({ archive: Buffer.alloc(0) }), 'ArchiveInvalid', /is empty/],
    ['truncated', () => ({ archive: archive.subarray(0, archive.length / 2) }), 'ArchiveInvalid', /cut short/],
    [
      'with a flipped byte',
      () => ({ archive: flipped(), record: { sha256: model.sha256 } }),
      'ArchiveInvalid',
      /corrupt/,
    ],
    [
      'of another content than its record says',
      () => ({ archive, record: { sha256: '0'.repeat(64) } }),
      'BackupDamaged',
      /checksum/,
    ],
    ['foreign: text', () => ({ archive: Buffer.from('hello '.repeat(500)) }), 'ArchiveInvalid', /no archive/],
    [
      'foreign: zip',
      () => ({ archive: Buffer.from('PK\u0003\u0004'.padEnd(2000, 'x')) }),
      'ArchiveInvalid',
      /no archive/,
    ],
    ['without members', of(), 'ArchiveInvalid', /no archive|no members/],
    ['without database.sql', of(page), 'DumpInvalid', /database\.sql/],
    ['with an empty dump', of(dump(''), page), 'DumpInvalid', /is empty/],
    ['with a dump without trailer', of(dump(`${TABLE};\n`), page), 'DumpInvalid', /cut short/],
    ['with a dump that lacks a table of its record', of(dump(TRAILER), page), 'DumpInvalid', /wp_posts/],
    [
      'with a dump of MySQL 8',
      of(dump(`${TABLE} COLLATE=utf8mb4_0900_ai_ci;\n${TRAILER}`), page),
      'DumpIncompatible',
      /utf8mb4_0900_ai_ci/,
    ],
    [
      'with GTID_PURGED',
      of(dump(`SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '';\n${TABLE};\n${TRAILER}`), page),
      'DumpIncompatible',
      /GTID_PURGED/,
    ],
    ['with two dumps', of(sound, sound), 'ArchiveRefused', /twice/],
    [
      'with a member above its folder',
      of(sound, { path: './../../etc/cron.d/x', content: 'x' }),
      'ArchiveRefused',
      /etc\/cron\.d/,
    ],
    ['with an absolute path', of(sound, { path: '/etc/cron.d/x', content: 'x' }), 'ArchiveRefused', /absolute/],
    [
      'with a link that has a body',
      of(sound, page, { path: './again', type: 'Link', linkpath: './index.php', content: 'x' }),
      'ArchiveRefused',
      /has a size/,
    ],
    [
      'with something behind its end',
      () => ({ archive: hiddenMember(), record: tables }),
      'ArchiveRefused',
      /behind the end/,
    ],
    [
      'with a hard link to the outside',
      of(sound, { path: './shadow', type: 'Link', linkpath: '../../etc/shadow' }),
      'ArchiveRefused',
      /etc\/shadow/,
    ],
    [
      'with a hard link to an absolute path',
      of(sound, { path: './shadow', type: 'Link', linkpath: '/etc/shadow' }),
      'ArchiveRefused',
      /etc\/shadow/,
    ],
    [
      'with a member behind a link',
      of(sound, { path: './d', type: 'SymbolicLink', linkpath: '/etc' }, { path: './d/passwd', content: 'x' }),
      'ArchiveRefused',
      /passwd/,
    ],
    ['of a site of another kind', () => ({ archive, record: { kind: 'php' } }), 'BackupDamaged', /php/],
    ['whose record is no JSON', () => ({ archive, recordText: '{"schema": 1,' }), 'RecordInvalid', /JSON/],
    ['whose record lacks its checksum', () => ({ archive, record: { sha256: undefined } }), 'RecordInvalid', /sha256/],
    [
      'whose record is that of another backup',
      () => ({ archive, record: { id: model.id } }),
      'RecordInvalid',
      /it is the record of/,
    ],
    [
      'whose record names a file elsewhere',
      () => ({ archive, record: { archive: '../../../etc/shadow' } }),
      'RecordInvalid',
      /shadow/,
    ],
  ])('%s', async (_what, forge, code, place) => {
    const id = `${GAZETTE}-20200202.000000_${(forged += 1)}`;
    await layInCatalogue(lab, model, id, forge());
    const told = await client
      .restore({ site: GAZETTE, backup: id })
      .then((task) => task.result())
      .then(
        () => null,
        (error: unknown) => error,
      );
    expect(told).toMatchObject({ code, site: GAZETTE, message: expect.stringMatching(place) as unknown });
    expect(told).toMatchObject({ state: expect.stringMatching(/unchanged|as it was before/) as unknown });
  });
  let forged = 0;

  it('of which the command tells the same', async () => {
    const hostile = await layInCatalogue(
      lab,
      model,
      `${GAZETTE}-20200203.000000`,
      of(sound, { path: '/etc/cron.d/x', content: 'x' })(),
    );
    expectFailure(await failure(['restore', GAZETTE, hostile, '--yes']), 'ArchiveRefused', /"\/etc\/cron\.d\/x"/);
    const spoiled = await layInCatalogue(lab, model, `${GAZETTE}-20200204.000000`, { archive, recordText: '{' });
    expectFailure(await failure(['restore', GAZETTE, spoiled, '--yes']), 'RecordInvalid', /JSON/);
  });

  function flipped(): Buffer {
    const bytes = Buffer.from(archive);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    return bytes;
  }

  it('an archive that is gone', async () => {
    const id = await layInCatalogue(lab, model, `${GAZETTE}-20200303.000000`, { archive });
    await rm(join(lab.backups, GAZETTE, `${id}.tar.zst`));
    expectFailure(await failure(['restore', GAZETTE, id, '--yes']), 'BackupUnknown', /is gone/);
  });

  it('the catalogue shows the damaged and the foreign as what they are', async () => {
    await writeFile(join(lab.backups, GAZETTE, 'notes.txt'), 'x');
    const { strays } = await cliJson<{ strays: { file: string; problem: string }[] }>(lab, 'backups', GAZETTE);
    expect(strays.map(({ problem }) => problem)).toEqual(
      expect.arrayContaining([
        'record without archive',
        'foreign file',
        expect.stringContaining('it is not JSON') as unknown,
      ]),
    );
  });
});

describe('configurations', () => {
  it('one that is wrong: file, line and what was expected', async () => {
    const path = await variant('wrong', (document) => {
      document['bakcups'] = '/x';
      Object.assign(document.sites[GAZETTE] as object, { server: 'web9' });
    });
    const line = readFileSync(path, 'utf8').split('\n').indexOf('bakcups: /x') + 1;
    const told = await failure(['backup', GAZETTE, '--config', path]);
    expectFailure(told, 'ConfigurationInvalid', /bakcups: unknown key; did you mean backups\?/);
    expect(told.message).toContain(`${path}:${line}:1: `);
  });

  it('none at all', async () => {
    const told = await failure(['sites'], { KEDGE_CONFIG: '/nowhere/kedge.yaml' });
    expectFailure(told, 'ConfigurationInvalid', /\/nowhere\/kedge\.yaml does not exist/);
  });

  it('a secret whose file is not there', async () => {
    const path = await variant('secret', (document) =>
      Object.assign(document.servers['master']?.db as object, {
        admin: { user: 'root', password: { file: '/nowhere/password' } },
      }),
    );
    const told = await failure(['sites', 'adopt', GAZETTE, '--config', path]);
    expectFailure(told, 'SecretUnavailable', /\/nowhere\/password/);
  });
});

/** Runs `work` with a configuration that the worker, but not the command, finds changed. */
async function withWorkerConfiguration<T>(
  text: string,
  work: (commandConfiguration: string) => Promise<T>,
): Promise<T> {
  const sound = await writeVariant('sound', configuration);
  await writeFile(lab.configuration, text);
  try {
    return await work(sound);
  } finally {
    await writeFile(lab.configuration, configuration);
  }
}

describe('what is around the site', () => {
  it('a configuration spoiled since the worker started', async () => {
    const told = await withWorkerConfiguration('sites: {', (sound) => failure(['backup', GAZETTE, '--config', sound]));
    expectFailure(told, 'ConfigurationInvalid', /kedge\.yaml:1:/);
  });

  it('a program that is not there', async () => {
    const document = parse(configuration) as ConfigurationDocument;
    Object.assign(document.servers['master']?.web as object, { test: ['/opt/nowhere/nginx', '-t'] });
    const told = await withWorkerConfiguration(stringify(document), (sound) =>
      failure(['backup', GAZETTE, '--config', sound]),
    );
    expectFailure(told, 'ProgramMissing', /\/opt\/nowhere\/nginx is not installed on lab/);
    expect(told.server).toBe('lab');
  });

  it('a site that was not adopted', async () => {
    const told = await failure(['backup', NEIGHBOUR]);
    expectFailure(told, 'SiteNotAdopted', /neighbour\.example/);
    expect(told.hint).toContain('kedge sites adopt');
    expect(told.site).toBe(NEIGHBOUR);
  });

  it('a site folder that is missing, or a link to a folder that is not beside it', async () => {
    const away = join(lab.folder, 'gazette.away');
    await rename(site.root, away);
    try {
      expectFailure(await failure(['backup', GAZETTE]), 'SiteFolderRefused', /gazette\.example is missing/);
      await symlink(away, site.root);
      expectFailure(await failure(['backup', GAZETTE]), 'SiteFolderRefused', /is a symbolic link/);
      const restoring = await failure(['restore', GAZETTE, model.id, '--yes']);
      expectFailure(restoring, 'SiteFolderRefused', /is a symbolic link/);
      await rm(site.root);
    } finally {
      await rename(away, site.root);
    }
  });

  it('settings that name another database', async () => {
    const path = join(site.root, 'wp-config.php');
    shell('cp', '-p', path, join(lab.folder, 'wp-config.php'));
    try {
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace(`'DB_NAME', '${site.database}'`, `'DB_NAME', '${lab.sites[1]?.database}'`));
      // Who wrote that keeps nobody from a backup, which is told what it does not hold.
      const { exitCode, stdout } = await kedge(['backup', GAZETTE, '--json'], lab.environment);
      expect(exitCode).toBe(3);
      expect(stdout).toMatch(
        new RegExp(`${lab.sites[1]?.database}, which no backup holds: Kedge knows ${site.database}`),
      );
      expectFailure(
        await failure(['sites', 'adopt', GAZETTE]),
        'AdoptionRefused',
        new RegExp(`${site.user}.*${lab.sites[1]?.database}`),
      );
    } finally {
      shell('cp', '-p', join(lab.folder, 'wp-config.php'), path);
      await chmod(path, 0o640);
    }
  });

  it('a database server that is away', async () => {
    await lab.mariadb.stop();
    try {
      const told = await failure(['restore', GAZETTE, model.id, '--yes']);
      expectFailure(told, 'DatabaseUnreachable', /master/);
      expectFailure(await failure(['sites', 'adopt', GAZETTE]), 'DatabaseUnreachable', /master/);
    } finally {
      await lab.mariadb.start();
    }
  });

  it('Temporal away, whatever is asked for', async () => {
    const commands = [['backup', GAZETTE], ['restore', GAZETTE, 'latest', '--yes'], ['worker']];
    // At the same time, for each tries for a while.
    const all = await Promise.all(commands.map((args) => failure(args, { TEMPORAL_ADDRESS: '127.0.0.1:1' })));
    for (const told of all) {
      expectFailure(told, 'TemporalUnreachable', /127\.0\.0\.1:1/);
      expect(told.exitCode).toBe(12);
    }
  });

  it('no worker: the run that nobody took is ended; with --detach it is accepted, and said to wait for one', async () => {
    const [told, left] = await unanswered;
    expectFailure(told, 'NoWorker', /kedge\/nobody/);
    expect(told.exitCode).toBe(13);
    expect(left.exitCode).toBe(0);
    expect(JSON.parse(left.stdout)).toMatchObject({ site: 'left.example', detached: true, waitsFor: 'worker' });
    const statusOf = async (uri: string): Promise<string> =>
      (await client.temporal.workflow.getHandle(`turns/${uri}`).describe()).status.name;
    expect(await statusOf('lonely.example')).toBe('TERMINATED');
    expect(await statusOf('left.example')).toBe('RUNNING');
  });
});

describe('workflows started by others', () => {
  const start = (type: string, workflowId: string, input: unknown): Promise<unknown> =>
    client.temporal.workflow.execute(type, { workflowId, taskQueue: taskQueueOf('lab'), args: [input] }).then(
      () => null,
      (error: unknown) => kedgeErrorOf(error, GAZETTE),
    );
  const journals = (): unknown => journalsOf(lab);

  it.each<[string, string, string, object, ErrorCode]>([
    ['under another ID', 'backup', 'other', { site: GAZETTE }, 'WorkflowIdRefused'],
    ['under the ID of another site', 'verify', `site/${NEIGHBOUR}`, { site: GAZETTE }, 'WorkflowIdRefused'],
    ['a recovery under another ID', 'recover', 'other', {}, 'InputInvalid'],
    ['without a site', 'backup', `site/${GAZETTE}`, {}, 'InputInvalid'],
    ['with an unknown field', 'backup', `site/${GAZETTE}`, { site: GAZETTE, path: '/etc' }, 'InputInvalid'],
    ['with a field of the wrong type', 'backup', `site/${GAZETTE}`, { site: GAZETTE, quiesce: 'yes' }, 'InputInvalid'],
    ['with a task id that is a path', 'backup', `site/${GAZETTE}`, { site: GAZETTE, task: '../../x' }, 'InputInvalid'],
    ['of an unknown site', 'backup', 'site/nowhere.test', { site: 'nowhere.test' }, 'SiteUnknown'],
  ])('%s', async (_what, type, workflowId, input, code) => {
    const earlier = journals();
    expect(await start(type, workflowId, input)).toMatchObject({ code });
    expect(journals()).toEqual(earlier);
  });

  it('with the id of a task that has ended: refused, and the journal stays as it is', async () => {
    const { tasks } = await cliJson<{ tasks: { task: string; type: string }[] }>(lab, 'tasks', GAZETTE);
    const task = tasks.findLast(({ type }) => type === 'backup')?.task;
    const earlier = journals();
    const refused = await start('backup', `site/${GAZETTE}`, { site: GAZETTE, task });
    expect(refused).toMatchObject({ code: 'TaskWasReset' });
    expect(journals()).toEqual(earlier);
  });
});

describe('after all of it', () => {
  it('the site is untouched and nothing is left', async () => {
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    expect(await leftovers(lab)).toEqual({ ...leftBefore, spool: [], open: [] });
  });

  it('and can be backed up and restored', async () => {
    await cliJson(lab, 'restore', GAZETTE, model.id, '--yes');
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  });
});
