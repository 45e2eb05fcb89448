import { isKedgeError } from '../../contract/errors';
import type { FurtherSettings } from '../../contract/target';
import type { SiteLogin } from '../databases/database-server';
import type { Operation } from '../operation';
import { declaredSettings } from './declared-settings';
import { assertRewritable, rewriteSettings } from './rewrite-settings';
import type { SiteFolder, SiteKind } from './site-kind';

const PARTS = { database: 'database', user: 'user', password: 'password', host: 'address' } as const;
type Part = keyof typeof PARTS;

/**
 * A kind whose sites may have the login in further files, which the configuration names: they are rewritten with the
 * settings. Only what holds the login in use there is touched. Files that are not there are passed over.
 */
export function withFurtherSettings(kind: SiteKind): SiteKind {
  return {
    ...kind,
    async assertRewritable(folder, operation) {
      const rewritten = [...(await kind.assertRewritable(folder, operation))];
      if (folder.site.furtherSettings === undefined) return rewritten;
      const login = await kind.readSettings(folder, operation);
      for (const further of folder.site.furtherSettings) {
        const held = await namesWith(folder, further, [login], operation);
        if (held === null) continue;
        rewritten.push(further.file);
        const { file, format } = declaredSettings(folder, further);
        const names = [...held].flatMap(([part, name]) => (part === 'host' ? [] : [name]));
        if (names.length > 0) rewritten.push(...(await assertRewritable(file, format, names, [], operation)));
      }
      return rewritten;
    },
    async writeSettings(folder, login, operation) {
      // Before the settings themselves: they say which login is to be replaced.
      if (folder.site.furtherSettings !== undefined) {
        const before = await kind.readSettings(folder, operation);
        for (const further of folder.site.furtherSettings) {
          // An attempt that was cut short may have rewritten it already.
          const held = await namesWith(folder, further, [before, login], operation);
          if (held === null) continue;
          const { file, format } = declaredSettings(folder, further);
          const asked = new Map([...held].map(([part, name]) => [name, login[PARTS[part]]]));
          await rewriteSettings(file, format, asked, [], operation);
          if (asked.size === 0)
            operation.log.warn(`${further.file} of ${folder.site.uri} holds another login: it is left as it is`);
        }
      }
      await kind.writeSettings(folder, login, operation);
    },
  };
}

/** The parts of a login that a file sets, to what one of the logins has, with their names; null where there is no such file. */
async function namesWith(
  folder: SiteFolder,
  further: FurtherSettings,
  logins: readonly SiteLogin[],
  operation: Operation,
): Promise<Map<Part, string> | null> {
  const { file, format, names } = declaredSettings(folder, further);
  const asked = Object.entries(names) as [Part, string][];
  let values: ReadonlyMap<string, string>;
  try {
    values = await format.evaluate(
      file,
      asked.map(([, name]) => name),
      operation,
    );
  } catch (error) {
    if (isKedgeError(error) && error.code === 'SettingsInvalid' && error.message.endsWith(' missing')) return null;
    throw error;
  }
  return new Map(
    asked.filter(([part, name]) => {
      const value = values.get(name);
      return value !== undefined && logins.some((login) => login[PARTS[part]] === value);
    }),
  );
}
