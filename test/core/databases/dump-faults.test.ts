import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createConnection } from 'mysql2/promise';
import type { DatabaseServer, DumpResult } from '../../../src/core/databases/database-server';
import { openDatabaseServer } from '../../../src/core/databases/mariadb-server';
import type { Completed } from '../../../src/core/hosts/host';
import type { MasterCommand, MasterHost } from '../../../src/core/hosts/master-host';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { type DatabaseLab, openLab } from './lab';

/*
 * A dump program that does not do what it says: it writes less than there is, and ends well. Nothing else knows what the database
 * holds: the record of a backup takes its list from the dump itself.
 */

type Run = MasterHost['run'];
let lab: DatabaseLab;
/** What is done in the place of running the dump program. */
let instead: ((command: MasterCommand, run: Run) => Promise<Completed>) | null = null;
let server: DatabaseServer;

beforeAll(async () => {
  lab = await openLab();
  await lab.query(`CREATE DATABASE full; USE full;
    CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first VALUES (1);
    CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1);
    CREATE TABLE last (id int PRIMARY KEY); INSERT INTO last VALUES (1), (2);
    CREATE TABLE no_rows (id int PRIMARY KEY);
    CREATE VIEW seen AS SELECT id FROM last;
    CREATE TRIGGER before_first BEFORE INSERT ON first FOR EACH ROW SET NEW.id = NEW.id;
    CREATE FUNCTION counted() RETURNS int RETURN 1;
    CREATE PROCEDURE done() SELECT 1;
    CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM no_rows;`);
  const run: Run = (command) => lab.host.run(command);
  const host = new Proxy(lab.host, {
    get(real, name) {
      if (name === 'run')
        return (command: MasterCommand) =>
          instead !== null && command.output && command.argv.some((word) => /^(mariadb-|mysql)dump$/.test(word))
            ? instead(command, run)
            : run(command);
      const value = Reflect.get(real, name, real) as unknown;
      return typeof value === 'function' ? (value.bind(real) as unknown) : value;
    },
  });
  server = openDatabaseServer({ address: lab.mariadb.address, adminPassword: undefined, host });
});
afterEach(() => {
  instead = null;
});
afterAll(async () => {
  await server?.close();
  await lab?.close();
});

let files = 0;
function dump(options: { without?: readonly string[] } = {}): Promise<DumpResult> {
  files += 1;
  return server.dump('full', createWriteStream(join(lab.folder, `faulty-${files}.sql`)), testOperation(), options);
}

/** The program runs, and ends well; of what it wrote this is what comes. */
function writing(change: (text: string) => string): void {
  instead = async (command, run) => {
    const chunks: Buffer[] = [];
    const kept = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    const completed = await run({ ...command, output: kept });
    const text = Buffer.concat(chunks).toString('latin1');
    if (command.output) await pipeline([Buffer.from(change(text), 'latin1')], command.output);
    return completed;
  };
}

/** The program runs in a shell, where it is `"$@"`. */
function inShell(script: string): void {
  instead = (command, run) => run({ ...command, argv: ['sh', '-c', script, 'sh', ...command.argv] });
}

function without(...patterns: readonly RegExp[]): (text: string) => string {
  return (text) =>
    patterns.reduce((left, pattern) => {
      const next = left.replace(pattern, '');
      if (next === left) throw new Error(`${pattern} is not in the dump:\n${text}`);
      return next;
    }, text);
}

it('what the program writes is all there is: the list of the dump is that of the server', async () => {
  writing((text) => text);
  const { summary } = await dump();
  expect(summary).toMatchObject({
    tables: [
      { name: 'first', rows: 1 },
      { name: 'held', rows: 1 },
      { name: 'last', rows: 2 },
      { name: 'no_rows', rows: 0 },
    ],
    ...{ views: ['seen'], triggers: ['before_first'], functions: ['counted'], procedures: ['done'] },
    events: ['nightly'],
  });
});

const WHOLE_TABLE = (name: string): RegExp => new RegExp(`DROP TABLE IF EXISTS \`${name}\`[^]*?UNLOCK TABLES;\n`);

