import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { type DatabaseLab, openLab } from './lab';

let lab: DatabaseLab;
beforeAll(async () => {
  lab = await openLab();
  await lab.query(`CREATE DATABASE shop; CREATE DATABASE other; CREATE TABLE other.t (a INT); USE shop; CREATE USER gone@localhost;
    CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a TEXT) COMMENT 'one';
    CREATE TABLE empty (a VARCHAR(20) CHARACTER SET latin1 DEFAULT 'ä'); CREATE TABLE measured (f FLOAT); CREATE TABLE measured_empty (f FLOAT);
    CREATE TABLE kept (a INT) WITH SYSTEM VERSIONING; CREATE TABLE old (a INT) ENGINE=MyISAM; CREATE TABLE long_rows (a LONGTEXT);
    CREATE SEQUENCE s; CREATE DEFINER=gone@localhost VIEW v AS SELECT * FROM shop.t; CREATE VIEW elsewhere AS SELECT * FROM other.t;
    CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO shop.old VALUES (1);
    CREATE DEFINER=gone@localhost FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
    CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' DO DELETE FROM t WHERE id < 0;
    INSERT INTO t (a) VALUES ('one'), ("it's; CREATE TABLE x (a INT);"); INSERT INTO measured VALUES (1.5);`);
});
afterAll(() => lab?.close());

/** The digest of a dump while it was written, and that of its file. */
async function digest(database = 'shop'): Promise<string> {
  const { definitions, path } = await lab.dump(database);
  const inspector = new DumpInspector();
  await pipeline(createReadStream(path), inspector);
  expect(inspector.result().definitions).toBe(definitions);
  return definitions;
}

test('what happens to a site from night to night leaves the digest of its definitions as it was', async () => {
  const before = await digest();
  for (const night of [
    "INSERT INTO shop.t (a) VALUES ('two'); SELECT NEXTVAL(shop.s)",
    'INSERT INTO shop.empty VALUES (1); INSERT INTO shop.measured_empty VALUES (2.5); INSERT INTO shop.old VALUES (7)',
    'INSERT INTO shop.kept VALUES (1); UPDATE shop.kept SET a = 2; DELETE FROM shop.kept',
    "INSERT INTO shop.long_rows VALUES (REPEAT('x', 9000000)), (REPEAT('\\'', 9000000))",
    'DELETE FROM shop.t; DELETE FROM shop.measured; DELETE FROM shop.long_rows',
  ]) {
    await lab.query(night);
    expect(await digest()).toBe(before);
  }
});

test('what changes a definition, or how it is read, changes it', async () => {
  const seen = new Set([await digest()]);
  const changes = [
    'ALTER TABLE shop.t ADD INDEX (a(3))',
    "ALTER TABLE shop.t COMMENT 'two'",
    'CREATE OR REPLACE VIEW shop.v AS SELECT id FROM shop.t',
    "SET sql_mode = 'PIPES_AS_CONCAT'; CREATE OR REPLACE FUNCTION shop.f() RETURNS INT DETERMINISTIC RETURN 1",
    'DROP TABLE shop.empty',
    'ALTER DATABASE shop CHARACTER SET latin1; CREATE TABLE shop.again (a INT) CHARACTER SET latin1',
    'SET NAMES latin1; CREATE OR REPLACE TRIGGER shop.tr AFTER INSERT ON shop.t FOR EACH ROW INSERT INTO shop.old VALUES (1)',
  ];
  for (const change of changes) {
    await lab.query(change);
    seen.add(await digest());
  }
  expect(seen.size).toBe(changes.length + 1);
});
