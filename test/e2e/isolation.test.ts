import { link, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { HeaderData } from 'tar';
import { type Fingerprint, currentDatabase, differences, fingerprint } from '../../scripts/lab/fingerprint';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  leftovers,
  shell,
  startServedLab,
} from '../helpers/e2e';
import { type Forgery, forgeBackup } from '../helpers/forge-backup';
import { type Neighbourhood, changes, neighbourhood } from '../helpers/neighbourhood';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let neighbour: WordPressSite;
let backup: string;
let saved: Fingerprint;
let around: Neighbourhood;

beforeAll(async () => {
  ({ lab } = await startServedLab('gazette.example', 'neighbour.example'));
  [site, neighbour] = lab.sites as [WordPressSite, WordPressSite];
  saved = await look();
  await fingerprint(neighbour, lab.nginx.port, lab.mariadb);
  backup = (await cliJson<BackupResult>(lab, 'backup', site.uri)).backup.id;
  around = await neighbourhood(lab, site);
});
afterAll(() => lab?.stop());

function look(): Promise<Fingerprint> {
  return fingerprint(site, lab.nginx.port, lab.mariadb);
}

const forge = (forgery: Forgery): Promise<string> => forgeBackup(lab, site.uri, backup, forgery);

async function expectNothingAround(): Promise<void> {
  expect(changes(around, await neighbourhood(lab, site))).toEqual([]);
}

/** A restore that fails, and changes nothing anywhere. */
async function expectRefused(forged: string): Promise<{ code: string; message: string }> {
  const [before, leftBefore] = [await look(), await leftovers(lab)];
  const failure = await cliFailure(lab, 'restore', site.uri, forged, '--yes');
  expect(differences(before, await look())).toEqual([]);
  const left = await leftovers(lab);
  // The first restore makes the folder that all are staged in.
  const sites = (names: string[] = []): string[] => names.filter((name) => name !== '.kedge');
  expect({ ...left, sites: sites(left['sites']) }).toEqual({ ...leftBefore, sites: sites(leftBefore['sites']) });
  await expectNothingAround();
  return failure;
}

it('the comparison sees a change of each kind', async () => {
  const other = neighbour.database;
  const traces: [change: string[] | string, undo: string[] | string, seen: string][] = [
    [
      ['touch', `${neighbour.root}/readme.html`],
      ['touch', `${neighbour.root}/readme.html`],
      'srv/neighbour.example/readme.html',
    ],
    [
      ['chmod', '700', join(lab.folder, 'vhosts/neighbour.example.conf')],
      ['chmod', '644', join(lab.folder, 'vhosts/neighbour.example.conf')],
      'vhosts/neighbour.example.conf',
    ],
    [
      `UPDATE ${other}.wp_kedge_log SET what = 'x'; INSERT INTO ${other}.wp_kedge_log (what) VALUES ('y')`,
      `DELETE FROM ${other}.wp_kedge_log WHERE what = 'y'`,
      `database ${other}/wp_kedge_log`,
    ],
    [
      `ALTER EVENT ${other}.kedge_tick DISABLE`,
      `ALTER DEFINER='${neighbour.user}'@'localhost' EVENT ${other}.kedge_tick ENABLE`,
      `database ${other}/events`,
    ],
    [`CREATE USER evil@localhost`, `DROP USER evil@localhost`, 'mysql.global_priv'],
    [
      `GRANT SELECT ON ${other}.* TO '${site.user}x'@'%' IDENTIFIED BY 'x'`,
      `DROP USER '${site.user}x'@'%'`,
      'mysql.db',
    ],
    [`CREATE DATABASE evil`, `DROP DATABASE evil`, 'database evil'],
    [
      `SET GLOBAL max_connections = 99`,
      `SET GLOBAL max_connections = ${around['variable max_connections']}`,
      'variable max_connections',
    ],
  ];
  const act = async (what: string[] | string): Promise<void> => {
    if (typeof what === 'string') await lab.mariadb.query(what);
    else shell(...(what as [string, ...string[]]));
  };
  for (const [change] of traces) await act(change);
  const found = changes(around, await neighbourhood(lab, site)).map((line) => line.split(': ')[0]);
  for (const [, undo, seen] of traces) {
    expect(found).toContain(seen);
    await act(undo);
  }
  around = await neighbourhood(lab, site);
});

it('a dump that asks for a file of the client is refused before anything is done', async () => {
  const sql = `LOAD DATA LOCAL INFILE '${neighbour.root}/wp-config.php' INTO TABLE wp_kedge_log (what);`;
  const failure = await cliFailure(lab, 'restore', site.uri, await forge({ sql }), '--yes');
  expect(failure).toMatchObject({ code: 'DumpIncompatible', state: 'the site is unchanged' });
  expect(failure.message).toContain('LOAD DATA');
  await expectNothingAround();
});

it('an archive whose settings are a link to those of the neighbour: refused, and the neighbour keeps them', async () => {
  const settings: HeaderData = {
    path: './wp-config.php',
    type: 'SymbolicLink',
    linkpath: `${neighbour.root}/wp-config.php`,
  };
  const failure = await expectRefused(await forge({ without: ['./wp-config.php'], members: [settings] }));
  expect(failure).toMatchObject({
    code: 'SettingsInvalid',
    message: expect.stringContaining('symbolic link') as string,
  });
});

