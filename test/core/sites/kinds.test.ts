import { execFileSync } from 'node:child_process';
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SettingsFormat, SiteLocation } from '../../../src/contract/target';
import { siteKindOf } from '../../../src/core/sites/site-kinds';
import { type Fixture, withSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';
import { isRoot } from '../../helpers/as-root';

const NAMES = { database: 'DB', user: 'DB_USER', password: 'DB_PASS', host: 'DB_HOST' };
const phpNames = (format: 'constants' | 'variables' | 'env', file: string): SettingsFormat => ({
  file,
  format,
  names:
    format === 'variables' ? { database: "$db['name']", user: 'user', password: '$pass', host: "$db['host']" } : NAMES,
});

interface Kind {
  readonly kind: SiteLocation['kind'];
  readonly settings?: SettingsFormat;
  readonly file: string;
  /** Settings with `⟦database⟧`, `⟦user⟧`, `⟦password⟧`, `⟦host⟧` where the values stand, quotes around them. */
  readonly source: string;
  readonly prefix: string;
  /** A value as the source spells it between its quotes. */
  readonly spell: (value: string) => string;
}

const inPhp = (value: string): string => value.replace(/[\\']/g, '\\$&');
const KINDS: Record<string, Kind> = {
  wordpress: {
    kind: 'wordpress',
    file: 'wp-config.php',
    prefix: 'shop7_',
    spell: inPhp,
    source: `<?php\r\n// define('DB_NAME', 'not me');\r\ndefine( 'DB_NAME', '⟦database⟧' );\r\ndefine('DB_USER','⟦user⟧');
define('DB_PASSWORD', '⟦password⟧'); # größe\n\tdefine('DB_HOST', '⟦host⟧');
$table_prefix = 'shop7_';
if ( ! defined( 'ABSPATH' ) ) { define( 'ABSPATH', __DIR__ . '/' ); }
require_once ABSPATH . 'wp-settings.php';`,
  },
  'php, constants': {
    kind: 'php',
    settings: phpNames('constants', 'app/config/database.php'),
    file: 'app/config/database.php',
    prefix: '',
    spell: inPhp,
    source: `<?php\nconst DB = '⟦database⟧', DB_USER = '⟦user⟧';\ndefine('DB_PASS', '⟦password⟧');\ndefine("DB_HOST", '⟦host⟧');\n?>\ntext\n`,
  },
  'php, variables': {
    kind: 'php',
    settings: phpNames('variables', 'config.inc.php'),
    file: 'config.inc.php',
    prefix: '',
    spell: inPhp,
    source: `<?php $db = ['name' => '⟦database⟧', 'host' => '⟦host⟧', 'charset' => 'utf8']; $user = '⟦user⟧';\n\n$pass = '⟦password⟧';`,
  },
  'php, .env': {
    kind: 'php',
    settings: phpNames('env', '.env'),
    file: '.env',
    prefix: '',
    spell: (value) => value,
    source: `# DB=not-me\nAPP_KEY="x y"\nDB='⟦database⟧'\r\nexport DB_USER='⟦user⟧'\n\nDB_PASS='⟦password⟧'   # größe\nDB_HOST='⟦host⟧'`,
  },
};

describe.each(Object.entries(KINDS))('the contract of site kinds: %s', (_, { settings, file, ...kindOfSite }) => {
  const kind = siteKindOf(kindOfSite);
  const OLD = { database: 'old_db', user: 'old_user', password: 'old password', host: 'localhost' };
  const NEW = { database: 'k1a2b3', user: 'k1a2b3_u', password: `a"b$c#d{e}`, address: 'localhost' };
  const source = (values: { database: string; user: string; password: string; host: string }): string =>
    kindOfSite.source.replace(/⟦(\w+)⟧/g, (_whole, name: keyof typeof values) => kindOfSite.spell(values[name]));
  /** What a test has to itself: it mostly waits for programs and the disk, so they run side by side. */
  interface Its {
    site: Fixture;
    readonly read: () => ReturnType<typeof kind.readSettings>;
    readonly write: (login?: typeof NEW) => Promise<void>;
  }
  const inSite = (work: (its: Its) => Promise<void>): Promise<void> =>
    withSite({ kind: kindOfSite.kind, ...(settings === undefined ? {} : { settings }) }, (site) =>
      work({
        site,
        read: () => kind.readSettings(site.folder, testOperation()),
        write: (login = NEW) => kind.writeSettings(site.folder, login, testOperation()),
      }),
    );

  test.concurrent('it knows where the settings are, and reads them', () =>
    inSite(async ({ site, read }) => {
      expect(kind.settingsFile(site.folder.site)).toBe(file);
      await site.write(file, source(OLD));
      const { host, ...login } = OLD;
      expect(await read()).toEqual({ ...login, address: host, tablePrefix: kindOfSite.prefix });
    }),
  );

  test.concurrent('it rewrites them: all else byte for byte, mode and owner kept, and they evaluate to it', () =>
    inSite(async ({ site, read, write }) => {
      const path = await site.write(file, source(OLD), 0o604);
      const before = await stat(path);
      await write();
      expect(await readFile(path, 'utf8')).toBe(source({ ...NEW, host: NEW.address }));
      expect(await read()).toEqual({ ...NEW, tablePrefix: kindOfSite.prefix });
      expect(await stat(path)).toMatchObject({ mode: before.mode, uid: before.uid, gid: before.gid });
      expect((await readdir(dirname(path))).filter((name) => name.startsWith('.kedge'))).toEqual([]);
    }),
  );

  test.concurrent.each([
    '127.0.0.1',
    'db.example:3307',
    'localhost:/run/mysqld/a b.sock',
    '[::1]:3306',
    ':/run/m.sock',
  ])('the address %s is kept in its form', (address) =>
    inSite(async ({ site, read, write }) => {
      const path = await site.write(file, source({ ...OLD, host: address }));
      await write({ ...NEW, address });
      expect(await readFile(path, 'utf8')).toBe(source({ ...NEW, host: address }));
      expect(await read()).toMatchObject({ address });
    }),
  );

  test.concurrent('asked again it writes nothing; asked for the old values it writes the old file', () =>
    inSite(async ({ site, write }) => {
      const path = await site.write(file, source(OLD));
      await write();
      const { ino, mtimeNs } = await stat(path, { bigint: true });
      await write();
      expect(await stat(path, { bigint: true })).toMatchObject({ ino, mtimeNs });
      await write({ ...OLD, address: OLD.host });
      expect(await readFile(path, 'utf8')).toBe(source(OLD));
    }),
  );

  test.concurrent('a candidate that a crash left is no hindrance, and is gone', () =>
    inSite(async ({ site, read, write }) => {
      const path = await site.write(file, source(OLD));
      const leftover = join(dirname(file), `.kedge-${file.split('/').at(-1)}`);
      await site.write(leftover, 'half a candida');
      await write();
      expect(await read()).toMatchObject({ user: NEW.user });
      expect((await readdir(dirname(path))).filter((name) => name.startsWith('.kedge'))).toEqual([]);
    }),
  );

  test.concurrent('missing settings are an error that names them', () =>
    inSite(async ({ read, write }) => {
      const expected = { code: 'SettingsInvalid', message: expect.stringContaining(file) };
      await expect(read()).rejects.toMatchObject(expected);
      await expect(write()).rejects.toMatchObject(expected);
    }),
  );

  (isRoot ? test.concurrent : test.skip)('the owner of a file that is another account stays', () =>
    inSite(async ({ site, write }) => {
      const path = await site.write(file, source(OLD), 0o644);
      execFileSync('chown', ['12345:23456', path]);
      await write();
      expect(await stat(path)).toMatchObject({ uid: 12_345, gid: 23_456, mode: 0o100644 });
    }),
  );
});

describe('kinds of sites', () => {
  test('what is left out of a backup by default lies in the site and is no content', () => {
    for (const kind of ['wordpress', 'php'] as const) {
      for (const pattern of siteKindOf({ kind }).defaultExcludes) expect(pattern).toMatch(/^wp-content\/[a-z-]+\/\*$/);
    }
    expect(siteKindOf({ kind: 'php' }).defaultExcludes).toEqual([]);
    expect(siteKindOf({ kind: 'wordpress' }).defaultExcludes).not.toContain('wp-content/uploads/*');
  });

  test.concurrent('the version of WordPress is what its code says, and none where the code is hostile or gone', () =>
    withSite({}, async (site) => {
      const kind = siteKindOf({ kind: 'wordpress' });
      const version = () => kind.codeVersion(site.folder, testOperation());
      expect(await version()).toBeNull();
      for (const [source, expected] of [
        ["<?php $wp_version = '6.4.2-RC1';", '6.4.2-RC1'],
        ["<?php $wp_version = '<script>';", null],
        ["<?php $wp_version = str_repeat('9', 100);", null],
        ['<?php exit;', null],
        ['<?php $wp_version = ', null],
      ] as const) {
        await site.write('wp-includes/version.php', source);
        expect([source, await version()]).toEqual([source, expected]);
      }
    }),
  );

  test('plain PHP without `settings:` is an error of the configuration', () =>
    withSite({ kind: 'php' }, async (site) => {
      const kind = siteKindOf({ kind: 'php' });
      expect(() => kind.settingsFile(site.folder.site)).toThrow(
        expect.objectContaining({ code: 'ConfigurationInvalid' }),
      );
      expect(await kind.codeVersion(site.folder, testOperation())).toBeNull();
    }));
});
