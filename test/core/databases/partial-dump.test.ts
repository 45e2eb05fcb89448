import { createWriteStream } from 'node:fs';
import { open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpWhatCanBeRead } from '../../../src/core/databases/partial-dump';
import { DumpComplaints } from '../../../src/core/databases/unreadable-tables';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
  await lab.query(`CREATE DATABASE shop; USE shop;
    CREATE TABLE good (id INT PRIMARY KEY, s TEXT); INSERT INTO good SELECT seq, 'x' FROM seq_1_to_1000;
    CREATE TABLE crashed (id INT, s VARCHAR(200)) ENGINE=MyISAM; INSERT INTO crashed SELECT seq, REPEAT(CHAR(65 + seq % 26), 1 + seq % 150) FROM seq_1_to_5000;
    CREATE TABLE torn (id INT, s VARCHAR(200)) ENGINE=Aria; INSERT INTO torn SELECT seq, REPEAT('z', 100) FROM seq_1_to_3000;
    CREATE TABLE \`key\`\`less\` (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO \`key\`\`less\` VALUES (1);
    CREATE TABLE lost (id INT PRIMARY KEY); INSERT INTO lost VALUES (1);
    CREATE TABLE holed (id INT PRIMARY KEY, s VARCHAR(200)); INSERT INTO holed SELECT seq, REPEAT('p', 100) FROM seq_1_to_5000;
    CREATE TABLE dataless (id INT) ENGINE=MyISAM; INSERT INTO dataless VALUES (1);
    CREATE VIEW of_good AS SELECT s FROM good; CREATE VIEW of_lost AS SELECT * FROM lost; CREATE VIEW of_crashed AS SELECT * FROM crashed; CREATE VIEW of_view AS SELECT s FROM of_crashed;
    CREATE TRIGGER noted BEFORE INSERT ON good FOR EACH ROW SET NEW.s = 'y'`);
  const [folder = ''] = (await lab.query('SELECT @@datadir')).trim().split('\n');
  const data = join(folder, 'shop');
  await lab.mariadb.stop();
  const tear = async (name: string, at: number, bytes: number): Promise<void> => {
    const file = await open(join(data, name), 'r+');
    await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, at);
    await file.close();
  };
  await tear('crashed.MYD', 100_000, 2000);
  await tear('torn.MAD', 100_000, 9000);
  await tear('holed.ibd', 16384 * 10, 200);
  await truncate(join(data, 'key@0060less.MYI'), 100);
  await rm(join(data, 'lost.ibd'));
  await rm(join(data, 'dataless.MYD'));
  await writeFile(join(data, 'senseless.frm'), 'no definition');
  await lab.mariadb.start();
});
afterAll(() => lab?.close());

const BROKEN = ['crashed', 'dataless', 'holed', 'key`less', 'lost', 'senseless', 'torn'];

async function dumpAll(database: string) {
  const path = join(lab.folder, 'partial.sql');
  let attempts = 0;
  const dump = await dumpWhatCanBeRead(
    lab.server,
    database,
    async () => {
      attempts += 1;
      return createWriteStream(path);
    },
    testOperation(),
  );
  return { dump, attempts, text: await readFile(path, 'utf8') };
}

test('what the server cannot open is known before, what it cannot read to its end is not', async () => {
  const { unreadableTables, brokenViews, nonTransactionalTables } = await lab.server.describe('shop');
  expect(unreadableTables.map(({ name }) => name).sort()).toEqual(['dataless', 'key`less', 'lost', 'senseless']);
  for (const { why } of unreadableTables) expect(why).not.toBe('');
  expect(brokenViews).toContain('of_lost');
  expect([...nonTransactionalTables].sort()).toEqual(['crashed', 'torn']);
});

test('a backup of a database with such tables is refused, and names them', async () => {
  await expect(lab.dump('shop')).rejects.toMatchObject({
    code: 'TableUnreadable',
    message: expect.stringMatching(/dataless .*, key`less .*, lost .*/) as unknown,
  });
});

test('what can be read of it is dumped whole, in three attempts, and can be imported', async () => {
  const { dump, attempts, text } = await dumpAll('shop');
  expect(dump.unreadable.map(({ name }) => name).sort()).toEqual(BROKEN);
  expect(attempts).toBe(3);
  expect(dump).toMatchObject({ exists: true, summary: { tables: [{ name: 'good', rows: 1000 }] } });
  for (const name of BROKEN) expect(text).not.toMatch(new RegExp(`CREATE TABLE \`${name.replace('`', '``')}\``));
  expect(text).toMatch(/TRIGGER `?noted/);
  expect(text).toMatch(/\n-- Dump completed[^\n]*\n$/);
  await lab.query('CREATE DATABASE again');
  await lab.server.createAccount({ user: 'again', hosts: ['localhost'] }, 'secret word', 'again');
  await lab.server.importDump(join(lab.folder, 'partial.sql'), 'again', 'again', 'secret word', testOperation());
  expect(await lab.query('SELECT COUNT(*), MAX(s) FROM again.good')).toBe('1000\tx\n');
  // A view of what is left out would fail the import; its definition is kept as far as it can be read.
  expect(await lab.query("SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'again'")).toBe(
    'of_good\n',
  );
  expect(text).toMatch(/^-- CREATE .*VIEW `of_view`/m);
});

test('a database that is gone is dumped as an empty one', async () => {
  const { dump, text } = await dumpAll('gone');
  expect(dump).toMatchObject({ exists: false, unreadable: [], bytes: text.length });
  expect(dump.summary.tables).toEqual([]);
  await lab.query('CREATE DATABASE empty');
  await lab.server.createAccount({ user: 'empty', hosts: ['localhost'] }, 'secret word', 'empty');
  await lab.server.importDump(join(lab.folder, 'partial.sql'), 'empty', 'empty', 'secret word', testOperation());
});

test('a server that goes away, or a table that is dropped meanwhile, is no broken table', async () => {
  const said = (...lines: string[]) => {
    const complaints = new DumpComplaints();
    // As it comes through a pipe.
    for (const byte of lines.join('\n')) complaints.take(Buffer.from(byte));
    return complaints.tables().map(({ name }) => name);
  };
  const crashed =
    "mariadb-dump: Error 1194: Table 'a' is marked as crashed and should be repaired when dumping table `a` at row: 17";
  const lost =
    "mariadb-dump: Couldn't execute 'show create table `b``c`': Got error 194 \"Tablespace is missing for a table\" from storage engine InnoDB (1030)";
  const unopened =
    "mysqldump: Couldn't execute 'SELECT /*!40001 SQL_NO_CACHE */ `x` FROM `d`': Table './s/d' is marked as crashed and should be repaired (145)";
  expect(said(crashed, lost, unopened, '')).toEqual(['a', 'b`c', 'd']);
  for (const other of [
    'mariadb-dump: Error 2013: Lost connection to server during query when dumping table `e` at row: 1',
    'mariadb-dump: Error 1412: Table definition has changed, please retry transaction when dumping table `e` at row: 0',
    "mariadb-dump: Couldn't execute 'show create table `e`': Table 's.e' doesn't exist (1146)",
    'mariadb-dump: Got errno 28 on write',
    "mariadb-dump: Couldn't execute 'SHOW FUNCTION STATUS WHERE Db = 's'': something (1030)",
  ])
    expect(said(crashed, other)).toEqual([]);
});
