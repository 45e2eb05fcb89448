import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

/** Everything of a database that a restore must bring back, without names of databases and definers. */
async function portrait(database: string): Promise<Record<string, unknown>> {
  const rows = async (sql: string) => (await lab.query(sql)).split('\n').filter((line) => line !== '');
  const where = (column: string) => `WHERE ${column} = '${database}' ORDER BY 1, 2`;
  // The rows of a versioned table hold when they were written, so it has no checksum.
  const checked = ['kinds', '`we``ird; nämé\nline`', 'empty', 'parent', 'child', 'parts', 'flat', 'log'];
  const tables = [...checked, 'told'];
  return {
    checksums: (await rows(`USE ${database}; CHECKSUM TABLE ${checked.join(', ')};`)).map((line) =>
      line.split('\t').at(-1),
    ),
    tables: await Promise.all(
      tables.map(async (table) =>
        (await lab.query(`USE ${database}; SHOW CREATE TABLE ${table};`)).replace(/ROW_START.*/, ''),
      ),
    ),
    views: (
      await rows(
        `SELECT TABLE_NAME, VIEW_DEFINITION, SECURITY_TYPE, CHECK_OPTION FROM information_schema.VIEWS ${where('TABLE_SCHEMA')}`,
      )
    ).map((line) => line.replaceAll(`\`${database}\`.`, '')),
    routines: await rows(
      `SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, SECURITY_TYPE, SQL_MODE, DTD_IDENTIFIER, ROUTINE_COMMENT, DATABASE_COLLATION FROM information_schema.ROUTINES ${where('ROUTINE_SCHEMA')}`,
    ),
    triggers: await rows(
      `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT, ACTION_TIMING, SQL_MODE, DATABASE_COLLATION FROM information_schema.TRIGGERS ${where('TRIGGER_SCHEMA')}`,
    ),
    events: await rows(
      `SELECT EVENT_NAME, EVENT_DEFINITION, INTERVAL_VALUE, INTERVAL_FIELD, STARTS, EXECUTE_AT, EVENT_COMMENT, ON_COMPLETION, STATUS FROM information_schema.EVENTS ${where('EVENT_SCHEMA')}`,
    ),
    told: await rows(`SELECT * FROM ${database}.told`),
  };
}

test('what was dumped is what is imported, under another name and account', async () => {
  await lab.query(await readFile(join(__dirname, 'fixtures/shop.sql'), 'utf8'));
  await lab.query('ALTER EVENT shop.resting DISABLE');
  const operation = testOperation();
  const dump = await lab.dump('shop', operation);
  const before = await portrait('shop');

  expect(dump.bytes).toBe((await stat(dump.path)).size);
  expect(operation.reports.at(-1)).toEqual({ bytes: dump.bytes });
  expect(operation.warnings).toEqual([expect.stringContaining('flat')]);
  expect(dump.summary).toMatchObject({ charset: 'utf8mb4', collation: 'utf8mb4_general_ci', views: expect.anything() });
  expect(Object.fromEntries(dump.summary.tables.map(({ name, rows }) => [name, rows]))).toEqual({
    kinds: 3,
    'we`ird; nämé\nline': 3,
    empty: 0,
    parent: 1,
    child: 1,
    parts: 4,
    flat: 1,
    log: 0,
    told: 1,
  });
  expect([...dump.summary.views].toSorted()).toEqual(['odd', 'seen', 'shown']);
  expect(dump.summary.enabledEvents).toEqual(['later; ENABLE']);

  const reading = testOperation();
  const imported = await lab.restore(dump.path, 'copy1', reading);
  expect(imported).toEqual({ bytes: dump.bytes, enabledEvents: ['later; ENABLE'] });
  expect(reading.reports.at(-1)).toEqual({ bytes: dump.bytes, totalBytes: dump.bytes });
  const during = await lab.query(
    "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'copy1' AND STATUS = 'ENABLED'",
  );
  expect(during).toBe('');

  await lab.server.enableEvents('copy1', imported.enabledEvents, { user: 'copy1', hosts: ['localhost'] });
  await lab.server.enableEvents('copy1', [...imported.enabledEvents, 'never was'], {
    user: 'copy1',
    hosts: ['localhost'],
  });
  expect(await portrait('copy1')).toEqual(before);

  const definers = await lab.query(`
    SELECT DISTINCT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'copy1'
    UNION SELECT DISTINCT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'copy1'
    UNION SELECT DISTINCT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'copy1'
    UNION SELECT DISTINCT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'copy1'`);
  expect(definers).toBe('copy1@localhost\n');
  await lab.query('CALL copy1.note(5); INSERT INTO copy1.flat VALUES (8); SELECT * FROM copy1.seen');
  expect(await lab.query('SELECT n FROM copy1.log ORDER BY n')).toBe('5\n8\n');

  // A dump of the copy is the dump of the original, but for what counts up and the clock.
  const settled = (text: string) => text.replace(/^(-- (?:Host:|Dump(?:ing)? |Server)|DO SETVAL).*$/gm, '');
  await lab.query('DELETE FROM copy1.log; DELETE FROM copy1.flat WHERE id = 8');
  expect(settled((await lab.dump('copy1')).text)).toBe(settled((await lab.dump('shop')).text));
});

