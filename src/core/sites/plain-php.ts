import type { SettingsFormat as DeclaredFormat, SiteLocation } from '../../contract/target';
import { KedgeError } from '../../contract/errors';
import { rewriteSettings } from './rewrite-settings';
import { settingsInvalid } from './settings-error';
import { environmentSettings } from './settings-formats/environment';
import { phpSettings } from './settings-formats/php';
import type { SettingsFile, SettingsFormat } from './settings-formats/settings-format';
import type { SiteFolder, SiteKind } from './site-kind';

/** A PHP application without a kind of its own: where its settings are, the configuration says. */
export const plainPhp: SiteKind = {
  kind: 'php',
  // Nothing is known of its folders, so nothing is left out.
  defaultExcludes: [],
  maintenanceFile: null,

  settingsFile: (site) => declaredFormat(site).file,

  async readSettings(folder, operation) {
    const { file, format, names } = declaredSettings(folder);
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
    const { file, format } = declaredSettings(folder);
    return format.databaseTexts(file, operation);
  },

  async writeSettings(folder, login, operation) {
    const { file, format, names } = declaredSettings(folder);
    const asked = new Map([
      [names.database, login.database],
      [names.user, login.user],
      [names.password, login.password],
      [names.host, login.address],
    ]);
    await rewriteSettings(file, format, asked, operation);
  },

  objectCache: () => Promise.resolve(null),
  codeVersion: () => Promise.resolve(null),
};

const FORMATS: Record<DeclaredFormat['format'], SettingsFormat> = {
  constants: phpSettings(),
  variables: phpSettings(),
  env: environmentSettings,
};

function declaredFormat({ uri, settings }: SiteLocation): DeclaredFormat {
  if (settings) return settings;
  throw new KedgeError('ConfigurationInvalid', `the configuration does not say where ${uri} has its settings`, {
    site: uri,
    hint: `Add \`settings:\` with file, format and names to the site ${uri}.`,
  });
}

function declaredSettings(folder: SiteFolder): {
  file: SettingsFile;
  format: SettingsFormat;
  names: DeclaredFormat['names'];
} {
  const { file, format, names } = declaredFormat(folder.site);
  // In the configuration a variable may stand without its dollar sign.
  const named = (name: string): string => (format === 'variables' ? name.replace(/^\$?/, '$$') : name);
  return {
    file: { folder, path: file },
    format: FORMATS[format],
    names: {
      database: named(names.database),
      user: named(names.user),
      password: named(names.password),
      host: named(names.host),
    },
  };
}
