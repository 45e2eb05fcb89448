import type { SettingsFormat } from '../../contract/target';

type Names = SettingsFormat['names'];

/** Where applications keep their settings, relative to the document root, most telling first. */
export const SETTINGS_FILES: readonly string[] = [
  ...['.env', 'config.php', 'configuration.php', 'settings.php', 'config.inc.php', 'LocalSettings.php', 'local.php'],
  ...['config/config.php', 'config/database.php', 'config/settings.php', 'conf/config.php', 'conf/settings.php'],
  ...['inc/config.php', 'include/config.php', 'includes/config.php', 'includes/config.inc.php', 'app/config.php'],
  'application/config/database.php',
];

/** How the last word of a setting's name says what it is. */
const ROLES: Readonly<Record<keyof Names, RegExp>> = {
  database: /^(name|database|dbname|db|schema)$/i,
  user: /^(user|username|login)$/i,
  password: /^(pass|password|passwd|pwd)$/i,
  host: /^(host|hostname|server)$/i,
};
const ABOUT_A_DATABASE = /db|database|mysql|maria|sql/i;

/**
 * The names a settings file gives the parts of its login, from its text: nothing is evaluated, and values are not looked
 * at. Null unless each part has exactly one name that says so.
 */
export function guessSettings(file: string, text: string): SettingsFormat | null {
  if (/(^|\/)\.env$/.test(file)) {
    const keys = [...text.matchAll(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/gm)].map(([, key = '']) => key);
    return guess(
      file,
      'env',
      keys.map((key) => ({ name: key, words: wordsOf(key) })),
    );
  }
  const constants = [...text.matchAll(/\bdefine\s*\(\s*(['"])([A-Za-z_]\w*)\1/g)].map(([, , name = '']) => name);
  const variables = [...text.matchAll(/\$([A-Za-z_]\w*)((?:\[(?:'[\w-]+'|"[\w-]+")\])*)\s*=(?![=>])/g)].map(
    ([, variable = '', keys = '']) => {
      const path = [...keys.matchAll(/[\w-]+/g)].map(([key]) => key);
      return {
        name: `${variable}${path.map((key) => `['${key}']`).join('')}`,
        words: path.length === 0 ? wordsOf(variable) : [variable, ...path],
      };
    },
  );
  return (
    guess(
      file,
      'constants',
      constants.map((name) => ({ name, words: wordsOf(name) })),
    ) ?? guess(file, 'variables', variables)
  );
}

/** `DB_NAME` as `DB`, `NAME`; `dbname` as `db`, `name`. */
function wordsOf(name: string): string[] {
  const words = name.replace(/^(db|mysql)(?=[A-Za-z])/i, '$1_').split(/_|(?<=[a-z])(?=[A-Z])/);
  return words.filter((word) => word !== '');
}

function guess(
  file: string,
  format: SettingsFormat['format'],
  found: readonly { name: string; words: readonly string[] }[],
): SettingsFormat | null {
  const nameOf = (role: keyof Names): string | null => {
    const fitting = found.filter(
      ({ words }) =>
        ROLES[role].test(words.at(-1) ?? '') && words.slice(0, -1).some((word) => ABOUT_A_DATABASE.test(word)),
    );
    const names = [...new Set(fitting.map(({ name }) => name))];
    return names.length === 1 ? (names[0] ?? null) : null;
  };
  const [database, user, password, host] = [nameOf('database'), nameOf('user'), nameOf('password'), nameOf('host')];
  if (database === null || user === null || password === null || host === null) return null;
  return { file, format, names: { database, user, password, host } };
}
