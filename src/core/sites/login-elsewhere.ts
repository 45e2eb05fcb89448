import { posix } from 'node:path';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { SITE_FOLDER } from '../../contract/target';
import type { SiteLogin } from '../databases/database-server';
import type { Operation } from '../operation';
import { spellingsOf } from '../secrets/spellings';
import { weaknessOf } from '../secrets/weak-password';
import { excludedTest } from './exclusion';
import type { ShownFolder, SiteFolder } from './site-folder';
import { seenPath, shownFolders } from './site-folder';

/** A file of a site that holds its login to the database besides the settings that Kedge rewrites. */
export interface LoginElsewhere {
  /** Relative to the site folder, or absolute and in a declared path. */
  readonly path: string;
  /** The first line with the password, from 1 on. */
  readonly line: number;
}

/** Larger files are no settings; in KiB. */
const MAXIMUM_KIB = 512;
/** Bytes of what grep prints, a folder: of a few thousand files. */
const MAXIMUM_BYTES = 512 * 1024;
/** How many a message names. */
const NAMED = 10;
/** Texts of a password as files spell it, at most; the first are the likeliest. */
const MAXIMUM_SPELLINGS = 64;

// grep has the texts from a descriptor: they are secrets. Of a file the first line counts. Binary files are none.
const SEARCH = `
find . -xdev "$@" -prune -o -type f -size -${MAXIMUM_KIB + 1}k -print0 |
  xargs -0 -r grep -ZHnoF -I -m 1 -f /dev/fd/3 -- 2>/dev/null | head -c ${MAXIMUM_BYTES}
`;

/**
 * The files of a site, without those that backups leave out, that hold its login besides `known` ones (as the site sees
 * them): its password in one of the spellings of settings; where that is a common or short text, in quotes or as a value, and
 * the name of database or account too. Nothing of what they say is returned.
 */
export async function findLoginElsewhere(
  folder: SiteFolder,
  login: Pick<SiteLogin, 'database' | 'user' | 'password'>,
  known: readonly string[],
  operation: Operation,
): Promise<LoginElsewhere[]> {
  const weak = weaknessOf(login.password) !== null;
  const texts = weak ? valuesOf(login.password) : spellingsOf(login.password, 8);
  const passwords = texts.filter((text) => !/[\n\r\0]/.test(text)).slice(0, MAXIMUM_SPELLINGS);
  const skipped = new Set(known.map((path) => seenPath(folder, path)));
  const found: LoginElsewhere[] = [];
  if (login.password === '') return found;
  for (const shown of shownFolders(folder)) {
    const withPassword = await search(folder, shown, passwords, operation);
    const named = weak ? await search(folder, shown, [login.database, login.user], operation) : withPassword;
    const alsoNamed = new Set(named.map(({ path }) => path));
    for (const { path, line } of withPassword) {
      if (!alsoNamed.has(path) || skipped.has(posix.join(shown.to, path))) continue;
      found.push({ path: shown.name === SITE_FOLDER ? path : posix.join(shown.to, path), line });
    }
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** How settings write a value: `'secret'`, `"secret"`, `=secret`, `: secret`, `:secret@host`, `>secret<`. */
function valuesOf(text: string): string[] {
  return [`'${text}'`, `"${text}"`, `=${text}`, `= ${text}`, `: ${text}`, `:${text}@`, `>${text}<`];
}

async function search(
  { host, site }: SiteFolder,
  shown: ShownFolder,
  texts: readonly string[],
  operation: Operation,
): Promise<LoginElsewhere[]> {
  if (texts.length === 0) return [];
  const { stdout } = await host.run({
    argv: ['sh', '-c', SEARCH, 'sh', ...excludedTest({ name: shown.name, path: shown.to }, site.exclude)],
    sandbox: { readOnly: [shown], capabilities: ['DAC_READ_SEARCH'], workingFolder: shown.to },
    secret: `${texts.join('\n')}\n`,
    limits: { captureBytes: 2 * MAXIMUM_BYTES },
    operation,
  });
  return [...stdout.matchAll(/\.\/([^\0]*)\0(\d+):[^\n]*\n/g)].map(([, path = '', line = '0']) => ({
    path,
    line: Number(line),
  }));
}

/** `cron/config.php line 3, .env line 12 and 4 more`. */
function describePlaces(found: readonly LoginElsewhere[]): string {
  const named = found
    .slice(0, NAMED)
    .map(({ path, line }) => `${path.replace(/\p{Cc}/gu, '?').slice(0, 200)} line ${line}`);
  return named.join(', ') + (found.length > NAMED ? ` and ${found.length - NAMED} more` : '');
}

/** One sentence about them, in lower case. */
export function describeLoginElsewhere(site: string, found: readonly LoginElsewhere[]): string {
  return `${found.length === 1 ? 'a file' : `${found.length} files`} of ${site} besides its settings hold${found.length === 1 ? 's' : ''} its login to the database, which changes with a restore: ${describePlaces(found)}`;
}

/** What is to be done about them. */
export function hintOfLoginElsewhere(site: string): string {
  return `Name each that is used under \`furtherSettings:\` of ${site}, so that restores rewrite it too, and remove the others; or restore with --yes, and write the new login into them by hand.`;
}

/**
 * The same of a site whose settings may be broken: then nothing is known to be rewritten, and the settings file is left out.
 */
export async function loginElsewhere(
  folder: SiteFolder,
  kind: {
    assertRewritable(folder: SiteFolder, operation: Operation): Promise<readonly string[]>;
    settingsFile(site: SiteFolder['site']): string;
  },
  login: Pick<SiteLogin, 'database' | 'user' | 'password'>,
  operation: Operation,
): Promise<LoginElsewhere[]> {
  const rewritten = await kind.assertRewritable(folder, operation).catch((error: unknown) => {
    if (isKedgeError(error) && error.code === 'SettingsInvalid') return [];
    throw error;
  });
  return findLoginElsewhere(folder, login, [kind.settingsFile(folder.site), ...rewritten], operation);
}

/** @throws KedgeError LoginElsewhere */
export function refuseLoginElsewhere(folder: SiteFolder, found: readonly LoginElsewhere[]): void {
  const { site, host } = folder;
  if (found.length === 0) return;
  throw new KedgeError('LoginElsewhere', describeLoginElsewhere(site.uri, found), {
    site: site.uri,
    server: host.name,
    state: 'the site is unchanged',
    hint: hintOfLoginElsewhere(site.uri),
  });
}