const escape: HeaderData = { path: './wp-content/escape', type: 'SymbolicLink', linkpath: '../../neighbour.example' };
it('an archive that leads out of its folder is refused before anything is done', async () => {
  for (const members of [
    [escape, { path: './wp-content/escape/evil.php', type: 'File' }],
    [{ path: './../neighbour.example/evil.php', type: 'File' }],
  ] satisfies HeaderData[][]) {
    const failure = await cliFailure(lab, 'restore', site.uri, await forge({ members }), '--yes');
    expect([members.at(-1)?.path, failure.code]).toEqual([members.at(-1)?.path, 'ArchiveRefused']);
  }
  expect(differences(saved, await look())).toEqual([]);
  await expectNothingAround();
});

/**
 * A dump that tries everything and goes on when it is refused: by an event, every second after it was imported.
 * It writes down, in its own database, who it was and what it was told.
 */
function stubbornDump(): string {
  const other = neighbour.database;
  const attacks = [
    `DELETE FROM ${other}.wp_posts`,
    `DROP DATABASE ${other}`,
    `CREATE DATABASE evil`,
    `RENAME TABLE wp_kedge_log TO ${other}.wp_evil`,
    `CREATE VIEW wp_kedge_spy AS SELECT * FROM ${other}.wp_users`,
    `CREATE DEFINER=root@localhost VIEW wp_kedge_root AS SELECT 1`,
    `CALL wp_kedge_as_root()`,
    `GRANT ALL PRIVILEGES ON *.* TO CURRENT_USER`,
    `GRANT ALL PRIVILEGES ON ${other}.* TO CURRENT_USER`,
    `CREATE USER evil@localhost`,
    `ALTER USER ${neighbour.user}@localhost ACCOUNT LOCK`,
    `SET PASSWORD FOR ${neighbour.user}@localhost = PASSWORD("evil")`,
    `INSERT INTO mysql.global_priv VALUES ("localhost", "evil", "{}")`,
    `SET GLOBAL event_scheduler = OFF`,
    `SELECT 1 INTO OUTFILE "${neighbour.root}/evil.php"`,
    `SELECT LOAD_FILE("${neighbour.root}/wp-config.php") INTO @stolen`,
    `INSTALL SONAME "auth_ed25519"`,
    `SHUTDOWN`,
  ];
  return `
CREATE TABLE wp_kedge_attacks (attack VARCHAR(200), who VARCHAR(200), told INT, during VARCHAR(10));
DELIMITER ;;
CREATE DEFINER=\`root\`@\`localhost\` PROCEDURE wp_kedge_as_root() SQL SECURITY DEFINER DELETE FROM ${other}.wp_posts;;
/*!50003 CREATE*/ /*!50020 DEFINER=\`root\`@\`localhost\`*/ /*!50003 PROCEDURE wp_kedge_attack(during VARCHAR(10))
BEGIN
  DECLARE told INT DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION GET DIAGNOSTICS CONDITION 1 told = MYSQL_ERRNO;
${attacks
  .map(
    (attack) => `  SET told = 0; EXECUTE IMMEDIATE '${attack}';
  INSERT INTO wp_kedge_attacks VALUES ('${attack}', CURRENT_USER(), told, during);`,
  )
  .join('\n')}
END */;;
DELIMITER ;
CREATE DEFINER=\`root\`@\`localhost\` EVENT wp_kedge_attack ON SCHEDULE EVERY 1 SECOND ENABLE DO CALL wp_kedge_attack('event');
`;
}

it('a dump that tries everything reaches nothing but its own database', async () => {
  // The live site is hostile too: what is packed, moved away and removed leads to the neighbour.
  await symlink(neighbour.root, join(site.root, 'wp-content/neighbour'));
  await link(join(neighbour.root, 'wp-config.php'), join(site.root, 'wp-content/stolen.php'));
  await rm(join(site.root, 'wp-config.php'));
  await symlink(join(neighbour.root, 'wp-config.php'), join(site.root, 'wp-config.php'));

  const forged = await forge({ sql: stubbornDump(), members: [escape] });
  const { exitCode, stdout } = await cli(lab, 'restore', site.uri, forged, '--yes', '--json');
  expect([exitCode, stdout]).toEqual([3, expect.stringContaining('leads out of the site folder')]);
  expect((JSON.parse(stdout) as RestoreResult).restored).toBe(forged);

  const database = await currentDatabase(site);
  const tried = async (during: string): Promise<string[][]> =>
    (await lab.mariadb.query(`SELECT attack, who, told FROM ${database}.wp_kedge_attacks WHERE during = '${during}'`))
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  await until('the event has attacked too', async () => (await tried('event')).length > 0);
  for (const [attack = '', who = '', told = ''] of await tried('event')) {
    expect(who).toBe(`${database.slice(0, -1)}@localhost`);
    // LOAD_FILE answers NULL; all else is told that access is denied.
    expect(`${attack}: ${told}`).toMatch(attack.includes('LOAD_FILE') ? /: 0$/ : /: (1044|1045|1142|1227|1370|1410)$/);
  }
  await lab.mariadb.query(`DROP EVENT ${database}.wp_kedge_attack`);
  await expectNothingAround();
});

it('a restore that is done changes nothing around it', async () => {
  await cliJson<RestoreResult>(lab, 'restore', site.uri, backup, '--yes');
  expect(differences(saved, await look())).toEqual([]);
  await expectNothingAround();
});
