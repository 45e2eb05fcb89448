import { existsSync, readFileSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Fingerprint,
  currentDatabase,
  differences,
  filesOf,
  fingerprint,
  get,
} from '../../scripts/lab/fingerprint';
import { loginOf } from '../../scripts/lab/site-login';
import type { BackupRecord } from '../../src/contract/backup-record';
import type { RestorePlan } from '../../src/contract/documents';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { KedgeClient, TaskFailedError } from '../../src/client';
import { KedgeError } from '../../src/contract/errors';
import type { KeptOfBackup } from '../../src/core/kept/kept-originals';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { answeringProbes } from './changed-sites';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  leftovers,
  recordsOf,
  shell,
  startLab,
  withWorkerInProcess,
} from './e2e';
import type { SmallDisk } from './small-disks';

/** Disks that a lab lies on, to be filled and mended. */
export interface LabDisks {
  readonly site: SmallDisk;
  readonly backups: SmallDisk;
  readonly spool: SmallDisk;
  readonly database: SmallDisk;
}

/** What a lab lies on. */
export interface Ground {
  readonly disks?: LabDisks;
  readonly close?: () => Promise<void>;
}

/** What breaks a site is given. */
export interface BrokenSite {
  readonly lab: Lab;
  readonly site: WordPressSite;
  /** Database of now. */
  readonly database: string;
  /** Its account, at localhost. */
  readonly user: string;
  /** The disks that its lab lies on, where it has some of its own. */
  readonly disks: LabDisks | undefined;
  /** Runs a script in the site folder. */
  readonly run: (script: string) => string;
  readonly sql: (statements: string) => Promise<string>;
}

/** One way in which a site can be broken. */
export interface Breakage {
  readonly name: string;
  readonly break: (site: BrokenSite) => unknown;
  /** What the dry run says beforehand. */
  readonly said?: RegExp;
  /** A restore is refused before anything is done, in these words, until `after` has put it right. */
  readonly refused?: RegExp;
  /** Which originals the restore keeps. */
  readonly keeps?: 'database' | 'folder' | 'both';
  /** What the record of the safety backup says for that. */
  readonly incomplete?: RegExp;
  /** What its first warning says. */
  readonly warns?: RegExp;
  /** Its pages are no measure: one keeps a worker of PHP for good, or none is served. None is asked for. */
  readonly hangs?: true;
  /** Puts right what no restore does. */
  readonly after?: (site: BrokenSite) => unknown;
}

/** Tears a hole into a file of a table, with the server knowing nothing of it. */
const tear = async ({ sql, database }: BrokenSite, file: string, at: number): Promise<void> => {
  const [folder = ''] = (await sql('SELECT @@datadir')).trim().split('\n');
  shell(
    ...['sh', '-euc', 'dd if=/dev/urandom of="$1" bs=1 seek="$2" count=3000 conv=notrunc status=none', 'sh'],
    ...[join(folder, database, file), String(at)],
  );
};
const removeTableFile = async ({ sql, database }: BrokenSite, file: string): Promise<void> => {
  const [folder = ''] = (await sql('SELECT @@datadir')).trim().split('\n');
  shell('rm', join(folder, database, file));
};

const UNREADABLE_SETTINGS = /settings of .* cannot be read: .* wp-config\.php /;

