import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import type { PrivateMariadb } from './mariadb';
import type { WordPressSite } from './wordpress';

/** What a site is, seen from outside: pages, files, tables, and the bodies of what its database defines. */
export interface Fingerprint {
  readonly pages: Record<string, string>;
  readonly files: Record<string, string>;
  readonly tables: Record<string, string>;
  readonly definitions: Record<string, string>;
}

const PAGES = [
  '/',
  '/?p=5',
  '/?page_id=2',
  '/?s=story',
  '/wp-content/uploads/mit%20Leerzeichen.txt',
  '/wp-content/uploads/caf%E9.txt',
];

export async function fingerprint(site: WordPressSite, port: number, mariadb: PrivateMariadb): Promise<Fingerprint> {
  // Pages first, and twice: WordPress writes options and transients while it answers for the first time.
  const pages: Record<string, string> = {};
  for (const path of [...PAGES, ...PAGES]) {
    const { status, body } = await getWhole(port, site.uri, path);
    pages[path] = `${status} ${sha256(body)}`;
  }
  const database = await currentDatabase(site);
  return {
    pages,
    files: filesOf(site.root),
    tables: await tablesOf(mariadb, database),
    definitions: await definitionsOf(mariadb, database),
  };
}

/** What differs, one line each; empty when the two are the same. */
export function differences(before: Fingerprint, after: Fingerprint): string[] {
  const lines: string[] = [];
  for (const part of ['pages', 'files', 'tables', 'definitions'] as const) {
    const names = new Set([...Object.keys(before[part]), ...Object.keys(after[part])]);
    for (const name of names) {
      const [old, now] = [before[part][name], after[part][name]];
      if (old !== now) lines.push(`${part}: ${JSON.stringify(name)}: ${old ?? 'absent'} -> ${now ?? 'absent'}`);
    }
  }
  return lines;
}

/** As `get`; what a reload of the web server, for another site, cuts off is asked for again. */
async function getWhole(...asked: Parameters<typeof get>): ReturnType<typeof get> {
  for (let tries = 3; ; tries -= 1) {
    try {
      return await get(...asked);
    } catch (error) {
      if (tries === 1 || (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
  }
}

/** GET as a visitor, by name, from the private web server. */
export async function get(
  port: number,
  host: string,
  path: string,
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, headers: { host: `${host}:${port}` }, timeout: 20_000 },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
        answer.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error(`${path} timed out`)));
    asked.end();
  });
}

/** The database the site's settings name now. */
export async function currentDatabase(site: WordPressSite): Promise<string> {
  const settings = await readFile(join(site.root, 'wp-config.php'), 'utf8');
  return /^define\('DB_NAME', '(\w+)'\)/m.exec(settings)?.[1] ?? site.database;
}

/** Every file by its name in Latin-1, so that no byte of it is lost: type, mode, owner, time, content or target. */
export function filesOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  // Not by promises: a site has thousands of files, and each of them would cost several times as much.
  const visit = (folder: Buffer, prefix: string): void => {
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const path = Buffer.concat([folder, Buffer.from('/'), name]);
      const label = `${prefix}${name.toString('latin1')}`;
      try {
        see(path, label);
      } catch (error) {
        // Of a disk that fails.
        found[label] = `unreadable ${(error as NodeJS.ErrnoException).code}`;
      }
    }
  };
  const see = (path: Buffer, label: string): void => {
    const status = lstatSync(path, { bigint: true });
    const common = `${(status.mode & 0o7777n).toString(8)} ${status.uid}:${status.gid}`;
    if (status.isSymbolicLink()) found[label] = `link ${common} ${readlinkSync(path)}`;
    else if (status.isDirectory()) {
      // The folder that holds the settings is written to when they are rewritten.
      found[label] = `folder ${common} ${status.mtimeNs}`;
      visit(path, `${label}/`);
    } else if (!status.isFile()) {
      // Whoever reads a pipe waits for its writer.
      found[label] = `special ${common}`;
    } else if (label === 'wp-config.php') found[label] = `file ${common} ${sha256(withoutLogin(readFileSync(path)))}`;
    else found[label] = `file ${common} ${status.mtimeNs} ${sha256(readFileSync(path))}`;
  };
  visit(Buffer.from(root), '');
  return found;
}

/** A restore gives the site a new login; all else of its settings stays byte for byte. */
function withoutLogin(settings: Buffer): Buffer {
  const text = settings.toString('latin1').replace(/^(define\(\s*["']DB_(?:NAME|USER|PASSWORD)["'],\s*).*$/gm, '$1…');
  return Buffer.from(text, 'latin1');
}

async function tablesOf(mariadb: PrivateMariadb, database: string): Promise<Record<string, string>> {
  const names = await mariadb.query(
    `SELECT table_name FROM information_schema.tables WHERE table_schema='${database}' AND table_type='BASE TABLE'`,
  );
  const list = names.trim().split('\n').filter(Boolean);
  if (list.length === 0) return {};
  const rows = await mariadb.query(`CHECKSUM TABLE ${list.map((name) => `\`${database}\`.\`${name}\``).join(', ')}`);
  const checksums = rows
    .trim()
    .split('\n')
    .map((row) => row.split('\t')[1] ?? '');
  return Object.fromEntries(list.map((name, index) => [name, checksums[index] ?? '']));
}

/** Bodies without definers and without the database's name, both of which a restore changes. */
async function definitionsOf(mariadb: PrivateMariadb, database: string): Promise<Record<string, string>> {
  const rows = await mariadb.query(`
    SELECT 'view', table_name, view_definition FROM information_schema.views WHERE table_schema='${database}'
    UNION ALL SELECT 'trigger', trigger_name, CONCAT(action_timing, event_manipulation, event_object_table, action_statement) FROM information_schema.triggers WHERE trigger_schema='${database}'
    UNION ALL SELECT 'routine', routine_name, CONCAT(routine_type, dtd_identifier, routine_definition) FROM information_schema.routines WHERE routine_schema='${database}'
    UNION ALL SELECT 'event', event_name, CONCAT_WS(' ', status, interval_value, interval_field, starts, event_definition) FROM information_schema.events WHERE event_schema='${database}';`);
  const definitions: Record<string, string> = {};
  for (const row of rows.trim().split('\n').filter(Boolean)) {
    const [type = '', name = '', body = ''] = row.split('\t');
    definitions[`${type} ${name}`] = body.replaceAll(`\`${database}\`.`, '');
  }
  return definitions;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
