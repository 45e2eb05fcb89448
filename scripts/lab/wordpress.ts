import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PrivateMariadb } from './mariadb';
import { prepare } from './prepared';

const run = promisify(execFile);
/** Debian's package; on Fedora it is the same folder. */
const SOURCE = '/usr/share/wordpress';
/** Beside this file, or, when it was compiled, beside its source. */
const INSTALLER = [__dirname, join(__dirname, '../../../scripts/lab')]
  .map((folder) => join(folder, 'install-wordpress.php'))
  .find((path) => existsSync(path));

export interface WordPressSite {
  readonly uri: string;
  readonly root: string;
  readonly owner: string;
  readonly database: string;
  readonly user: string;
  /** Also a canary: no trace of it may be found where secrets do not belong. */
  readonly password: string;
}

export interface WordPressOptions {
  readonly uri: string;
  readonly root: string;
  readonly owner: string;
  readonly mariadb: PrivateMariadb;
  /** Port the site is reached at. */
  readonly port: number;
  /** Leave out what no visitor's page and no installation loads: scripts, styles and images of administration and editor. */
  readonly withoutAdministration?: boolean;
}

/**
 * A real WordPress with what makes backups hard: posts, users, uploads whose names are no UTF-8, a symlink, files of two
 * owners, a folder its owner may not write to, a view, a trigger, an event, a stored function, and a `database.sql` of its own.
 */
export async function installWordPress({
  uri,
  root,
  owner,
  mariadb,
  port,
  withoutAdministration = false,
}: WordPressOptions): Promise<WordPressSite> {
  const database = `wp_${createHash('sha256').update(uri).digest('hex').slice(0, 8)}`;
  const site: WordPressSite = {
    uri,
    root,
    owner,
    database,
    user: database,
    password: `pw-${randomBytes(8).toString('hex')}'"$`,
  };
  await mariadb.query(`
    CREATE DATABASE \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    CREATE USER '${site.user}'@'localhost' IDENTIFIED BY '${site.password.replaceAll("'", "''")}';
    GRANT ALL PRIVILEGES ON \`${database.replaceAll('_', '\\_')}\`.* TO '${site.user}'@'localhost';`);
  await copySource(root, withoutAdministration ? ADMINISTRATION : []);
  await run('chmod', ['-R', 'u=rwX,go=rX', root]);
  await writeFile(join(root, 'wp-config.php'), wpConfig(site, mariadb.socket, port));
  await chmod(join(root, 'wp-config.php'), 0o640);
  await writeUploads(root);
  await giveTo(owner, root);
  await fillDatabase(site, mariadb, port);
  if (process.getuid?.() === 0) {
    // Code by a deploy account, uploads by the web server: two owners.
    await chown(join(root, 'wp-content/uploads/by-another.bin'), 1, 1);
  }
  await mariadb.query(DATABASE_OBJECTS.replaceAll('{db}', database).replaceAll('{user}', site.user));
  return site;
}

/**
 * Installs WordPress into the site's database by its own installer, or loads what that made before for another site, under
 * this one's name.
 */
async function fillDatabase(site: WordPressSite, mariadb: PrivateMariadb, port: number): Promise<void> {
  if (INSTALLER === undefined) throw new Error('install-wordpress.php is missing');
  const inputs = [await readFile(join(SOURCE, 'wp-includes/version.php'), 'utf8'), await readFile(INSTALLER, 'utf8')];
  const dump = join(site.root, '..', `${site.uri}.sql`);
  const host = `${site.uri}:${port}`;
  let isInstalled = false;
  await prepare('wordpress', inputs, dump, async () => {
    const installer = join(site.root, 'install-wordpress.php');
    await copyFile(INSTALLER, installer);
    await asOwner(site.owner, ['php', installer, host, site.password], site.root);
    await rm(installer);
    isInstalled = true;
    const { stdout } = await run(
      'mariadb-dump',
      ['--no-defaults', `--socket=${mariadb.socket}`, '--hex-blob', '--default-character-set=utf8mb4', site.database],
      { maxBuffer: 64 * 1024 * 1024 },
    );
    await writeFile(dump, stdout.replaceAll(host, ANY_HOST).replaceAll(site.uri, ANY_URI));
  });
  if (!isInstalled) {
    const sql = (await readFile(dump, 'utf8')).replaceAll(ANY_HOST, host).replaceAll(ANY_URI, site.uri);
    await mariadb.query(`USE \`${site.database}\`;\n${sql}`);
  }
  await rm(dump);
}

const ANY_HOST = '{{host of the site}}';
const ANY_URI = '{{uri of the site}}';

/** Scripts, styles and images of administration and editor. */
const ADMINISTRATION = ['css', 'images', 'js'].flatMap((name) => [`wp-admin/${name}`, `wp-includes/${name}`]);

async function copySource(root: string, without: readonly string[]): Promise<void> {
  const copy = 'to=$1; shift; tar --create --dereference "$@" . | tar --extract --no-same-owner --directory="$to"';
  const excluded = without.map((path) => `--exclude=./${path}`);
  await mkdir(root);
  await run('sh', ['-c', copy, 'sh', root, `--directory=${SOURCE}`, '--anchored', ...excluded]);
}

