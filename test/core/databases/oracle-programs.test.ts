import { DumpFilter } from '../../../src/core/databases/dump-filter';
import { testOperation } from '../../helpers/operation';
import { type DatabaseLab, TRAILER, openLab } from './lab';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

const PROGRAMS = `CREATE TABLE t (a INT);
  DELIMITER //
  CREATE TRIGGER t1 BEFORE INSERT ON t FOR EACH ROW /* it's a; comment */ BEGIN SET NEW.a = 1; END//
  CREATE TRIGGER t2 BEFORE INSERT ON t FOR EACH ROW BEGIN /* c */ SET NEW.a = NEW.a + 1; /* d */ END//
  CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO /* c; */ SELECT ';'//
  SET sql_mode = ORACLE//
  CREATE PACKAGE pack AS FUNCTION f RETURN INT; PROCEDURE p(a INT); END//
  CREATE PACKAGE BODY pack AS
    x INT := 1;
    FUNCTION hidden(a INT) RETURN VARCHAR(10) CHARSET utf8mb4; -- forward; begin
    FUNCTION hidden(a INT) RETURN VARCHAR(10) CHARSET utf8mb4 IS y VARCHAR(10) := CASE WHEN a > 1 THEN 'a;b' ELSE 'END;' END; BEGIN RETURN y; END;
    FUNCTION f RETURN INT DETERMINISTIC AS y INT := 2; BEGIN RETURN x + y; EXCEPTION WHEN OTHERS THEN BEGIN RETURN 0; END; WHEN NO_DATA_FOUND THEN IF 1 THEN RETURN 1; END IF; END f;
    PROCEDURE p(a INT) COMMENT 'it''s' AS CURSOR c IS SELECT 1 AS one; BEGIN
      IF a > 1 THEN SELECT 1; ELSIF a > 2 THEN SELECT 2; ELSE SELECT 3; END IF;
      FOR i IN 1..3 LOOP SELECT i; END LOOP; WHILE a > 9 LOOP SELECT 4; END LOOP;
    END;
  BEGIN
    SET x := 40;
  END//
  CREATE PROCEDURE o1(a INT) AS b INT := 3; BEGIN DECLARE c INT; BEGIN SELECT b; END; END//
  CREATE FUNCTION o2 RETURN INT AS b INT; c VARCHAR(10) := 'x;y'; BEGIN RETURN 5; END//
  CREATE FUNCTION o3(a t.a%TYPE) RETURN DECIMAL(5, 2) IS b t.a%TYPE := a; BEGIN RETURN b; END//
  DELIMITER ;`;

test("packages and routines in Oracle's mode, and comments on the first line of a body, come back", async () => {
  await lab.query(`CREATE DATABASE programs; USE programs; ${PROGRAMS}`);
  const saving = testOperation();
  const { path } = await lab.dump('programs', saving);
  expect(saving.warnings).toEqual([]);
  await lab.restore(path, 'again');
  const of = (database: string): Promise<string> =>
    lab.query(`SELECT ROUTINE_TYPE, ROUTINE_NAME, SQL_MODE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${database}' ORDER BY 1, 2;
      SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '${database}' ORDER BY 1;
      SELECT EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '${database}'`);
  const before = await of('programs');
  expect(before.match(/PACKAGE/g)).toHaveLength(2);
  expect(await of('again')).toBe(before);
  expect(
    await lab.query(
      'SET sql_mode = ORACLE; USE again; INSERT INTO t VALUES (5); SELECT a, pack.f(), o2(), o3(6) FROM t',
    ),
  ).toBe('2\t42\t5\t6.00\n');
});

/** What a dump is refused for; undefined for nothing. */
async function refusalOf(program: string, mode = 'ORACLE'): Promise<string | undefined> {
  const refused: string[] = [];
  const filter = new DumpFilter({
    rules: { disableEvents: true, database: undefined, cutDirectories: true },
    onRefused: ({ what }) => void refused.push(what),
  });
  filter.resume();
  const dump = `SET sql_mode = '${mode}';\nDELIMITER ;;\n${program}\n;;\nDELIMITER ;\n${TRAILER}`;
  await new Promise<void>((done, failed) => filter.on('error', failed).end(dump, done));
  return refused[0];
}

/** Each ends before its text does, or cannot be known not to. */
const FOLLOWED: readonly string[] = [
  'CREATE PACKAGE p AS x INT; END; DROP TABLE t; CREATE PACKAGE q AS x INT; END',
  'CREATE PACKAGE p AS x INT; BEGIN x := 1; END; SELECT SLEEP(9); END',
  'CREATE PACKAGE BODY p AS x INT; BEGIN x := 1; END; SELECT SLEEP(9); END',
  // A variable whose name is a word of the language.
  'CREATE PACKAGE BODY p AS function INT := 1 IS NULL; BEGIN x := 1; END; SELECT SLEEP(9); END',
  'CREATE PACKAGE BODY p AS procedure INT NOT NULL := 1 IS NULL; BEGIN x := 1; END; SELECT SLEEP(9); END',
  'CREATE PACKAGE BODY p AS FUNCTION f RETURN INT; BEGIN x := 1; END; SELECT SLEEP(9); END',
  'CREATE PROCEDURE p AS BEGIN SELECT 1; END; SELECT SLEEP(9)',
  'CREATE PROCEDURE p AS x INT; END; SELECT SLEEP(9); BEGIN SELECT 1; END',
  'CREATE FUNCTION f RETURN INT AS BEGIN RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 2; END; SELECT SLEEP(9); END',
  'CREATE FUNCTION f RETURN INT AS BEGIN RETURN CASE 1 WHEN 1 THEN 2 END; END; SELECT SLEEP(9)',
  'CREATE FUNCTION f RETURN INT RETURN (SELECT 1 AS x); SELECT SLEEP(9); BEGIN SELECT 1; END',
  'CREATE PROCEDURE p() SELECT 1 AS x; SELECT SLEEP(9); BEGIN SELECT 1; END',
  'CREATE PROCEDURE p AS BEGIN FOR i IN 1..2 LOOP SELECT 1; END LOOP; END; SELECT SLEEP(9); END LOOP; END',
  // In other servers text in another language follows.
  "CREATE FUNCTION f() RETURNS INT LANGUAGE SQL AS 'x'; SELECT SLEEP(9); BEGIN SELECT 1; END",
  "CREATE PROCEDURE p() AS 'x'; SELECT SLEEP(9); BEGIN SELECT 1; END",
  'CREATE PROCEDURE p() AS $$ x $$; SELECT SLEEP(9); BEGIN SELECT 1; END',
];

test.each(FOLLOWED)('what a server executes behind a program is refused: %s', async (program) => {
  expect(await refusalOf(program)).toMatch(/^more than the/);
  // Nor is it where the mode is another.
  expect(await refusalOf(program, 'ANSI_QUOTES')).toMatch(/^more than the/);
});

test('declarations are read so in that mode alone', async () => {
  const program = 'CREATE PROCEDURE p() AS x INT; BEGIN SELECT 1; END';
  expect(await refusalOf(program)).toBeUndefined();
  expect(await refusalOf(program, 'ANSI_QUOTES')).toBe('more than the procedure');
});
