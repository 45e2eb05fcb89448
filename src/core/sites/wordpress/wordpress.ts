import { join } from 'node:path';
import { isKedgeError } from '../../../contract/errors';
import { readPhpCode } from '../../php/php-code';
import { assertOwnLogin } from '../own-login';
import { assertRewritable, rewriteSettings } from '../rewrite-settings';
import { settingsInvalid } from '../settings-error';
import { phpSettings } from '../settings-formats/php';
import type { SettingsFile } from '../settings-formats/settings-format';
import type { SiteFolder, SiteKind } from '../site-kind';
import { wordPressLogins } from './logins';
import { wordPressObjectCache } from './object-cache-settings';

const CONFIGURATION_FILE = 'wp-config.php';
// It ends by starting WordPress.
const BOOTSTRAP = { constant: 'ABSPATH', file: 'wp-settings.php', code: 'wp-includes' };
const CONFIGURATION = phpSettings({
  bootstrap: BOOTSTRAP,
  connections: {
    'drop-in': 'wp-content/db.php',
    file: 'db-config.php',
    constant: 'DB_CONFIG_FILE',
    program: readPhpCode(join(__dirname, 'connections.php')),
  },
});
const CODE = phpSettings();
const LOGIN_NAMES = ['DB_NAME', 'DB_USER', 'DB_PASSWORD'];
/** A text of the settings may be part of these too. */
const KEPT_NAMES = ['$table_prefix'];

/** Names and rules: wp-config-sample.php and wpdb::set_prefix() of WordPress. */
export const wordPress: SiteKind = {
  kind: 'wordpress',
  // What WordPress and its caching plugins write again by themselves. The folders stay: a plugin may want them writable.
  defaultExcludes: ['wp-content/cache/*', 'wp-content/upgrade/*', 'wp-content/upgrade-temp-backup/*'],
  // WordPress takes a time ten minutes old for an update that died: this one is always now.
  maintenanceFile: { path: '.maintenance', content: '<?php $upgrading = time(); // Kedge' },

  addressForms: { inOneText: true },

  traces: {
    name: 'WordPress',
    code: ['wp-load.php', 'wp-includes/version.php'],
    settings: CONFIGURATION_FILE,
    folderConstants: { WP_CONTENT_DIR: null, WP_PLUGIN_DIR: null, UPLOADS: 'uploads' },
  },

  settingsFile: () => CONFIGURATION_FILE,

  async readSettings(folder, operation) {
    const file = configurationOf(folder);
    const values = await CONFIGURATION.evaluate(file, [...LOGIN_NAMES, 'DB_HOST', ...KEPT_NAMES], operation);
    const value = (name: string): string => {
      const found = values.get(name);
      if (found === undefined) throw settingsInvalid(file, `do not set ${name}`);
      return found;
    };
    const tablePrefix = value('$table_prefix');
    if (!/^\w+$/.test(tablePrefix)) {
      throw settingsInvalid(file, 'set a $table_prefix that WordPress does not accept');
    }
    return {
      database: value('DB_NAME'),
      user: value('DB_USER'),
      password: value('DB_PASSWORD'),
      address: value('DB_HOST'),
      tablePrefix,
    };
  },

  databaseTexts: (folder, operation) => CONFIGURATION.databaseTexts(configurationOf(folder), operation),

  assertRewritable: (folder, operation) =>
    assertRewritable(configurationOf(folder), CONFIGURATION, LOGIN_NAMES, ['DB_HOST', ...KEPT_NAMES], operation),

  assertOwnLogin: (folder, environmentOf, operation) =>
    assertOwnLogin(configurationOf(folder), CONFIGURATION, [...LOGIN_NAMES, 'DB_HOST'], environmentOf, operation),

  async writeSettings(folder, login, operation) {
    const asked = new Map([
      ['DB_NAME', login.database],
      ['DB_USER', login.user],
      ['DB_PASSWORD', login.password],
      ['DB_HOST', login.address],
    ]);
    await rewriteSettings(configurationOf(folder), CONFIGURATION, asked, KEPT_NAMES, operation);
  },

  returningLogins: wordPressLogins,

  objectCache: (folder, operation) => wordPressObjectCache(configurationOf(folder), BOOTSTRAP, operation),

  async codeVersion(folder, operation) {
    const file = { folder, path: 'wp-includes/version.php' };
    try {
      const version = (await CODE.evaluate(file, ['$wp_version'], operation)).get('$wp_version');
      return version !== undefined && /^[\w.+-]{1,64}$/.test(version) ? version : null;
    } catch (error) {
      // A broken site has a backup too.
      if (isKedgeError(error) && error.code === 'SettingsInvalid') return null;
      throw error;
    }
  },
};

function configurationOf(folder: SiteFolder): SettingsFile {
  return { folder, path: CONFIGURATION_FILE };
}
