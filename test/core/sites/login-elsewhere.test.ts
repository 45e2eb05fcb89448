import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteLocation } from '../../../src/contract/target';
import { withFurtherSettings } from '../../../src/core/sites/further-settings';
import { findLoginElsewhere, loginElsewhere } from '../../../src/core/sites/login-elsewhere';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import type { SiteFolder } from '../../../src/core/sites/site-folder';
import { type Fixture, withSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';

const PASSWORD = `s3cret'"$ of the shop`;
const LOGIN = { database: 'shop_db', user: 'shop_user', password: PASSWORD, address: 'localhost' };
const NEW = { database: 'shopexample1a', user: 'shopexample1', password: 'ab'.repeat(24), address: 'localhost' };
const SETTINGS = `<?php define('DB_NAME', 'shop_db'); define('DB_USER', 'shop_user'); define('DB_PASSWORD', 's3cret\\'"$ of the shop');
define('DB_HOST', 'localhost'); $table_prefix = 'wp_'; include __DIR__ . '/included.php';`;

const elsewhere = (site: Fixture, login = LOGIN, known = ['wp-config.php']) =>
  findLoginElsewhere(site.folder, login, known, testOperation());

test.concurrent('found are other files with the password, in every spelling of settings, by file and line', () =>
  withSite({}, async (site) => {
    const whole: SiteFolder = { ...site.folder, site: { ...site.folder.site, exclude: ['cache/*'] } };
    await site.write('wp-config.php', SETTINGS);
    await site.write('cron/job.php', `<?php\n\nmysqli_connect('localhost', 'shop_user', 's3cret\\'"$ of the shop');`);
    await site.write(
      '.env',
      `A=1\nDATABASE_URL="mysql://shop_user:${encodeURIComponent(PASSWORD)}@localhost/shop_db"\n`,
    );
    await site.write('app/config.json', JSON.stringify({ db: { password: PASSWORD } }, null, 1));
    await site.write('a name with\na line', `x\n\n\n${PASSWORD}`);
    await site.write('unreadable.ini', `pass = ${PASSWORD}`, 0o000);
    await site.write('cache/settings.php', PASSWORD);
    await site.write('shop_user.txt', 'shop_user of shop_db has another password');
    await site.write('image.jpg', Buffer.concat([Buffer.from([0, 1, 0]), Buffer.from(PASSWORD)]));
    await site.write('large.log', `${PASSWORD}\n`.repeat(30_000));
    execFileSync('ln', ['-s', '/etc/passwd', join(site.folder.path, 'link')]);
    expect(await findLoginElsewhere(whole, LOGIN, ['wp-config.php'], testOperation())).toEqual([
      { path: '.env', line: 2 },
      { path: 'a name with\na line', line: 4 },
      { path: 'app/config.json', line: 3 },
      { path: 'cron/job.php', line: 3 },
      { path: 'unreadable.ini', line: 1 },
    ]);
    expect(await elsewhere(site, { ...LOGIN, password: '' })).toEqual([]);
    expect(await elsewhere(site, { ...LOGIN, password: 'another secret' })).toEqual([]);
  }),
);

test.concurrent('a password that is a word counts as a value alone, and beside a name', () =>
  withSite({}, async (site) => {
    const weak = { ...LOGIN, password: 'wordpress' };
    await site.write('readme.txt', 'wordpress with shop_user');
    await site.write('theme.php', `<?php $theme = 'wordpress';`);
    await site.write('cron.ini', `user = shop_user\npassword = wordpress\n`);
    expect(await elsewhere(site, weak)).toEqual([{ path: 'cron.ini', line: 2 }]);
  }),
);

test.concurrent('further files that are named are rewritten with the settings, where they hold the login in use', () =>
  withSite({}, async (site) => {
    const furtherSettings: SiteLocation['furtherSettings'] = [
      {
        file: 'cron/config.php',
        format: 'variables',
        names: { database: "c['db']", user: "c['user']", password: 'pw' },
      },
      { file: '.env', format: 'env', names: { user: 'DB_USER', password: 'DB_PASSWORD', host: 'DB_HOST' } },
      { file: 'other.env', format: 'env', names: { user: 'DB_USER', password: 'DB_PASSWORD' } },
      { file: 'gone/gone.php', format: 'constants', names: { password: 'PW' } },
    ];
    const folder: SiteFolder = { ...site.folder, site: { ...site.folder.site, furtherSettings } };
    const kind = withFurtherSettings(siteKindOf(folder.site));
    await mkdir(join(site.folder.path, 'empty'));
    const files = {
      'wp-config.php': SETTINGS.replace(`include __DIR__ . '/included.php';`, ''),
      'cron/config.php': `<?php\n// s3cret\n$c = ['db' => 'shop_db', 'user' => "shop_user", 'host' => 'db2'];\n$pw = getenv('PW') ?: 's3cret\\'"$ of the shop';\n`,
      '.env': `DB_USER=shop_user\nDB_PASSWORD="s3cret'\\"\\$ of the shop"\nDB_HOST=localhost\n`,
      'other.env': 'DB_USER=reports\nDB_PASSWORD=another\n',
    };
    for (const [path, content] of Object.entries(files)) await site.write(path, content);
    const text = (path: string): Promise<string> => readFile(join(site.folder.path, path), 'utf8');

    expect(await loginElsewhere(folder, kind, LOGIN, testOperation())).toEqual([]);
    expect(await loginElsewhere(site.folder, siteKindOf(folder.site), LOGIN, testOperation())).toEqual([
      { path: '.env', line: 2 },
      { path: 'cron/config.php', line: 4 },
    ]);
    const operation = testOperation();
    await kind.writeSettings(folder, NEW, operation);
    expect(await kind.readSettings(folder, testOperation())).toMatchObject(NEW);
    expect(await text('cron/config.php')).toBe(
      `<?php\n// s3cret\n$c = ['db' => '${NEW.database}', 'user' => "${NEW.user}", 'host' => 'db2'];\n$pw = getenv('PW') ?: '${NEW.password}';\n`,
    );
    expect(await text('.env')).toBe(`DB_USER=${NEW.user}\nDB_PASSWORD="${NEW.password}"\nDB_HOST=localhost\n`);
    expect(await text('other.env')).toBe(files['other.env']);
    expect(operation.warnings).toEqual(['other.env of shop.example holds another login: it is left as it is']);

    // An attempt that was cut short between the files, and went on.
    await site.write('wp-config.php', files['wp-config.php']);
    await kind.writeSettings(folder, NEW, testOperation());
    expect(await kind.readSettings(folder, testOperation())).toMatchObject(NEW);
    expect(await loginElsewhere(folder, kind, LOGIN, testOperation())).toEqual([]);
  }),
);

test.concurrent('a further file that no restore could rewrite is refused with its line', () =>
  withSite({}, async (site) => {
    const furtherSettings = [{ file: 'cron.php', format: 'constants' as const, names: { password: 'PW' } }];
    const folder: SiteFolder = { ...site.folder, site: { ...site.folder.site, furtherSettings } };
    await site.write('wp-config.php', SETTINGS.replace(`include __DIR__ . '/included.php';`, ''));
    await site.write('cron.php', `<?php\ndefine('PW', base64_decode('${Buffer.from(PASSWORD).toString('base64')}'));`);
    await expect(
      withFurtherSettings(siteKindOf(folder.site)).assertRewritable(folder, testOperation()),
    ).rejects.toMatchObject({
      code: 'SettingsInvalid',
      message: 'the settings in cron.php of shop.example compute PW in line 2',
    });
  }),
);

test.concurrent('files that the settings include are settings too', () =>
  withSite({}, async (site) => {
    const kind = siteKindOf(site.folder.site);
    await site.write(
      'wp-config.php',
      `<?php require __DIR__ . '/included.php'; define('DB_HOST', 'localhost'); $table_prefix = 'wp_';`,
    );
    await site.write('included.php', SETTINGS.replace(/define\('DB_HOST'.*$/s, ''));
    await site.write('copy-of-included.php', SETTINGS);
    expect(await loginElsewhere(site.folder, kind, LOGIN, testOperation())).toEqual([
      { path: 'copy-of-included.php', line: 1 },
    ]);
  }),
);
