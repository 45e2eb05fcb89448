import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PrivateMariadb } from './mariadb';
import type { WordPressSite } from './wordpress';

const run = promisify(execFile);

/** What the settings of a site log in with now. */
export interface SiteLogin {
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** @throws Error when the settings cannot be read */
export async function loginOf(site: WordPressSite): Promise<SiteLogin> {
  const settings = await readFile(join(site.root, 'wp-config.php'), 'utf8');
  const setting = (name: string): string => {
    const quoted = `(?:'((?:\\\\.|[^'\\\\])*)'|"((?:\\\\.|[^"\\\\])*)")`;
    const found = new RegExp(`^define\\(\\s*["']${name}["'],\\s*${quoted}`, 'm').exec(settings);
    if (!found) throw new Error(`the settings of ${site.uri} name no ${name}`);
    return (found[1] ?? found[2] ?? '').replace(/\\(['"\\])/g, '$1');
  };
  return { database: setting('DB_NAME'), user: setting('DB_USER'), password: setting('DB_PASSWORD') };
}

/** Writes a row as the site itself would, and takes it back. Null when that works, otherwise what was said. */
export async function whyItCannotWrite(site: WordPressSite, mariadb: PrivateMariadb): Promise<string | null> {
  try {
    const { database, user, password } = await loginOf(site);
    const client = run('mariadb', ['--no-defaults', `--socket=${mariadb.socket}`, `--user=${user}`, database], {
      env: { ...process.env, MYSQL_PWD: password },
    });
    client.child.stdin?.end(
      `START TRANSACTION; INSERT INTO wp_options (option_name, option_value) VALUES ('may_write', '1'); ROLLBACK;`,
    );
    await client;
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
