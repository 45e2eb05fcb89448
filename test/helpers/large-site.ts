import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectClient } from '../../src/temporal/connection';
import { MAXIMUM_PAYLOAD_BYTES } from '../../src/contract/payload-bounds';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, type WordPressSite, cli, cliJson, leftovers } from './e2e';

/** How many named pipes and tables a site gets, besides its own. */
export interface Size {
  readonly pipes: number;
  readonly tables: number;
}

const TABLES_A_QUERY = 1000;

/** The database that the site uses now. */
function databaseOf(lab: Lab, site: WordPressSite): string {
  const state: unknown = JSON.parse(readFileSync(join(lab.state, 'sites', `${site.uri}.json`), 'utf8'));
  return (state as { current: { database: string } }).current.database;
}

const pipe = (index: number): string => `pipe-${index}-${'ä'.repeat(40)}`;
const table = (index: number): string => `wp_more_${index}_${'x'.repeat(40)}`;

/** Puts pipes into a folder of the site, and tables that no snapshot of a dump holds into its database. */
async function fill(lab: Lab, site: WordPressSite, { pipes, tables }: Size): Promise<void> {
  const names = Array.from({ length: pipes }, (_, index) => pipe(index)).join('\n');
  execFileSync('sh', ['-ec', 'mkdir "$1"; cd "$1"; xargs mkfifo', 'sh', join(site.root, 'pipes')], { input: names });
  const database = databaseOf(lab, site);
  for (let at = 0; at < tables; at += TABLES_A_QUERY) {
    const some = Array.from({ length: Math.min(TABLES_A_QUERY, tables - at) }, (_, index) => table(at + index));
    const statements = some.map((name) => `CREATE TABLE \`${database}\`.\`${name}\` (id INT) ENGINE=MyISAM;`);
    await lab.mariadb.query(statements.join('\n'));
  }
}

/** Takes it away again. */
async function empty(lab: Lab, site: WordPressSite, { tables }: Size): Promise<void> {
  const database = databaseOf(lab, site);
  execFileSync('rm', ['-rf', join(site.root, 'pipes')]);
  for (let at = 0; at < tables; at += TABLES_A_QUERY) {
    const some = Array.from({ length: Math.min(TABLES_A_QUERY, tables - at) }, (_, index) => table(at + index));
    await lab.mariadb.query(`DROP TABLE ${some.map((name) => `\`${database}\`.\`${name}\``).join(', ')}`);
  }
}

/** Bytes of the largest payload in the history of any workflow there is. */
async function largestEvent(lab: Lab): Promise<{ bytes: number; events: number }> {
  const client = await connectClient(lab.environment);
  try {
    const found = { bytes: 0, events: 0 };
    for await (const { workflowId, runId } of client.workflow.list()) {
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      for (const event of events ?? []) {
        found.events += 1;
        for (const bytes of payloadsOf(event)) found.bytes = Math.max(found.bytes, bytes);
      }
    }
    return found;
  } finally {
    await client.connection.close();
  }
}

/** Sizes of what an event carries: data of payloads, and messages of failures. */
function* payloadsOf(part: unknown): Generator<number> {
  if (typeof part === 'string') yield Buffer.byteLength(part);
  else if (part instanceof Uint8Array) yield part.length;
  else if (typeof part === 'object' && part !== null) for (const inner of Object.values(part)) yield* payloadsOf(inner);
}

/**
 * Backs a site with many pipes and tables up, quietly, restores it, and expects that nothing of it in Temporal is large, that the log has
 * all, and that the site is not left in maintenance.
 */
export async function expectSmallHistory(lab: Lab, site: WordPressSite, size: Size): Promise<void> {
  await fill(lab, site, size);
  const left = await leftovers(lab);
  const saved = await cliJson<BackupResult>(lab, 'backup', site.uri, '--quiesce');
  expect(saved.warnings.length).toBeLessThanOrEqual(21);
  expect(saved.warnings.join('\n')).toMatch(
    new RegExp(`pipes, sockets and devices in .* \\(${size.pipes}\\): pipes/pipe-`),
  );
  expect(saved.warnings.join('\n')).toMatch(new RegExp(`not transactional.* \\(${size.tables}\\): wp_more_`));
  expect(await leftovers(lab)).toEqual(left);

  const { stdout } = await cli(lab, 'log', saved.task, '--json');
  const lacking = [
    ...Array.from({ length: size.pipes }, (_, index) => pipe(index)),
    ...Array.from({ length: size.tables }, (_, index) => table(index)),
  ].filter((name) => !stdout.includes(name));
  expect(lacking).toEqual([]);

  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, saved.backup.id, '--yes');
  expect(restored.warnings.length).toBeLessThanOrEqual(21);
  const { bytes, events } = await largestEvent(lab);
  expect(events).toBeGreaterThan(100);
  expect(bytes).toBeLessThan(MAXIMUM_PAYLOAD_BYTES);
  await empty(lab, site, size);
}
