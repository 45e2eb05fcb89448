import { KedgeError } from '../../contract/errors';
import type { SiteKind, SiteSettings } from './site-kind';

/** A scheme, or a login before a host. */
const URL_LIKE = /:\/\/|^[^\s/@]*:[^\s/]*@/;
/** What stands before the last `@` of a URL, behind its scheme. */
const CREDENTIALS = /^(?:[a-z][\w+.-]*:\/\/)?(.*)@/is;

/**
 * A kind whose settings say nothing in the clear but names: their password is made known to the redaction before anybody can
 * quote it, and a user, database or address that looks like a URL (as one of a whole connection does, password included) is
 * refused by its name alone.
 */
export function guardingSettings(kind: SiteKind, onSecret: (secret: string, site: string) => void): SiteKind {
  return {
    ...kind,
    readSettings: async (folder, operation) => {
      const settings = await kind.readSettings(folder, operation);
      const { uri } = folder.site;
      onSecret(settings.password, uri);
      for (const part of ['user', 'database', 'address'] as const) {
        if (!URL_LIKE.test(settings[part])) continue;
        for (const secret of secretsOf(settings[part])) onSecret(secret, uri);
        throw refused(part, uri, folder.host.name);
      }
      return settings;
    },
  };
}

function refused(part: keyof SiteSettings, site: string, server: string): KedgeError {
  return new KedgeError('SettingsInvalid', `the ${part} of the database in the settings of ${site} looks like a URL`, {
    site,
    server,
    hint: `Settings name user, database and address each by itself. Correct the ${part}, or the names under \`settings:\` of the site.`,
  });
}

/** The whole, and each part of a login in it, as it stands and decoded. */
function secretsOf(url: string): string[] {
  const credentials = CREDENTIALS.exec(url)?.[1] ?? '';
  const parts = [url, credentials, ...credentials.split(':'), credentials.slice(credentials.indexOf(':') + 1)];
  return [...parts, ...parts.map(decoded)].filter((part) => part !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