/** Breaks the site as a bad update would: posts and uploads gone, the table below the view gone, wp-config spoiled. */
export async function breakWordPress(site: WordPressSite, mariadb: PrivateMariadb): Promise<void> {
  await mariadb.query(`DELETE FROM \`${site.database}\`.wp_posts; DROP TABLE \`${site.database}\`.wp_kedge_visits;`);
  await run('rm', ['-rf', join(site.root, 'wp-content/uploads')]);
  const path = join(site.root, 'wp-config.php');
  await writeFile(
    path,
    (await readFile(path, 'utf8')).replace(/define\('DB_NAME'.*\n/, "define('DB_NAME', 'spoiled\n"),
  );
  await writeFile(join(site.root, 'added-after-the-backup.php'), '<?php echo "should be gone";');
}

const DATABASE_OBJECTS = `
  USE \`{db}\`;
  CREATE TABLE wp_kedge_visits (id INT PRIMARY KEY AUTO_INCREMENT, page VARCHAR(100), seen BLOB, score DECIMAL(10,3), at DATETIME(6), extra JSON, flags BIT(5));
  INSERT INTO wp_kedge_visits (page, seen, score, at, extra, flags) VALUES
    ('home', x'00ff10', 1.5, '2026-01-01 10:00:00.123456', '{"a": [1, 2]}', b'10101'), ('ünï', x'', -3, NULL, NULL, NULL);
  CREATE TABLE wp_kedge_log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(50));
  CREATE DEFINER='{user}'@'localhost' VIEW wp_kedge_pages AS SELECT page, COUNT(*) AS visits FROM wp_kedge_visits GROUP BY page;
  DELIMITER ;;
  CREATE DEFINER='{user}'@'localhost' TRIGGER kedge_after AFTER INSERT ON wp_kedge_visits FOR EACH ROW
    INSERT INTO wp_kedge_log (what) VALUES (CONCAT('/*!50013 DEFINER=', NEW.page));;
  CREATE DEFINER='{user}'@'localhost' FUNCTION kedge_double(n INT) RETURNS INT DETERMINISTIC
  BEGIN
    -- a body that speaks of DEFINER=\`root\`@\`localhost\`
    RETURN n * 2;
  END;;
  CREATE DEFINER='{user}'@'localhost' EVENT kedge_tick ON SCHEDULE EVERY 1 HOUR STARTS '2037-01-01 00:00:00' ENABLE
    DO INSERT INTO wp_kedge_log (what) VALUES ('tick');;
  DELIMITER ;
`;

function wpConfig(site: WordPressSite, socket: string, port: number): string {
  const password = site.password.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  return `<?php
// Written by hand, with a define('DB_NAME', 'in a comment').
define('DB_NAME', '${site.database}');
define( "DB_USER", "${site.user}" );
define('DB_PASSWORD', '${password}');
define('DB_HOST', 'localhost:${socket}'); // socket
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HOME', 'http://${site.uri}:${port}');
define('WP_SITEURL', 'http://${site.uri}:${port}');
define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_DEBUG', true); // Else styles are kept for a minute in wp_options, and no two looks at the site are alike.
define('WP_DEBUG_DISPLAY', false);
define('WP_DEBUG_LOG', '/dev/null');
define('AUTH_KEY', 'kept as it is');
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
`;
}

async function writeUploads(root: string): Promise<void> {
  const uploads = join(root, 'wp-content/uploads');
  await mkdir(join(uploads, '2026/01'), { recursive: true });
  await writeFile(join(uploads, '2026/01/photo.bin'), randomBytes(300_000));
  await writeFile(join(uploads, 'by-another.bin'), randomBytes(1000));
  await writeFile(join(uploads, 'mit Leerzeichen.txt'), 'space');
  await writeFile(join(uploads, 'grüße.txt'), 'utf-8');
  await writeFile(Buffer.concat([Buffer.from(`${uploads}/`), Buffer.from('caf\xe9.txt', 'latin1')]), 'latin-1');
  await symlink('2026/01/photo.bin', join(uploads, 'latest'));
  await writeFile(join(root, 'database.sql'), '-- a dump somebody left in the site folder\n');
  await chmod(join(uploads, '2026/01/photo.bin'), 0o600);
  const locked = join(root, 'wp-content/locked');
  await mkdir(locked);
  await writeFile(join(locked, 'kept.txt'), 'nobody writes here');
  await chmod(locked, 0o555);
}

async function giveTo(owner: string, root: string): Promise<void> {
  if (process.getuid?.() === 0) await run('chown', ['-R', `${owner}:`, root]);
}

async function asOwner(owner: string, argv: string[], folder: string): Promise<void> {
  const become = process.getuid?.() === 0 && owner !== userInfo().username;
  const [program = '', ...args] = become
    ? ['setpriv', `--reuid=${owner}`, `--regid=${owner}`, '--init-groups', '--', ...argv]
    : argv;
  const { stdout, stderr } = await run(program, args, { cwd: folder, maxBuffer: 16 * 1024 * 1024 });
  if (!stdout.includes('installed'))
    throw new Error(`WordPress was not installed: ${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}
