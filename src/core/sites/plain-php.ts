import type { SettingsFormat as DeclaredFormat, SiteLocation } from '../../contract/target';
import { KedgeError } from '../../contract/errors';
import { declaredSettings } from './declared-settings';
import { assertOwnLogin } from './own-login';
import { assertRewritable, rewriteSettings } from './rewrite-settings';
import { settingsInvalid } from './settings-error';
import type { SiteKind } from './site-kind';

/** A PHP application without a kind of its own: where its settings are, the configuration says. */
export const plainPhp: SiteKind = {
  kind: 'php',
  // Nothing is known of its folders, so nothing is left out.
  defaultExcludes: [],
  maintenanceFile: null,

  // Most are written for PDO.
  addressForms: { inOneText: false },

  traces: null,

  settingsFile: (site) => declaredFormat(site).file,

  async readSettings(folder, operation) {
    const { file, format, names } = declaredSettings(folder, declaredFormat(folder.site));
    const values = await format.evaluate(file, Object.values(names), operation);
    const value = (name: string): string => {
      const found = values.get(name);
      if (found === undefined) throw settingsInvalid(file, `do not set ${name}`);
      return found;
    };
    return {
      database: value(names.database),
      user: value(names.user),
      password: value(names.password),
      address: value(names.host),
      tablePrefix: '',
    };
  },

  async databaseTexts(folder, operation) {
    const { file, format } = declaredSettings(folder, declaredFormat(folder.site));
    return format.databaseTexts(file, operation);
  },

  async assertRewritable(folder, operation) {
    const { file, format, names } = declaredSettings(folder, declaredFormat(folder.site));
    const { host, ...login } = names;
    return assertRewritable(file, format, Object.values(login), [host], operation);
  },

  async assertOwnLogin(folder, environmentOf, operation) {
    const { file, format, names } = declaredSettings(folder, declaredFormat(folder.site));
    await assertOwnLogin(file, format, Object.values(names), environmentOf, operation);
  },

  async writeSettings(folder, login, operation) {
    const { file, format, names } = declaredSettings(folder, declaredFormat(folder.site));
    const asked = new Map([
      [names.database, login.database],
      [names.user, login.user],
      [names.password, login.password],
      [names.host, login.address],
    ]);
    await rewriteSettings(file, format, asked, [], operation);
  },

  // Whatever the application calls them, only it knows.
  returningLogins: null,

  objectCache: () => Promise.resolve(null),
  codeVersion: () => Promise.resolve(null),
};

function declaredFormat({ uri, settings }: SiteLocation): DeclaredFormat {
  if (settings) return settings;
  throw new KedgeError('ConfigurationInvalid', `the configuration does not say where ${uri} has its settings`, {
    site: uri,
    hint: `Add \`settings:\` with file, format and names to the site ${uri}.`,
  });
}