export const BREAKAGES: readonly Breakage[] = [
  // files
  {
    name: 'files and folders that nobody may read',
    break: ({ run }) => run('chmod -R 0 wp-content wp-config.php'),
  },
  {
    name: 'pipes in the place of files',
    break: ({ run }) => run('rm index.php wp-login.php; mkfifo index.php wp-login.php wp-content/uploads/pipe'),
    hangs: true,
    said: /pipes, sockets and devices in .*index\.php/,
  },
  { name: 'its folder gone', break: ({ site }) => shell('rm', '-r', site.root), said: /the site folder .* is missing/ },
  {
    name: 'a file in the place of its folder',
    break: ({ site }) => shell('sh', '-ec', 'rm -r "$1"; echo not a folder > "$1"', 'sh', site.root),
    said: /the site folder .* is missing, or is no folder/,
    keeps: 'folder',
    incomplete: /is no folder, and in no backup/,
  },
  { name: 'its folder empty', break: ({ run }) => run('find . -mindepth 1 -delete') },
  { name: 'a folder nobody may enter', break: ({ site }) => shell('chmod', '0', site.root) },
  { name: 'files of other owners', break: ({ site }) => shell('chown', '-R', '1234:4321', site.root) },
  {
    name: 'loops of links',
    break: ({ run }) => run('rm -r wp-includes; ln -s wp-includes2 wp-includes; ln -s wp-includes wp-includes2'),
  },
  {
    name: 'other code behind a link out of it',
    break: ({ lab, run }) =>
      run(
        `mv wp-includes '${lab.folder}/elsewhere'; ln -s '${lab.folder}/elsewhere' wp-includes; echo 'echo "from elsewhere";' >> wp-includes/load.php`,
      ),
    said: /links that lead out of the site folder.*wp-includes/,
    after: ({ lab }) => shell('rm', '-r', join(lab.folder, 'elsewhere')),
  },
  { name: 'every file cut to nothing', break: ({ run }) => run('find . -type f -exec truncate -s 0 {} +') },
  {
    name: 'paths that are too long to be packed',
    break: ({ run }) =>
      run(
        'perl -e \'for (1 .. 900) { mkdir "deeper" or die; chdir "deeper" or die } open(my $f, ">", "end") or die; print $f "x"\'',
      ),
    said: /longer than 4081 bytes/,
    keeps: 'folder',
    incomplete: /longer than 4081 bytes/,
  },
  {
    name: 'code that ends in an error',
    break: ({ run }) => run("mkdir -p wp-content/mu-plugins; echo '<?php exit(1' > wp-content/mu-plugins/x.php"),
  },
  // settings
  { name: 'empty settings', break: ({ run }) => run(': > wp-config.php'), said: UNREADABLE_SETTINGS },
  {
    name: 'noise for settings',
    break: ({ run }) => run('head -c 5000 /dev/urandom > wp-config.php'),
    said: UNREADABLE_SETTINGS,
  },
  {
    name: 'settings that nobody may read',
    break: ({ run }) => run('chmod 0 wp-config.php'),
    said: UNREADABLE_SETTINGS,
  },
  {
    name: 'a link to nowhere for settings',
    break: ({ run }) => run('ln -sf nowhere/at/all.php wp-config.php'),
    said: UNREADABLE_SETTINGS,
  },
  {
    name: 'a folder for settings',
    break: ({ run }) => run('rm wp-config.php; mkdir wp-config.php; echo x > wp-config.php/x'),
    said: UNREADABLE_SETTINGS,
  },
  {
    name: 'settings with a login that nobody has',
    break: ({ run }) => run("sed -i \"s/^define(.DB_USER.*/define('DB_USER', 'nobody');/\" wp-config.php"),
  },
  {
    name: 'the settings of another site',
    async break({ run, sql }) {
      await sql(`CREATE DATABASE neighbour; CREATE TABLE neighbour.t (id INT); INSERT INTO neighbour.t VALUES (1), (2);
        CREATE USER neighbour@localhost IDENTIFIED BY 'neighbour-canary-83'; GRANT ALL ON neighbour.* TO neighbour@localhost`);
      run(`sed -i "s/^define(.DB_NAME.*/define('DB_NAME', 'neighbour');/; s/^define(.DB_USER.*/define('DB_USER', 'neighbour');/
        s/^define(.DB_PASSWORD.*/define('DB_PASSWORD', 'neighbour-canary-83');/" wp-config.php`);
    },
    said: /name the database neighbour/,
    // The other site is left alone, open and whole.
    async after({ sql }) {
      expect(await sql('SELECT COUNT(*) FROM neighbour.t')).toBe('2\n');
      expect(await sql('SHOW CREATE USER neighbour@localhost')).not.toContain('ACCOUNT LOCK');
      expect(await sql('SHOW GRANTS FOR neighbour@localhost')).toContain('ON `neighbour`.*');
      await sql('DROP DATABASE neighbour; DROP USER neighbour@localhost');
    },
  },
  {
    name: 'its settings gone',
    break: ({ run }) => run('rm wp-config.php'),
    said: /settings of .* cannot be read: .* are missing/,
  },
  {
    name: 'settings that are no PHP',
    break: ({ run }) => run("echo '<?php define(' > wp-config.php"),
    said: /settings of .* cannot be read/,
  },
  {
    name: 'settings that never end',
    break: ({ run }) => run("echo '<?php while (true);' > wp-config.php"),
    hangs: true,
    said: /settings of .* cannot be read/,
  },
  {
    name: 'a pipe for settings',
    break: ({ run }) => run('rm wp-config.php; mkfifo wp-config.php'),
    hangs: true,
    said: /settings of .* cannot be read/,
  },
  {
    name: 'settings with a wrong login',
    break: ({ run }) =>
      run("sed -i \"s/^define(.DB_PASSWORD.*/define('DB_PASSWORD', 'wrong-canary-81');/\" wp-config.php"),
  },
  {
    name: 'settings that name another database',
    break: ({ run }) => run("sed -i \"s/^define(.DB_NAME.*/define('DB_NAME', 'another');/\" wp-config.php"),
    said: /name the database another/,
  },
  // tables
  {
    name: 'a crashed table',
    async break(at) {
      await at.sql(`FLUSH TABLES \`${at.database}\`.wp_log`);
      await tear(at, 'wp_log.MYD', 30_000);
      await at.sql(`FLUSH TABLES \`${at.database}\`.wp_log`);
    },
    keeps: 'database',
    incomplete: /could not be read .*wp_log \(/,
  },
  {
    name: 'a table whose rows are gone from the disk',
    async break(at) {
      await at.sql(`FLUSH TABLES \`${at.database}\`.wp_log`);
      await removeTableFile(at, 'wp_log.MYD');
    },
    said: /tables of .* cannot be read .* wp_log \(.*not found/,
    keeps: 'database',
    incomplete: /could not be read .*wp_log \(/,
  },
  {
    name: 'a lost tablespace, and views of it',
    break: ({ sql, database }) =>
      sql(
        `USE \`${database}\`; CREATE VIEW of_links AS SELECT * FROM wp_links; ALTER TABLE wp_links DISCARD TABLESPACE`,
      ),
    keeps: 'database',
    incomplete: /could not be read .*wp_links \(/,
  },
  {
    name: 'a definition that is none',
    async break({ sql, database }) {
      const [folder = ''] = (await sql('SELECT @@datadir')).trim().split('\n');
      shell('sh', '-ec', 'echo nonsense > "$1"', 'sh', join(folder, database, 'wp_nonsense.frm'));
      await sql('FLUSH TABLES');
    },
    said: /tables of .* cannot be read .* wp_nonsense \(/,
    keeps: 'database',
    incomplete: /could not be read .*wp_nonsense \(/,
  },
  {
    name: 'a view of a table that is gone',
    break: ({ sql, database }) =>
      sql(
        `USE \`${database}\`; CREATE TABLE wp_short (id INT); CREATE VIEW of_short AS SELECT * FROM wp_short; DROP TABLE wp_short`,
      ),
  },
  {
    name: 'views and triggers of a definer who is gone',
    break: ({ sql, database }) =>
      sql(`USE \`${database}\`; CREATE DEFINER = 'nobody'@'localhost' VIEW of_nobody AS SELECT * FROM wp_posts;
        CREATE DEFINER = 'nobody'@'localhost' TRIGGER wp_nobody BEFORE INSERT ON wp_posts FOR EACH ROW SET NEW.post_title = 'x'`),
  },
  {
    name: 'a view of what its account may not read',
    break: ({ sql, database }) =>
      sql(`CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (id INT);
        CREATE VIEW \`${database}\`.of_elsewhere AS SELECT * FROM elsewhere.t`),
    warns: /^this backup could not be restored here/,
    after: ({ sql }) => sql('DROP DATABASE elsewhere'),
  },
  {
    name: 'all its tables dropped',
    async break({ sql, database }) {
      const names = await sql(
        `SELECT CONCAT('\`', TABLE_NAME, '\`') FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${database}' AND TABLE_TYPE = 'BASE TABLE'`,
      );
      await sql(`SET foreign_key_checks = 0; USE \`${database}\`; DROP TABLE ${names.trim().split('\n').join(', ')}`);
    },
  },
  // database and account
  {
    name: 'its database dropped',
    break: ({ sql, database }) => sql(`DROP DATABASE \`${database}\``),
    said: /the database .* does not exist/,
  },
  { name: 'its account dropped', break: ({ sql, user }) => sql(`DROP USER '${user}'@'localhost'`) },
  { name: 'its account locked', break: ({ sql, user }) => sql(`ALTER USER '${user}'@'localhost' ACCOUNT LOCK`) },
  {
    name: 'another password of its account',
    break: ({ sql, user }) => sql(`ALTER USER '${user}'@'localhost' IDENTIFIED BY 'other-canary-82'`),
  },
  {
    name: 'no rights of its account',
    break: ({ sql, user }) => sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM '${user}'@'localhost'`),
  },
  {
    name: 'everything gone',
    break: ({ sql, database, user, site }) => (
      shell('rm', '-r', site.root),
      sql(`DROP DATABASE \`${database}\`; DROP USER '${user}'@'localhost'`)
    ),
    said: /the site folder .* is missing[^]*the database .* does not exist/,
  },
  // web server
  {
    name: 'its vhost gone',
    hangs: true,
    break: ({ lab, site }) => (
      shell('rm', join(lab.nginx.address.vhosts, `${site.uri}.conf`)),
      shell(...(lab.nginx.address.reload as [string, ...string[]]))
    ),
    said: /what Kedge writes for .* is gone/,
  },
  {
    name: 'a configuration of the web server that nobody can load',
    break: ({ lab }) =>
      shell('sh', '-ec', 'echo "nonsense;" > "$1"', 'sh', join(lab.nginx.address.vhosts, 'neighbour.conf')),
    said: /nonsense/,
    after: ({ lab }) => shell('rm', join(lab.nginx.address.vhosts, 'neighbour.conf')),
  },
];

const PAGES = ['/', '/?page_id=2', '/wp-login.php', '/wp-content/uploads/mit%20Leerzeichen.txt'];

type Fault = (real: ActivityDependencies) => ActivityDependencies;
const asIs: Fault = (real) => real;
const failingProbe: Fault = (real) =>
  answeringProbes(real, () => Promise.reject(new KedgeError('VhostEdited', 'planted')));

/** A lab with a site that was saved, to be broken again and again. */
export class BreakableSite {
  private constructor(
    readonly lab: Lab,
    readonly site: WordPressSite,
    readonly backup: BackupResult,
    private readonly saved: Fingerprint,
    private readonly ground: Ground,
    private readonly client: KedgeClient,
  ) {}

  static async start(onDisks?: (lab: Lab) => Promise<Ground>): Promise<BreakableSite> {
    const lab = await startLab({ sites: ['gazette.example'] });
    await appendFile(lab.configuration, '\nproveBackups: true\n');
    const ground = (await onDisks?.(lab)) ?? {};
    const [site] = lab.sites as readonly [WordPressSite];
    await lab.mariadb.query(`USE \`${site.database}\`; CREATE TABLE wp_log (id INT, text VARCHAR(200)) ENGINE = MyISAM;
      INSERT INTO wp_log SELECT seq, REPEAT(CHAR(65 + seq % 26), 1 + seq % 150) FROM seq_1_to_2000`);
    await cliJson(lab, 'sites', 'adopt', site.uri);
    const backup = await withWorkerInProcess(lab, asIs, () => cliJson<BackupResult>(lab, 'backup', site.uri));
    const saved = await fingerprint(site, lab.nginx.port, lab.mariadb);
    return new BreakableSite(lab, site, backup, saved, ground, await KedgeClient.connect('lab', lab.environment));
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.ground.close?.();
    await this.lab.stop();
  }

  /** As a service asks for it: commands would start hundreds of times. */
  private async restore(): Promise<RestoreResult> {
    const task = await this.client.restore({ site: this.site.uri, backup: this.backup.backup.id });
    return task.result();
  }

  look(): Promise<Fingerprint> {
    return fingerprint(this.site, this.lab.nginx.port, this.lab.mariadb);
  }

  /** Breaks the site, restores it, and compares all of it. What the safety backup could not hold is kept, named, and let go. */
  async expectRestored(breakage: Breakage, already?: BrokenSite): Promise<void> {
    const { lab, site, backup } = this;
    const broken = already ?? (await this.view());
    if (!already) await breakage.break(broken);
    const { keeps } = breakage;
    const [keepsDatabase, keepsFolder] = [
      keeps === 'database' || keeps === 'both',
      keeps === 'folder' || keeps === 'both',
    ];
    const plan = await cliJson<RestorePlan>(lab, 'restore', site.uri, backup.backup.id, '--dry-run');
    if (breakage.said) expect(plan.warnings.join('\n')).toMatch(breakage.said);
    const restored = await withWorkerInProcess(lab, asIs, () => this.restore());
    await breakage.after?.(broken);
    expect(differences(this.saved, await this.look())).toEqual([]);
    expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
    const record = recordsOf(lab, site.uri).find(({ id }) => id === restored.safetyBackup) as BackupRecord;
    const { databases = [] } = await leftovers(lab);
    if (breakage.warns) expect(record.warnings[0]).toMatch(breakage.warns);
    if (keeps === undefined) {
      expect([record.incomplete, record.kept]).toEqual([undefined, undefined]);
    } else {
      expect(record.incomplete?.join('\n')).toMatch(breakage.incomplete ?? /./);
      expect(restored.warnings.join('\n')).toMatch(/ of before is kept as /);
      const { database, folders = [] } = record.kept ?? {};
      expect(database?.name).toBe(keepsDatabase ? broken.database : undefined);
      if (database) expect(databases).toContain(database.name);
      expect(folders.map(({ path }) => existsSync(path))).toEqual(keepsFolder ? [true] : []);
      // Nobody tidies away what is kept, until somebody lets it go.
      await cliJson(lab, 'doctor', '--sweep').catch(() => undefined);
      expect(folders.map(({ path }) => existsSync(path))).toEqual(keepsFolder ? [true] : []);
      if (database) expect((await leftovers(lab))['databases']).toContain(database.name);
      await this.expectListed(record);
    }
    // By either of the two ways.
    if (keepsFolder) await cliJson(lab, 'sites', 'let-go', site.uri, restored.safetyBackup, '--yes');
    await cliJson(lab, 'backups', 'delete', restored.safetyBackup, '--yes');
    const left = await leftovers(lab);
    expect(left).toMatchObject({
      staging: [],
      spool: [],
      open: [],
      temporary: [],
      processes: [],
      flags: expect.anything() as unknown,
    });
    // The adopted database stays, whatever becomes of backups.
    const mine = await currentDatabase(site);
    const others = (left['databases'] ?? []).filter((name) => name.startsWith('gazetteexample') && name !== mine);
    expect(others.filter((name) => name !== site.database)).toEqual([]);
    expect(differences(this.saved, await this.look())).toEqual([]);
  }

  /** Whoever looks at the site is told what is kept of it. */
  private async expectListed({ id, kept }: BackupRecord): Promise<void> {
    const { lab, site } = this;
    const { originals } = await cliJson<{ originals: KeptOfBackup[] }>(lab, 'sites', 'show', site.uri);
    expect(originals).toEqual([
      {
        backup: id,
        since: expect.any(String) as unknown,
        database: kept?.database
          ? { name: kept.database.name, madeByKedge: kept.database.madeByKedge, bytes: expect.any(Number) as unknown }
          : null,
        folders: (kept?.folders ?? []).map(({ path }) => path),
      },
    ]);
    const doctor = await cli(lab, 'doctor');
    expect(doctor.stdout).toContain(id);
  }

  /** A restore of the broken site is refused before anything is done; once it is put right, one restores it. */
  async expectRefused(breakage: Breakage): Promise<void> {
    const { lab, site, backup } = this;
    const broken = await this.view();
    await breakage.break(broken);
    const before = await this.everything(broken, breakage);
    for (const option of ['--dry-run', '--yes']) {
      const failure = await withWorkerInProcess(lab, asIs, () =>
        cliFailure(lab, 'restore', site.uri, backup.backup.id, option),
      );
      expect(failure).toMatchObject({ exitCode: 1, site: site.uri, state: 'the site is unchanged' });
      expect(failure.message).toMatch(breakage.refused ?? /./);
      expect(failure.hint).toMatch(/./);
      expect(await this.everything(broken, breakage)).toEqual(before);
    }
    await breakage.after?.(broken);
    await this.expectRestored({ name: breakage.name, break: () => undefined }, broken);
  }

  /** A restore of the broken site that fails after its switch leaves it as broken as it was. */
  async expectUndone(breakage: Breakage): Promise<BrokenSite> {
    const { lab, site } = this;
    const broken = await this.view();
    await breakage.break(broken);
    // What PHP has in memory from before is not the site: nobody gets that back.
    await lab.phpFpm.stop();
    await lab.phpFpm.start();
    const before = await this.everything(broken, breakage);
    const failure = await withWorkerInProcess(lab, failingProbe, () => this.restore().catch((error: unknown) => error));
    if (!(failure instanceof TaskFailedError)) throw new Error(`it did not fail: ${JSON.stringify(failure)}`);
    expect(failure).toMatchObject({ code: 'VhostEdited', state: 'the site is as it was before' });
    expect(await this.everything(broken, breakage)).toEqual(before);
    const record = recordsOf(lab, site.uri).find(({ id }) => id === failure.safetyBackup);
    // What it does not hold the site still has.
    expect(record?.kept).toBeUndefined();
    await cliJson(lab, 'backups', 'delete', failure.safetyBackup ?? '', '--yes');
    expect(await this.everything(broken, breakage)).toEqual(before);
    return broken;
  }

  /** Whatever a restore touches, of a site that may have no folder or no database. */
  private async everything({ database, user, sql }: BrokenSite, { hangs }: Breakage): Promise<unknown> {
    const { lab, site } = this;
    const pages: Record<string, string> = {};
    // Twice: WordPress writes while it answers for the first time.
    for (const path of hangs ? [] : [...PAGES, ...PAGES]) {
      const { status, body } = await get(lab.nginx.port, site.uri, path);
      pages[path] = `${status} ${/<title>[^<]*/.exec(body.toString('latin1'))?.[0] ?? ''}`;
    }
    const names = await sql(`SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${database}'`);
    // A table that was broken is left alone: whoever reads it has the server repair it.
    const whole = await sql(
      `SELECT CONCAT('\`', TABLE_SCHEMA, '\`.\`', TABLE_NAME, '\`') FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = '${database}' AND ENGINE = 'InnoDB' AND TABLE_NAME <> 'wp_links'`,
    );
    const left = await leftovers(lab);
    const answer = (statement: string): Promise<string> =>
      sql(statement).catch((error: unknown) => (/ERROR \d+/.exec(String(error)) ?? ['no answer'])[0]);
    return {
      pages,
      rows: whole.trim() === '' ? '' : await sql(`CHECKSUM TABLE ${whole.trim().split('\n').join(', ')}`),
      account: [
        await answer(`SHOW CREATE USER '${user}'@'localhost'`),
        await answer(`SHOW GRANTS FOR '${user}'@'localhost'`),
      ],
      state: readFileSync(join(lab.state, 'sites', `${site.uri}.json`), 'utf8'),
      files: statSync(site.root, { throwIfNoEntry: false })?.isDirectory()
        ? filesOf(site.root)
        : shell('sh', '-c', 'cat "$1" 2>&1 || :', 'sh', site.root),
      tables: names.trim().split('\n').sort(),
      vhosts: filesOf(lab.nginx.address.vhosts),
      left: { ...left, sites: left['sites']?.filter((name) => name !== '.kedge') },
    };
  }

  /** As it is now, for who breaks it. */
  async view(): Promise<BrokenSite> {
    const { lab, site } = this;
    const { database, user } = await loginOf(site);
    const { disks } = this.ground;
    return {
      lab,
      site,
      database,
      user,
      disks,
      run: (script) => shell('sh', '-euc', `cd "$1"; ${script}`, 'sh', site.root),
      sql: (statements) => lab.mariadb.query(statements),
    };
  }
}

/**
 * Gives each test a site, begun by the first that asks and kept for the next ones. One that a test failed on goes: what stayed broken is
 * no measure for another.
 */
export class SharedSite {
  private site: BreakableSite | undefined;

  constructor(private readonly start: () => Promise<BreakableSite>) {}

  async use(work: (site: BreakableSite) => Promise<void>): Promise<void> {
    this.site ??= await this.start();
    try {
      await work(this.site);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const { site } = this;
    this.site = undefined;
    await site?.stop();
  }
}
