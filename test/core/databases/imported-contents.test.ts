import { createConnection } from 'mysql2/promise';
import { AdminConnection } from '../../../src/core/databases/admin-connection';
import { DumpCensus, type DumpContents } from '../../../src/core/databases/dump-census';
import { checkImported } from '../../../src/core/databases/imported-contents';
import { type DatabaseLab, TRAILER, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
let admin: AdminConnection;
beforeAll(async () => {
  lab = await openLab();
  admin = new AdminConnection(lab.host, lab.mariadb.address, undefined);
  await lab.query("INSTALL SONAME 'ha_blackhole'; INSTALL SONAME 'ha_archive'");
});
afterAll(async () => {
  await admin?.close();
  await lab?.close();
});

let names = 0;
const nextName = (): string => `made${(names += 1)}`;

/** Imports statements as a dump; the error it ends with, or what came of it. */
async function importOf(statements: string, database = nextName()): Promise<unknown> {
  return lab.restore(await lab.writeDump(statements + TRAILER), database).catch((error: unknown) => error);
}

const NOT_THE_DUMP = (what: string) => ({
  code: 'ImportFailed',
  server: 'lab',
  message: expect.stringMatching(new RegExp(`is not what the dump holds: .*${what}`)) as unknown,
});

const BY_CASE = { ignoreCase: false, withRows: true };

const EVERYTHING = `
  CREATE TABLE plain (n INT PRIMARY KEY, t TEXT); INSERT INTO plain VALUES (1,'(a),(b)'),(2,'');
  CREATE TABLE \`täble; DROP\` (n INT); INSERT INTO \`täble; DROP\` VALUES (1);
  CREATE TABLE floats (f FLOAT); INSERT INTO floats VALUES (0.1234567),(2),(3);
  CREATE TABLE long_row (n INT, a LONGBLOB, b LONGBLOB); INSERT INTO long_row VALUES (1,REPEAT('x',3000000),REPEAT('y',3000000)),(2,'',''),(3,'','');
  CREATE TABLE kept (n INT) WITH SYSTEM VERSIONING; INSERT INTO kept VALUES (1); UPDATE kept SET n = 2; UPDATE kept SET n = 3;
  CREATE TABLE e_my (n INT) ENGINE=MyISAM; INSERT INTO e_my VALUES (1),(2);
  CREATE TABLE e_merge (n INT) ENGINE=MRG_MyISAM UNION=(e_my); CREATE TABLE e_hole (n INT) ENGINE=BLACKHOLE; INSERT INTO e_hole VALUES (1);
  CREATE TABLE e_aria (n INT) ENGINE=Aria; INSERT INTO e_aria VALUES (1); CREATE TABLE e_mem (n INT) ENGINE=MEMORY; INSERT INTO e_mem VALUES (1);
  CREATE TABLE e_csv (n INT NOT NULL) ENGINE=CSV; INSERT INTO e_csv VALUES (1); CREATE TABLE e_archive (n INT) ENGINE=ARCHIVE; INSERT INTO e_archive VALUES (1);
  CREATE TABLE parts (n INT) PARTITION BY HASH (n) PARTITIONS 3; INSERT INTO parts VALUES (1),(2),(3),(4);
  CREATE SEQUENCE seq; CREATE VIEW v AS SELECT n FROM plain; CREATE VIEW w AS SELECT n FROM v;
  CREATE TRIGGER tr AFTER INSERT ON plain FOR EACH ROW INSERT INTO e_my VALUES (NEW.n);
  CREATE FUNCTION f() RETURNS INT RETURN 1; CREATE PROCEDURE p() SELECT 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;`;
const PACKAGE = `SET sql_mode = 'ORACLE';
  DELIMITER $$
  CREATE PACKAGE pack AS FUNCTION f RETURN INT; END $$
  CREATE PACKAGE BODY pack AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END $$
  DELIMITER ;`;

test('a dump of everything says what it holds, and is found to have been imported', async () => {
  await lab.query(`CREATE DATABASE everything; USE everything; ${EVERYTHING}`);
  const { path, summary } = await lab.dump('everything');
  expect(Object.fromEntries(summary.tables.map(({ name, rows }) => [name, rows]))).toEqual({
    ...{ plain: 2, 'täble; DROP': 1, floats: 3, long_row: 3, kept: 3, parts: 4 },
    ...{ e_my: 2, e_merge: 0, e_hole: 0, e_aria: 1, e_mem: 1, e_csv: 1, e_archive: 1 },
  });
  expect(summary).toMatchObject({
    ...{ views: ['v', 'w'], sequences: ['seq'], triggers: ['tr'], functions: ['f'], procedures: ['p'], events: ['e'] },
    ...{ packages: [], packageBodies: [] },
  });
  await lab.restore(path, 'everything2');
  await lab.query(`CREATE DATABASE packed; USE packed; ${PACKAGE}`);
  expect((await lab.dump('packed')).summary).toMatchObject({
    packages: ['pack'],
    packageBodies: ['pack'],
    functions: [],
  });
  // A dump may go into a database that an earlier attempt has filled.
  await lab.query('CREATE TABLE everything2.of_before (n INT)');
  await lab.restore(path, 'everything2');
});

test('whatever is not there behind an import is named', async () => {
  await lab.query(`CREATE DATABASE lossy; USE lossy; ${EVERYTHING}`);
  const { tables, views, sequences, triggers, functions, procedures, events } = (await lab.dump('lossy')).summary;
  const contents: DumpContents = {
    ...{ ...new DumpCensus().contents, views, tables: new Map(tables.map(({ name, rows }) => [name, rows])) },
    ...({ sequences, triggers, functions, procedures, events } as Partial<DumpContents>),
  };
  const check = () => checkImported(admin, 'lossy', contents, BY_CASE, testOperation());
  await check();
  await lab.query('USE lossy; DELETE FROM e_my LIMIT 1; DELETE FROM parts WHERE n = 3; INSERT INTO e_csv VALUES (9)');
  await expect(check()).rejects.toMatchObject(
    NOT_THE_DUMP('rows are not those that were sent in e_csv \\(2 of 1\\), e_my \\(1 of 2\\), parts \\(3 of 4\\)$'),
  );
  for (const [dropped, said] of [
    ['EVENT e', '; the events e'],
    ['PROCEDURE p', '; the procedures p'],
    ['FUNCTION f', '; the functions f'],
    ['TRIGGER tr', '; the triggers tr'],
    ['SEQUENCE seq', '; the sequences seq'],
    ['VIEW v', '; the views v'],
    ['TABLE plain, `täble; DROP`', 'the tables plain, täble; DROP'],
  ] as const) {
    await lab.query(`USE lossy; DROP ${dropped}`);
    await expect(check()).rejects.toMatchObject(NOT_THE_DUMP(`there are not .*${said.replace(/^; /, '')}`));
  }
});

test('rows that the server does not take are missed', async () => {
  const rows = 'CREATE TABLE t (n INT PRIMARY KEY);\nINSERT IGNORE INTO t VALUES (1),(2),(1);';
  expect(await importOf(rows)).toMatchObject(NOT_THE_DUMP('in t \\([02] of 3\\)'));
  // Rows that replace others say themselves that they may be fewer.
  expect(await importOf(rows.replace('INSERT IGNORE', 'REPLACE'))).toMatchObject({ enabledEvents: [] });
  const unfinished = 'CREATE TABLE t (n INT);\nSET autocommit=0;\nINSERT INTO t VALUES (1);';
  expect(await importOf(unfinished)).toMatchObject(NOT_THE_DUMP('in t \\(0 of 1\\)'));
  await lab.query("SET GLOBAL enforce_storage_engine = 'BLACKHOLE'");
  try {
    const swallowed = 'CREATE TABLE t (n INT) ENGINE=InnoDB;\nINSERT INTO t VALUES (1);';
    expect(await importOf(swallowed)).toMatchObject(NOT_THE_DUMP('in t \\(0 of 1\\)'));
  } finally {
    await lab.query('SET GLOBAL enforce_storage_engine = NULL');
  }
});

test('a value that the server changes is a failure that names its column; a row of an ENUM without label is none', async () => {
  const table = "CREATE TABLE before_ (v VARCHAR(2));\nINSERT INTO before_ VALUES ('ab');\nCREATE TABLE t";
  const behind = 'DROP TABLE IF EXISTS nowhere;\nCREATE TABLE u (a INT);\nINSERT INTO u VALUES (1);';
  for (const [columns, rows, said] of [
    ['(v VARCHAR(3))', "('abc'),('abcd')", 't\\.v \\(warning 1265, 1 times\\)$'],
    ['(i TINYINT, d DATE)', "(1,'2020-02-31'),(300,'2020-13-01')", 't\\.i \\(warning 1264.*t\\.d \\(warning 1265'],
    ['(n INT)', "('abc'),('xyz')", 't\\.n \\(warning 1366, 2 times\\)$'],
    ["(s SET('x'))", "('x'),('y')", 't\\.s \\(warning 1265, 1 times\\)$'],
    ["(`no, (n` ENUM('a'), v CHAR(1))", "('','x'),('','xy')", 't\\.v \\(warning 1265, 1 times\\)$'],
  ] as const) {
    const dump = `SET NAMES binary;\n${table} ${columns};\nINSERT INTO t VALUES ${rows};\n${behind}${TRAILER}`;
    const outcome = await lab
      .restore(await lab.writeDump(Buffer.from(dump, 'latin1')), nextName())
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({
      ...{ code: 'ImportFailed', server: 'lab' },
      message: expect.stringMatching(
        new RegExp(`^the server took rows for made\\d+ otherwise than the dump has them: ${said}`),
      ) as unknown,
    });
  }
  const fine =
    "CREATE TABLE t (e ENUM('a','b'), g INT AS (1));\nINSERT INTO t VALUES ('',1),('a',1),('',1);\nINSERT INTO t (e) VALUES ('');";
  expect(await importOf(fine)).toMatchObject({ enabledEvents: [] });
  // Warnings about what is no row are none of its business.
  expect(await importOf(behind)).toMatchObject({ enabledEvents: [] });
});

const TABLE = `CREATE TABLE \`t\` (
  \`n\` int(11) NOT NULL DEFAULT 7,
  \`v\` varchar(9) DEFAULT NULL COMMENT 'it''s, AUTO',
  \`g\` int(11) GENERATED ALWAYS AS (\`n\` + 1) VIRTUAL,
  PRIMARY KEY (\`n\`),
  KEY \`by v\` (\`v\`),
  CONSTRAINT \`c\` CHECK (\`n\` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci`;

test('a table that is not what the dump defines is a failure from the same version, and a warning from another', async () => {
  await lab.query(`CREATE DATABASE defined; USE defined; ${TABLE}`);
  const madeOn = (await lab.query('SELECT VERSION()')).trim();
  const contents: DumpContents = {
    ...new DumpCensus().contents,
    ...{ tables: new Map([['t', 0]]), tableDefinitions: new Map([['t', TABLE]]) },
  };
  const operation = testOperation();
  const check = (by: string | undefined) =>
    checkImported(admin, 'defined', contents, { ...BY_CASE, madeOn: by }, operation);
  await check(madeOn);
  for (const [change, said] of [
    ['ALTER n DROP DEFAULT', '`n` int\\(11\\) NOT NULL DEFAULT 7'],
    ["MODIFY v VARCHAR(9) COMMENT 'others'", "`v` varchar\\(9\\) DEFAULT NULL COMMENT 'it''s, AUTO'"],
    ['DROP KEY `by v`', 'KEY `by v` \\(`v`\\)'],
    ['DROP CONSTRAINT c', 'CONSTRAINT `c` CHECK \\(`n` > 0\\)'],
    ['ENGINE=Aria', '\\) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci'],
    ['DROP COLUMN g', '`g` int\\(11\\) GENERATED ALWAYS AS \\(`n` \\+ 1\\) VIRTUAL'],
  ] as const) {
    await lab.query(`ALTER TABLE defined.t ${change}`);
    await expect(check(madeOn)).rejects.toMatchObject(NOT_THE_DUMP(`definitions lack (?:.*, )?t: ${said}`));
    await check(undefined);
    if (change !== 'DROP COLUMN g') await check('10.1.1-MariaDB');
  }
  expect(operation.warnings).toEqual([]);
  await check('10.1.1-MariaDB');
  expect(operation.warnings).toEqual([expect.stringMatching(/10\.1\.1-MariaDB wrote; they lack t: the column g$/)]);
});

test('a server that makes another table of a definition fails the import of its own dump', async () => {
  await lab.query('CREATE DATABASE engines; CREATE TABLE engines.t (n INT) ENGINE=MyISAM');
  const { path } = await lab.dump('engines');
  await lab.query("SET GLOBAL enforce_storage_engine = 'InnoDB'");
  try {
    await expect(lab.restore(path, nextName())).rejects.toMatchObject(
      NOT_THE_DUMP('definitions lack t: \\) ENGINE=MyISAM'),
    );
  } finally {
    await lab.query('SET GLOBAL enforce_storage_engine = NULL');
  }
  await lab.restore(path, nextName());
});

test('a dump that drops its own tables ends as a failure', async () => {
  expect(await importOf('CREATE TABLE t (n INT);\nINSERT INTO t VALUES (1);\nDROP TABLE t;')).toMatchObject(
    NOT_THE_DUMP('drops its tables t again'),
  );
  expect(await importOf('CREATE TABLE T (n INT);\nCREATE TABLE u (n INT);\nDROP TABLE IF EXISTS t, u;')).toMatchObject(
    NOT_THE_DUMP('drops its tables u again'),
  );
});

test('what takes longer than a second to count is left uncounted', async () => {
  await lab.query('CREATE DATABASE slow; USE slow; CREATE TABLE locked (n INT); CREATE TABLE quick (n INT)');
  const contents: DumpContents = {
    ...new DumpCensus().contents,
    tables: new Map([
      ['locked', 7],
      ['quick', 0],
    ]),
  };
  const said: string[] = [];
  const operation = {
    ...testOperation(),
    log: { info: (line: string) => void said.push(line), warn: () => undefined },
  };
  const blocker = await createConnection({ socketPath: lab.mariadb.socket, user: lab.mariadb.address.admin.user });
  try {
    await blocker.query('LOCK TABLES slow.locked WRITE');
    await checkImported(admin, 'slow', contents, BY_CASE, operation);
  } finally {
    blocker.destroy();
  }
  expect(said).toEqual([expect.stringContaining('slow whose rows were counted only while they were sent: 1')]);
  await expect(checkImported(admin, 'slow', contents, BY_CASE, testOperation())).rejects.toMatchObject(
    NOT_THE_DUMP('locked \\(0 of 7\\)'),
  );
});
