import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { DumpFilter } from '../../../src/core/databases/dump-filter';
import type { Refusal } from '../../../src/core/databases/dump-refusal';
import { type DatabaseLab, openLab } from './lab';
import { WRITTEN_DUMPS } from './written-dumps';

function inspect(dump: Buffer): ReturnType<DumpInspector['result']> {
  const inspector = new DumpInspector();
  for (let at = 0; at < dump.length; at += 65_536) inspector.write(dump.subarray(at, at + 65_536));
  inspector.end();
  return inspector.result();
}

/** What goes through a filter that rewrites nothing but what it must. */
function filtered(dump: Buffer): Buffer {
  const filter = new DumpFilter({
    rules: { disableEvents: false, database: undefined, cutDirectories: false },
    onRefused: (refusal: Refusal) => {
      throw new Error(JSON.stringify(refusal));
    },
  });
  const chunks: Buffer[] = [];
  filter.on('data', (chunk: Buffer) => chunks.push(chunk));
  filter.write(dump);
  filter.end();
  return Buffer.concat(chunks);
}

describe('as programs write them', () => {
  it.each(WRITTEN_DUMPS)('%s', (_program, text) => {
    const dump = Buffer.from(text);
    expect(inspect(dump)).toMatchObject({ refused: [], complete: true });
    expect(filtered(dump).toString()).toBe(text);
  });
});

describe('as the dump program of this machine writes them', () => {
  let lab: DatabaseLab;
  beforeAll(async () => {
    lab = await openLab();
    for (const name of ['shop', 'museum']) {
      await lab.query(await readFile(join(__dirname, `fixtures/${name}.sql`), 'utf8'));
    }
  });
  afterAll(() => lab?.close());

  async function dumpBy(database: string, options: readonly string[]): Promise<Buffer> {
    const { stdout } = await promisify(execFile)(
      'mariadb-dump',
      [
        '--no-defaults',
        `--socket=${lab.mariadb.socket}`,
        `--user=${lab.mariadb.address.admin.user}`,
        ...options,
        database,
      ],
      { encoding: 'buffer', maxBuffer: 2 ** 30 },
    );
    return stdout;
  }

  const ALL = ['--routines', '--events', '--triggers'];
  it.each([
    ['plainly', []],
    ['with everything', ALL],
    ['with binary as hexadecimal', [...ALL, '--hex-blob']],
    ['without options', ['--skip-opt']],
    ['with names of columns', [...ALL, '--complete-insert']],
    ['a row a statement', [...ALL, '--skip-extended-insert']],
    ['as REPLACE', [...ALL, '--replace']],
    ['ignoring duplicates', [...ALL, '--insert-ignore']],
    ['in one transaction', [...ALL, '--single-transaction', '--no-autocommit']],
    ['without time zone', [...ALL, '--skip-tz-utc']],
    ['without charset', [...ALL, '--skip-set-charset']],
    ['in latin1', [...ALL, '--default-character-set=latin1']],
    ['with history', [...ALL, '--dump-history']],
    ['for triggers dropped first', [...ALL, '--add-drop-trigger']],

    ['without comments', [...ALL, '--skip-comments']],
    ['ordered', [...ALL, '--order-by-primary', '--order-by-size']],
  ])('%s', async (_how, options) => {
    for (const database of ['shop', 'museum']) {
      const dump = await dumpBy(database, options);
      // Triggers that name their database are written as they were made. An import leaves the name out where the dump
      // says that it is its own; Kedge's dumps do so when they are made.
      const { refused } = inspect(dump);
      const qualifies = /TRIGGER shop\.co/.test(dump.toString('latin1'));
      const isKnown = !options.includes('--skip-comments');
      expect(refused.filter((text) => isKnown || !/TRIGGER shop\.co/.test(text))).toEqual([]);
      if (!qualifies) expect(definersApart(filtered(dump))).toBe(definersApart(dump));
    }
  });

  it('a dump of Kedge comes back with all it held', async () => {
    const dump = await lab.dump('museum');
    expect(inspect(Buffer.from(dump.text)).refused).toEqual([]);
    await lab.restore(dump.path, 'museum2');
    const counts = 'SELECT TABLE_TYPE, COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? GROUP BY 1';
    const routines =
      'SELECT ROUTINE_NAME, MD5(ROUTINE_DEFINITION) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? ORDER BY 1';
    const triggers =
      'SELECT TRIGGER_NAME, MD5(ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? ORDER BY 1';
    for (const sql of [counts, routines, triggers]) {
      const before = await lab.query(sql.replace('?', "'museum'"));
      expect(before).not.toBe('');
      expect(await lab.query(sql.replace('?', "'museum2'"))).toBe(before);
    }
  });
});

const definersApart = (dump: Buffer): string =>
  dump
    .toString('latin1')
    .replace(/DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*` ?/g, '')
    .replace(/ALTER DATABASE (?:`[^`]*`|\w+) /g, 'ALTER DATABASE ');