test('a database whose collation changed since its routines were made', async () => {
  await lab.query(`CREATE DATABASE turned CHARACTER SET latin1; USE turned; CREATE TABLE t (id int);
    CREATE FUNCTION f() RETURNS varchar(10) RETURN 'x'; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1;
    CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1; ALTER DATABASE turned CHARACTER SET utf8mb4;`);
  await lab.restore((await lab.dump('turned')).path, 'turned2');
  const collations = (name: string) =>
    lab.query(`SELECT DATABASE_COLLATION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${name}'
      UNION ALL SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${name}'`);
  expect(await collations('turned2')).toBe('latin1_swedish_ci\nutf8mb4_general_ci\n');
});

test('views whose tables or functions are gone are kept as comments', async () => {
  await lab.query(String.raw`CREATE DATABASE broken; USE broken; CREATE TABLE t (id int); CREATE TABLE gone (id int);
    CREATE VIEW fine AS SELECT * FROM t; CREATE VIEW ${'`'}lost
DROP TABLE t;${'`'} AS SELECT id, 'x
y' AS s FROM gone; CREATE FUNCTION f() RETURNS int RETURN 1; CREATE VIEW called AS SELECT f(); DROP FUNCTION f; DROP TABLE gone;`);
  const facts = await lab.server.describe('broken');
  expect(facts.brokenViews).toEqual(['called', 'lost\nDROP TABLE t;']);
  const operation = testOperation();
  const dump = await lab.dump('broken', operation);
  expect(operation.warnings).toEqual([expect.stringContaining('called')]);
  expect(dump.summary.views).toEqual(['fine']);
  expect(dump.text).toMatch(/-- CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `called` AS select `f`\(\)/);
  await lab.restore(dump.path, 'broken2');
  expect((await lab.server.describe('broken2')).views).toEqual(['fine']);
  expect((await lab.server.describe('broken2')).tables).toEqual(['t']);
});

test('a description names what there is', async () => {
  expect(await lab.server.describe('shop')).toMatchObject({
    charset: 'utf8mb4',
    nonTransactionalTables: ['flat'],
    brokenViews: [],
    routines: 3,
    triggers: 1,
    events: [
      { name: 'later; ENABLE', enabled: true },
      { name: 'resting', enabled: false },
      { name: 'ticking', enabled: false },
    ],
  });
  await expect(lab.server.describe('nowhere')).rejects.toMatchObject({ code: 'DatabaseUnknown' });
  const facts = await lab.server.facts();
  expect(facts).toMatchObject({ kind: 'mariadb', allowsFunctionCreators: true });
  for (const name of ['utf8_general_ci', 'utf8mb3_general_ci', 'utf8mb4_uca1400_ai_ci'])
    expect(facts.collations).toContain(name);
  for (const name of ['utf8', 'utf8mb3', 'utf8mb4', 'latin1']) expect(facts.charsets).toContain(name);
  expect(facts.collations).not.toContain('utf8mb4_0900_ai_ci');
});