describe('a program that leaves something out, and ends well', () => {
  it.each<[string, (text: string) => string, RegExp]>([
    ['its last line', without(/-- Dump completed[^\n]*\n/), /does not end with its trailer/],
    ['all but its last line', (text) => text.slice(text.lastIndexOf('-- Dump completed')), /lacks the tables first/],
    ['everything', () => '', /does not end with its trailer/],
    ['a table', without(WHOLE_TABLE('last')), /lacks the tables last/],
    ['a table without rows', without(WHOLE_TABLE('no_rows')), /lacks the tables no_rows/],
    [
      'the definition of a table, though its rows are there',
      without(/CREATE TABLE `last` [^]*?;\n/),
      /has rows of the tables last, and does not define them/,
    ],
    [
      'a view',
      without(
        /DROP TABLE IF EXISTS `seen`[^]*?SET character_set_client = @saved_cs_client;\n/,
        /\/\*!50001 DROP VIEW IF EXISTS `seen`\*\/;\n(?:\/\*!50001 SET[^\n]*\n)*(?:\/\*!500(?:01|13)[^\n]*\n)*/,
      ),
      /lacks the views seen/,
    ],
    ['a trigger', without(/\/\*!50003 CREATE\*\/[^\n]*TRIGGER[^]*?;;\n/), /lacks the triggers before_first/],
    ['a function', without(/CREATE[^\n]*FUNCTION `counted`[^]*?;;\n/), /lacks the functions counted/],
    ['a procedure', without(/CREATE[^\n]*PROCEDURE `done`[^]*?;;\n/), /lacks the procedures done/],
    ['an event', without(/\/\*!50106 CREATE\*\/[^\n]*EVENT `nightly`[^]*?;;\n/), /lacks the events nightly/],
  ])('%s: there is no dump', async (_what, change, message) => {
    writing(change);
    const invalid = { code: 'DumpInvalid', message: expect.stringMatching(message) as string };
    await expect(dump()).rejects.toMatchObject(invalid);
  });

  it('a table, for a safety backup too, which does without what cannot be read', async () => {
    writing(without(WHOLE_TABLE('last')));
    await expect(dump({ without: [] })).rejects.toMatchObject({ code: 'DumpInvalid' });
  });

  it('whatever comes behind a statement: wherever it stops', async () => {
    let text = '';
    writing((all) => (text = all));
    await dump();
    // One in three: there are many that set what the next one runs under.
    const ends = [...text.matchAll(/;\n/g)].map(({ index }) => index + 2).filter((_, at) => at % 3 === 0);
    expect(ends.length).toBeGreaterThan(10);
    for (const end of ends) {
      instead = async ({ output }) => {
        if (output) await pipeline([Buffer.from(text.slice(0, end), 'latin1')], output);
        return { exitCode: 0, stdout: '', stderr: '', result: Buffer.alloc(0) };
      };
      await expect(dump().then(() => `a dump of ${end} bytes`)).rejects.toMatchObject({ code: 'DumpInvalid' });
    }
  });
});

describe('a program that ends badly', () => {
  it.each<[string, string, string]>([
    ['when it has written everything', '"$@"; exit 3', 'ProgramFailed'],
    ['in the middle, by a signal', '"$@" | head -c 1500; kill -9 $$', 'ProgramKilled'],
    ['before its first byte', 'exit 2', 'ProgramFailed'],
  ])('%s: there is no dump', async (_what, script, code) => {
    inShell(script);
    await expect(dump()).rejects.toMatchObject({ code });
  });

  it.each([
    ['that is cut on its way, though the last program of the row ends well', '"$@" | head -c 1500'],
    ['of nothing', 'exit 0'],
  ])('a dump %s is none', async (_what, script) => {
    inShell(script);
    await expect(dump()).rejects.toMatchObject({ code: 'DumpInvalid' });
  });
});

it('a dump under a writer of two tables is one moment, and keeps the writer from nothing', async () => {
  const login = { socketPath: lab.mariadb.socket, user: lab.mariadb.address.admin.user, database: 'full' };
  const [blocker, writer] = [await createConnection(login), await createConnection(login)];
  try {
    // The program has read the first table, and waits for the second.
    await blocker.query('LOCK TABLES held WRITE');
    let text = '';
    writing((all) => (text = all));
    const outcome = dump().then(
      ({ summary }) => summary.tables,
      (error: unknown) => error,
    );
    await until('the dump waits', async () =>
      (await lab.query('SHOW PROCESSLIST')).includes('Waiting for table metadata lock'),
    );
    await writer.query('SET SESSION lock_wait_timeout = 5');
    await writer.query('BEGIN');
    await writer.query('INSERT INTO first VALUES (100)');
    await writer.query('INSERT INTO last VALUES (100)');
    await writer.query('COMMIT');
    await blocker.query('UNLOCK TABLES');
    expect(await outcome).toMatchObject([
      { name: 'first', rows: 1 },
      { name: 'held', rows: 1 },
      { name: 'last', rows: 2 },
      { name: 'no_rows', rows: 0 },
    ]);
    expect(text).toContain('-- Dump completed');
    expect(text).not.toMatch(/\(100\)/);
  } finally {
    blocker.destroy();
    writer.destroy();
    await lab.query('DELETE FROM full.first WHERE id = 100; DELETE FROM full.last WHERE id = 100');
  }
});
