import { readFile } from 'node:fs/promises';
import { siteKindOf } from '../../../../src/core/sites/site-kinds';
import { withSite } from '../site-fixture';
import { testOperation } from '../../../helpers/operation';

const LOGIN = { database: 'new_db', user: 'new_user', password: `p'"\\$x`, address: 'localhost:/run/a.sock' };

describe('WordPress', () => {
  const kind = siteKindOf({ kind: 'wordpress' });

  test.concurrent('reads and rewrites the sample WordPress comes with', () =>
    withSite({}, async (site) => {
      const sample = await readFile('/usr/share/wordpress/wp-config-sample.php', 'latin1');
      const path = await site.write('wp-config.php', Buffer.from(sample, 'latin1'));
      expect(await kind.readSettings(site.folder, testOperation())).toEqual({
        database: 'database_name_here',
        user: 'username_here',
        password: 'password_here',
        address: 'localhost',
        tablePrefix: 'wp_',
      });
      await kind.writeSettings(site.folder, LOGIN, testOperation());
      expect(await readFile(path, 'latin1')).toBe(
        sample
          .replace("'database_name_here'", "'new_db'")
          .replace("'username_here'", "'new_user'")
          .replace("'password_here'", () => String.raw`'p\'"\\$x'`)
          .replace("'localhost'", "'localhost:/run/a.sock'"),
      );
      expect(await kind.readSettings(site.folder, testOperation())).toEqual({ ...LOGIN, tablePrefix: 'wp_' });
    }),
  );

  /** The sample's login as each of these has it, with what must not change beside it. */
  const rewritten = (source: string, old: Readonly<Record<string, string>>): string =>
    Object.entries(old).reduce((text, [value, now]) => text.replaceAll(`⟦${value}⟧`, now), source);
  const NOW = { live: 'new_db', live_user: 'new_user', 'live secret': String.raw`p\'"\\$x` };
  const BEFORE = Object.fromEntries(Object.keys(NOW).map((value) => [value, value]));
  const host = "define('DB_HOST', 'localhost:/run/a.sock');";
  const rest = `${host}\n$table_prefix = 'wp_';\nif (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');\nrequire_once ABSPATH . 'wp-settings.php';\n`;
  const live = `define('DB_NAME', '⟦live⟧');\ndefine('DB_USER', '⟦live_user⟧');\ndefine('DB_PASSWORD', '⟦live secret⟧');\n`;
  const staging = `define('DB_NAME', 'staging');\ndefine('DB_USER', 'staging');\ndefine('DB_PASSWORD', 'live secret');\n`;
  const isStaging = `isset($_SERVER['HTTP_HOST']) && strpos($_SERVER['HTTP_HOST'], 'staging') === 0`;

  test.concurrent.each<[string, string, string | null]>([
    ['two environments in one file', `<?php\nif (${isStaging}) {\n${staging}} else {\n${live}}\n${rest}`, null],
    ['the live one first', `<?php\nif (!(${isStaging})) {\n${live}} else {\n${staging}}\n${rest}`, null],
    ['two environments without braces', `<?php\nif (${isStaging}):\n${staging}else:\n${live}endif;\n${rest}`, null],
    [
      'a switch',
      `<?php\nswitch ($_SERVER['HTTP_HOST']) {\ncase 'staging':\n${staging}break;\ndefault:\n${live}}\n${rest}`,
      null,
    ],
    [
      'the same login for scripts',
      `<?php\nif (PHP_SAPI === 'cli') {\n${live}} elseif (${isStaging}) {\n${staging}} else {\n${live}}\n${rest}`,
      null,
    ],
    ['a file of its own', `<?php\n// ${host}\nrequire __DIR__ . '/config/local.php';\n${rest}`, `<?php\n${live}`],
    [
      'a file of its own, by the folder of WordPress',
      `<?php\nif (file_exists(ABSPATH . 'config/local.php')) { include ABSPATH . 'config/local.php'; } else {\n${staging}}\n${rest}`,
      `<?php\n${live}`,
    ],
    [
      'environment variables with defaults',
      `<?php\n${live.replaceAll(/'(⟦.*⟧)'/g, "getenv('DB') ?: '$1'")}\n${rest}`,
      null,
    ],
    [
      'constants, CRLF, byte order mark, and comments that hold define()',
      `\ufeff<?php\n/* define('DB_NAME', 'live'); */\n// define('DB_USER', 'live_user');\nconst DB_NAME = '⟦live⟧', DB_USER = '⟦live_user⟧';\nconst DB_PASSWORD = '⟦live secret⟧'; # define(\n${rest}`.replaceAll(
        '\n',
        '\r\n',
      ),
      null,
    ],
  ])('only the login in use is given another one: %s', (_, source, local) =>
    withSite({}, async (site) => {
      const path = await site.write('wp-config.php', rewritten(source, BEFORE));
      const other = local === null ? undefined : await site.write('config/local.php', rewritten(local, BEFORE));
      await kind.assertRewritable(site.folder, testOperation());
      expect(await readFile(path, 'utf8')).toBe(rewritten(source, BEFORE));
      await kind.writeSettings(site.folder, LOGIN, testOperation());
      expect(await readFile(path, 'utf8')).toBe(rewritten(source, NOW));
      if (other !== undefined) expect(await readFile(other, 'utf8')).toBe(rewritten(local ?? '', NOW));
      expect(await kind.readSettings(site.folder, testOperation())).toEqual({ ...LOGIN, tablePrefix: 'wp_' });
    }),
  );

  test.concurrent.each([
    [
      'one text for two parts of the login',
      `$name = 'shop';\ndefine('DB_NAME', $name);\ndefine('DB_USER', $name);\ndefine('DB_PASSWORD', 'secret');`,
      /take both DB_NAME and DB_USER from one text in line 2/,
    ],
    [
      'a text that the table prefix comes from too',
      `$x = 'wp';\ndefine('DB_NAME', $x);\ndefine('DB_USER', 'u');\ndefine('DB_PASSWORD', 'secret');\n$table_prefix = "{$x}_";`,
      /do not evaluate to what was written for \$table_prefix/,
    ],
    [
      'a password that a function makes',
      `define('DB_NAME', 'shop');\ndefine('DB_USER', 'u');\ndefine('DB_PASSWORD', base64_decode('c2VjcmV0'));`,
      /compute DB_PASSWORD in line 4$/,
    ],
    [
      'a file that is no PHP',
      `$ini = parse_ini_file(__DIR__ . '/db.ini');\ndefine('DB_NAME', $ini['name']);\ndefine('DB_USER', 'u');\ndefine('DB_PASSWORD', 'x');`,
      /compute DB_NAME in line 3$/,
    ],
  ])('refused with the line, before anything is written: %s', (_, login, message) =>
    withSite({}, async (site) => {
      await site.write('db.ini', 'name=shop');
      const source = `<?php\n${login}\n${login.includes('$table_prefix') ? rest.replace("$table_prefix = 'wp_';", '') : rest}`;
      const path = await site.write('wp-config.php', source);
      const refusal = { code: 'SettingsInvalid', message: expect.stringMatching(message) };
      await expect(kind.assertRewritable(site.folder, testOperation())).rejects.toMatchObject(refusal);
      await expect(kind.writeSettings(site.folder, LOGIN, testOperation())).rejects.toMatchObject(refusal);
      expect(await readFile(path, 'utf8')).toBe(source);
    }),
  );
});
