import { chown, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { currentDatabase } from '../lab/fingerprint';
import type { PrivateMariadb } from '../lab/mariadb';
import type { WordPressSite } from '../lab/wordpress';

/** Where each site tells which version it is. */
export const VERSION_PAGE = '/version-of-all.php';

/** Asks code that PHP caches, a plain file, and the database by the site's own settings. */
const PAGE = `<?php
define('SHORTINIT', true);
require __DIR__ . '/wp-load.php';
$row = $wpdb->get_var("SELECT option_value FROM {$wpdb->options} WHERE option_name = 'version_of_all'");
if ($row === null) { http_response_code(500); exit('no row: ' . $wpdb->last_error); }
header('Content-Type: text/plain');
echo json_encode(['code' => require __DIR__ . '/wp-content/version.php',
  'file' => trim(file_get_contents(__DIR__ . '/wp-content/uploads/version.txt')), 'row' => $row]);
`;

/** Makes a site another version: its code, a file and a row say so. Not while a visitor looks: it is no one step. */
export async function writeVersion(site: WordPressSite, mariadb: PrivateMariadb, version: string): Promise<void> {
  await writeAsOwner(site, VERSION_PAGE, PAGE);
  await writeAsOwner(site, 'wp-content/version.php', `<?php return '${version}';\n`);
  await writeAsOwner(site, 'wp-content/uploads/version.txt', `${version}\n`);
  const database = await currentDatabase(site);
  await mariadb.query(
    `REPLACE INTO \`${database}\`.wp_options (option_name, option_value, autoload) VALUES ('version_of_all', '${version}', 'no')`,
  );
}

async function writeAsOwner(site: WordPressSite, name: string, text: string): Promise<void> {
  const path = join(site.root, name);
  const { uid, gid } = await stat(join(site.root, 'index.php'));
  await writeFile(`${path}.new`, text);
  await chown(`${path}.new`, uid, gid);
  await rename(`${path}.new`, path);
}
