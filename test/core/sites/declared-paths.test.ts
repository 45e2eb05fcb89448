import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { runHook } from '../../../src/core/sites/hooks';
import { plainPhp } from '../../../src/core/sites/plain-php';
import { type SiteFolder, liveFolder, waitingFolder } from '../../../src/core/sites/site-folder';
import { wordPress } from '../../../src/core/sites/wordpress/wordpress';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

const NAMES = { database: 'DB', user: 'DB_USER', password: 'DB_PASS', host: 'DB_HOST' };
const OLD = { database: 'old', user: 'old_user', password: 'old password', address: 'localhost' };
const NEW = { database: 'k1', user: 'k1_user', password: 'new password', address: 'localhost' };
const settings = ({ database, user, password, address }: typeof OLD): string =>
  `DB='${database}'\nDB_USER='${user}'\nDB_PASS='${password}'\nDB_HOST='${address}'\n`;
const constants = ({ database, user, password, address }: typeof OLD): string =>
  `<?php\ndefine('DB', '${database}');\ndefine('DB_USER', '${user}');\ndefine('DB_PASS', '${password}');\ndefine('DB_HOST', '${address}');\n`;

let fixture: Fixture;
let site: SiteLocation;
/** The same site, live and as it waits for the switch: two folders that differ. */
let live: SiteFolder;
let waiting: SiteFolder;

beforeEach(async () => {
  fixture = await makeSite({ kind: 'php' });
  const { base } = fixture;
  site = { ...fixture.folder.site, root: join(base, 'site'), paths: { config: join(base, 'etc/app') } };
  live = liveFolder(fixture.folder.host, site);
  waiting = waitingFolder(fixture.folder.host, site, [
    { name: 'site', live: join(base, 'site'), staging: join(base, '.kedge/t') },
    { name: 'config', live: join(base, 'etc/app'), staging: join(base, 'etc/.kedge/t') },
  ]);
  const { uid, gid } = site.owner;
  const script = `cd "$1"; for at in etc/app .kedge/t/site etc/.kedge/t/config; do mkdir -p "$at"; done; chown "$2" etc/app .kedge/t/site etc/.kedge/t/config`;
  execFileSync('sh', ['-euc', script, 'sh', base, `${uid}:${gid}`]);
});
afterEach(() => fixture.remove());

const write = (path: string, content: string): void => {
  const { uid, gid } = site.owner;
  execFileSync('sh', ['-euc', 'cat > "$1"; chown "$2" "$1"', 'sh', join(fixture.base, path), `${uid}:${gid}`], {
    input: content,
  });
};

it.each([
  ['env', 'app.env', settings],
  ['constants', 'db.php', constants],
] as const)(
  'settings above the document root, as %s: read live, rewritten where they wait',
  async (format, name, text) => {
    const file = join(fixture.base, 'etc/app', name);
    const declared = { ...site, settings: { file, format, names: NAMES } };
    write(`etc/app/${name}`, text(OLD));
    write(`etc/.kedge/t/config/${name}`, text({ ...OLD, database: 'backed_up' }));
    expect(await plainPhp.readSettings({ ...live, site: declared }, testOperation())).toMatchObject(OLD);
    const staged = { ...waiting, site: declared };
    expect(await plainPhp.readSettings(staged, testOperation())).toMatchObject({ database: 'backed_up' });
    await plainPhp.writeSettings(staged, NEW, testOperation());
    expect(await plainPhp.readSettings(staged, testOperation())).toMatchObject(NEW);
    expect(await readFile(join(fixture.base, 'etc/.kedge/t/config', name), 'utf8')).toBe(text(NEW));
    expect(await readFile(file, 'utf8')).toBe(text(OLD));
    expect(await readdir(join(fixture.base, 'etc/.kedge/t/config'))).toEqual([name]);
  },
);

it('settings of the site folder take in what waits in a declared path, not what is live there', async () => {
  const config = `<?php require '${join(fixture.base, 'etc/app/prefix.php')}';
define('DB_NAME', 'a'); define('DB_USER', 'b'); define('DB_PASSWORD', 'c'); define('DB_HOST', 'd');`;
  for (const [at, prefix] of [
    ['site', 'etc/app'],
    ['.kedge/t/site', 'etc/.kedge/t/config'],
  ] as const) {
    write(`${at}/wp-config.php`, config);
    write(`${prefix}/prefix.php`, `<?php $table_prefix = '${at === 'site' ? 'live' : 'waiting'}_';`);
  }
  expect(await wordPress.readSettings(live, testOperation())).toMatchObject({ tablePrefix: 'live_' });
  expect(await wordPress.readSettings(waiting, testOperation())).toMatchObject({ tablePrefix: 'waiting_' });
});

it('a WordPress whose wp-config.php stands above its document root has the folder above as its site folder', async () => {
  const config = (name: string): string => `<?php
define('DB_NAME', '${name}'); define('DB_USER', 'b'); define('DB_PASSWORD', 'c'); define('DB_HOST', 'd');
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/public/');
require_once ABSPATH . 'wp-settings.php';`;
  execFileSync('mkdir', [join(fixture.base, 'site/public')]);
  write('site/public/wp-settings.php', '<?php exit;');
  write('site/wp-config.php', config('a'));
  expect(await wordPress.readSettings(live, testOperation())).toMatchObject({ database: 'a' });
  await wordPress.writeSettings(live, { database: 'n', user: 'b', password: 'c', address: 'd' }, testOperation());
  expect(await readFile(join(fixture.base, 'site/wp-config.php'), 'utf8')).toBe(config('n'));
});

it('hooks see all folders of the site, and nothing beside them', async () => {
  write('etc/app/known', 'x');
  write('etc/other', 'x');
  const operation = testOperation();
  const argv = ['sh', '-c', `ls "$1/etc" "$1/etc/app"; echo y > "$1/etc/app/made"`, 'sh', fixture.base];
  await runHook(live, { name: 'before', argv, task: {} }, operation);
  expect(operation.messages.join('\n')).toContain('known');
  expect(operation.messages.join('\n')).not.toContain('other');
  expect(await readFile(join(fixture.base, 'etc/app/made'), 'utf8')).toBe('y\n');
});
