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
  type WordPressSite,
  cliJson,
  leftovers,
  shell,
  startLab,
} from '../helpers/e2e';
import { type Forgery, type ForgedMember, forgeBackup, recordOf, tarOf } from '../helpers/forged-backup';

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
let unanswered: Promise<[Failure, Failure]>;

beforeAll(async () => {
  lab = await startLab({ below: null, sites: [GAZETTE, NEIGHBOUR] });
  site = lab.sites[0] as WordPressSite;
  configuration = readFileSync(lab.configuration, 'utf8');
  const lonely = await variant('lonely', (document) => {
    document.master = 'nobody';
    document.sites = { 'lonely.example': document.sites[GAZETTE], 'left.example': document.sites[NEIGHBOUR] };
  });
  unanswered = Promise.all([
    failure(['backup', 'lonely.example', '--config', lonely]),
    failure(['backup', 'left.example', '--config', lonely, '--detach']),
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
    ['an unknown site to restore', ['restore', 'nowhere.test', 'latest', '--yes'], 'SiteUnknown', /nowhere\.test/],
    ['a site that is a path', ['backup', '../../etc'], 'SiteUnknown', /\.\.\/\.\.\/etc/],
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
    ['a backup that is a path', ['restore', GAZETTE, '../../etc/passwd', '--yes'], 'BackupUnknown', /etc\/passwd/],
    ['a backup to show that is none', ['backups', 'show', 'x'], 'BackupUnknown', /"x"/],
    ['a restore that nobody confirmed', ['restore', GAZETTE, 'latest'], 'UsageInvalid', /gazette\.example/],
    ['a restore to nothing, without a terminal', ['restore', GAZETTE], 'UsageInvalid', /which backup/],
    ['an unknown option', ['backup', GAZETTE, '--frobnicate'], 'UsageInvalid', /--frobnicate/],
    ['an unknown command', ['bakcup', GAZETTE], 'UsageInvalid', /bakcup/],
    ['a missing argument', ['backup'], 'UsageInvalid', /site/],
    ['too many arguments', ['backup', GAZETTE, NEIGHBOUR], 'UsageInvalid', /argument/],
    ['an unknown compression', ['backup', GAZETTE, '--compression', 'rar'], 'UsageInvalid', /rar/],
    ['a limit that is no number', ['tasks', '--limit', 'many'], 'UsageInvalid', /many/],
    ['a port that is none', ['up', '--port', '70000'], 'UsageInvalid', /70000/],
    ['a description with control characters', ['backup', GAZETTE, '-m', 'a\u0007b'], 'InputInvalid', /description/],
    ['a description without end', ['backup', GAZETTE, '-m', 'x'.repeat(50_000)], 'InputInvalid', /description/],
    ['a task id that is a path', ['log', '../../../etc/passwd'], 'TaskUnknown', /etc\/passwd/],
    ['a task id with a NUL in it, nearly', ['log', 'x%00'], 'TaskUnknown', /x%00/],
    ['an unknown task', ['cancel', `${GAZETTE}-20200101.000000-backup`], 'TaskUnknown', /20200101/],
    ['a name every object has', ['backup', 'constructor'], 'SiteUnknown', /constructor/],
    ['a name every object has, to log', ['log', 'constructor'], 'TaskUnknown', /constructor/],
  ])('%s', async (_what, args, code, place) => {
    expectFailure(await failure(args), code, place);
  });

  it('a near miss is answered by the name that was meant', async () => {
    expect((await failure(['verify', 'gazete.example'])).hint).toContain('Did you mean gazette.example?');
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
    (...members: ForgedMember[]): (() => Forgery) =>
    () => ({ archive: tarOf(members), record: tables });
  const page: ForgedMember = { path: './index.php', content: '<?php' };

  it.each<[string, () => Forgery, ErrorCode, RegExp]>([
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
    ['with a setuid file', of(sound, { path: './sh', mode: 0o4755, content: 'x' }), 'ArchiveRefused', /setuid/],
    ['with a device', of(sound, { path: './null', type: 'CharacterDevice' }), 'ArchiveRefused', /null/],
    ['with a named pipe', of(sound, { path: './pipe', type: 'FIFO' }), 'ArchiveRefused', /pipe/],
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
    await forgeBackup(lab, model, id, forge());
    expectFailure(await failure(['restore', GAZETTE, id, '--yes']), code, place);
  });
  let forged = 0;

  function flipped(): Buffer {
    const bytes = Buffer.from(archive);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    return bytes;
  }

  it('an archive that is gone', async () => {
    const id = await forgeBackup(lab, model, `${GAZETTE}-20200303.000000`, { archive });
    await rm(join(lab.backups, GAZETTE, `${id}.tar`));
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
  const line = (text: string, part: string): number => text.slice(0, text.indexOf(part)).split('\n').length;

  it.each<[string, (document: ConfigurationDocument) => void, string, RegExp]>([
    ['an unknown key', (document) => (document['bakcups'] = '/x'), 'bakcups', /did you mean backups/],
    ['a key of a later release', (document) => (document['platforms'] = {}), 'platforms', /not supported yet/],
    ['a relative folder', (document) => (document['state'] = 'var/state'), 'state:', /absolute path/],
    [
      'a server that does not exist',
      (document) => Object.assign(document.sites[GAZETTE] as object, { server: 'web9' }),
      'server: web9',
      /web9/,
    ],
    [
      'an unknown kind of site',
      (document) => Object.assign(document.sites[GAZETTE] as object, { kind: 'joomla' }),
      'kind: joomla',
      /wordpress/,
    ],
    [
      'a php site without settings',
      (document) => Object.assign(document.sites[GAZETTE] as object, { kind: 'php' }),
      `${GAZETTE}:`,
      /settings/,
    ],
    [
      'a password in the clear',
      (document) =>
        Object.assign(document.servers['master']?.db as object, { admin: { user: 'root', password: 'secret' } }),
      'password: secret',
      /password/,
    ],
    [
      'two sites in one folder',
      (document) => Object.assign(document.sites[NEIGHBOUR] as object, { root: site.root }),
      `${NEIGHBOUR}:`,
      /gazette/,
    ],
    [
      'backups in the folder of a site',
      (document) => (document['backups'] = `${site.root}/backups`),
      'backups:',
      /folder of the site/,
    ],
    [
      'a site whose name is no host name',
      (document) => (document.sites['../etc'] = document.sites[NEIGHBOUR]),
      '../etc',
      /host name/,
    ],
    [
      'a duration without unit',
      (document) => Object.assign(document.sites[GAZETTE] as object, { maintenanceLimit: '15' }),
      'maintenanceLimit',
      /15m/,
    ],
  ])('%s', async (what, change, part, says) => {
    const path = await variant(what.replaceAll(' ', '-'), change);
    const text = readFileSync(path, 'utf8');
    const told = await failure(['config', 'check', '--config', path]);
    expectFailure(told, 'ConfigurationInvalid', says);
    expect(told.message).toMatch(new RegExp(`^${path}:\\d+:\\d+: `, 'm'));
    const named = told.message.split('\n').map((problem) => Number(/:(\d+):\d+: /.exec(problem)?.[1]));
    expect(named).toContain(line(text, part));
    expect((await failure(['backup', GAZETTE, '--config', path])).code).toBe('ConfigurationInvalid');
    expect(told.stderr).not.toContain('secret\n');
  });

  it.each<[string, string, RegExp]>([
    ['no YAML', 'master: [', /:\d+:\d+: /],
    ['a key twice', 'master: a\nmaster: b\n', /:2:1: .*unique/],
    ['nothing', '', /the file/],
  ])('%s', async (what, text, says) => {
    const path = await writeVariant(what.replaceAll(' ', '-'), text);
    expectFailure(await failure(['config', 'check', '--config', path]), 'ConfigurationInvalid', says);
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
    expectFailure(told, 'ProgramMissing', /\/opt\/nowhere\/nginx is not installed on master/);
    expect(told.server).toBe('master');
  });

  it('a site that was not adopted', async () => {
    const told = await failure(['backup', NEIGHBOUR]);
    expectFailure(told, 'SiteNotAdopted', /neighbour\.example/);
    expect(told.hint).toContain('kedge sites adopt');
    expect(told.site).toBe(NEIGHBOUR);
  });

  it('a site folder that is missing, or a symlink', async () => {
    const away = `${site.root}.away`;
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
      const told = await failure(['backup', GAZETTE]);
      expectFailure(told, 'AdoptionRefused', new RegExp(`${lab.sites[1]?.database}.*${site.database}`));
      expectFailure(await failure(['sites', 'adopt', GAZETTE]), 'DatabaseAccessDenied', new RegExp(site.user));
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

  it.each([[['backup', GAZETTE]], [['restore', GAZETTE, 'latest', '--yes']], [['worker']]])(
    'Temporal away: %j',
    async (args) => {
      const told = await failure(args, { TEMPORAL_ADDRESS: '127.0.0.1:1' });
      expectFailure(told, 'TemporalUnreachable', /127\.0\.0\.1:1/);
      expect(told.exitCode).toBe(12);
    },
  );

  it('no worker: the run that nobody took is ended; with --detach it is left', async () => {
    const [ended, left] = await unanswered;
    for (const told of [ended, left]) {
      expectFailure(told, 'NoWorker', /kedge\/nobody/);
      expect(told.exitCode).toBe(13);
    }
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
  const journals = (): string => shell('sh', '-c', `cat ${join(lab.state, 'tasks')}/*.json | sha256sum`);

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
    expect(journals()).toBe(earlier);
  });

  it('with the id of a task that has ended: refused, and the journal stays as it is', async () => {
    const { tasks } = await cliJson<{ tasks: { task: string; type: string }[] }>(lab, 'tasks', GAZETTE);
    const task = tasks.findLast(({ type }) => type === 'backup')?.task;
    const earlier = journals();
    const refused = await start('backup', `site/${GAZETTE}`, { site: GAZETTE, task });
    expect(refused).toMatchObject({ code: 'TaskWasReset' });
    expect(journals()).toBe(earlier);
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
