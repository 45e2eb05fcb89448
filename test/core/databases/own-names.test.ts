import { readFile, rm } from 'node:fs/promises';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

/** A database whose table, aliases, variables and columns are called as it is. */
const BLOG = `
CREATE DATABASE blog CHARACTER SET utf8mb4; USE blog;
CREATE USER gone@'10.%' IDENTIFIED BY 'x'; GRANT ALL ON blog.* TO gone@'10.%';
CREATE TABLE blog (id INT PRIMARY KEY, hits INT, blog VARCHAR(100));
CREATE TABLE hits (n INT, blog INT, said VARCHAR(100) DEFAULT 'blog.hits');
CREATE SEQUENCE seq START 7;
CREATE TABLE numbered (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(blog.seq), t TEXT, KEY (t(5)));
CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE child (id INT PRIMARY KEY, blog INT, twice INT AS (blog * 2) STORED, CHECK (blog > 0),
  FOREIGN KEY (blog) REFERENCES blog.parent (id)) ENGINE=InnoDB;
INSERT INTO blog VALUES (1, 10, 'blog'), (2, 20, 'blog.hits'); INSERT INTO numbered (t) VALUES ('a');
INSERT INTO parent VALUES (1); INSERT INTO child (id, blog) VALUES (1, 1);
CREATE FUNCTION twice(blog INT) RETURNS INT DETERMINISTIC RETURN blog * 2;
CREATE FUNCTION most() RETURNS INT READS SQL DATA RETURN (SELECT MAX(blog.hits) FROM blog.blog);
CREATE VIEW plain AS SELECT blog.id, blog.hits, blog.twice(blog.hits) AS twofold FROM blog.blog;
CREATE DEFINER=gone@'10.%' SQL SECURITY DEFINER VIEW orphan AS
  SELECT blog.hits AS hits, blog.twice(b.id) AS t FROM blog.blog JOIN (blog.blog b, blog.parent p) ON blog.id = b.id AND p.id = 1;
DELIMITER //
CREATE TRIGGER blog.counts AFTER INSERT ON blog.blog FOR EACH ROW
  INSERT INTO blog.hits (n, blog) SELECT NEW.hits, blog.twice(blog.hits) FROM blog.blog WHERE blog.id = NEW.id//
CREATE PROCEDURE plain_names(IN blog INT, OUT found INT)
BEGIN
  DECLARE c CURSOR FOR SELECT blog.hits FROM blog.blog, blog.hits AS other WHERE blog.id = blog;
  -- not blog.hits
  /*!50003 UPDATE \`blog\`.hits SET hits.blog = hits.blog + 1 */;
  DELETE blog.hits FROM blog.hits JOIN blog.blog ON blog.hits = hits.n AND hits.n < 0;
  SELECT blog.blog.hits INTO found FROM \`blog\`.\`blog\` WHERE blog.blog.id = blog;
  INSERT INTO blog.hits (n, blog, said) VALUES (0, 0, 'said blog.hits');
END//
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'//
CREATE PROCEDURE ansi() BEGIN
  UPDATE "blog"."hits", "blog"."blog" SET "hits"."said" = 'C:\\' WHERE "blog"."id" = 1 AND "blog"."blog" = 'blog';
  INSERT INTO "blog".hits (n, said) VALUES (99, '"blog"."hits"');
END//
SET sql_mode = ''//
CREATE EVENT ticks ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO CALL blog.plain_names(1, @found)//
DELIMITER ;
DROP USER gone@'10.%';
`;

/** Uses all that the database defines, as whoever asks. */
const USE_IT = `
INSERT INTO blog VALUES (3, 30, 'new'); CALL plain_names(3, @found); SELECT @found; CALL ansi();
INSERT INTO numbered (t) VALUES ('b'); SELECT id > 7 FROM numbered WHERE t = 'b';
SELECT * FROM plain ORDER BY 1; SELECT * FROM hits ORDER BY 1, 2, 3; SELECT most();
`;
const SEEN = [
  ...['30', '1', '1\t10\t20', '2\t20\t40', '3\t30\t60'],
  ...['0\t0\tC:\\\\', '30\t61\tC:\\\\', '99\tNULL\t"blog"."hits"', '30'],
];

test('names inside definitions mean the new database when the old one is gone', async () => {
  await lab.query(BLOG);
  const operation = testOperation();
  const dump = await lab.dump('blog', operation);
  expect(operation.warnings.filter((warning) => warning.includes('cannot tell'))).toEqual([
    expect.stringMatching(
      /still say blog: the procedure ansi at '"blog"\."hits"'; the procedure plain_names at 'said blog.hits'$/,
    ),
  ]);
  // The archive says how it was.
  expect(dump.text).toContain('INSERT INTO blog.hits (n, blog) SELECT NEW.hits');
  await lab.query('DROP DATABASE blog');

  await lab.restore(dump.path, 'copy1');
  expect((await lab.query(`USE copy1; ${USE_IT}`)).trimEnd().split('\n')).toEqual(SEEN);
  expect(await lab.query('SELECT t FROM copy1.orphan ORDER BY 1')).toBe('2\n4\n6\n');
  await lab.server.enableEvents('copy1', ['ticks'], { user: 'copy1', hosts: ['localhost'] });
  const definitions = await lab.query(
    `SELECT EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'copy1';
      SELECT REFERENCED_TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'copy1';
      SELECT COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'copy1' AND COLUMN_DEFAULT LIKE '%blog.hits%'`,
  );
  expect(definitions).toBe("CALL `copy1`.plain_names(1, @found)\nparent\tcopy1\n'blog.hits'\n");

  // What was restored is backed up and restored again.
  const again = await lab.dump('copy1');
  await lab.query('DROP DATABASE copy1');
  await lab.restore(again.path, 'copy2');
  expect((await lab.query('SELECT COUNT(*) FROM copy2.hits; INSERT INTO copy2.blog VALUES (4, 40, 1)')).trim()).toBe(
    '3',
  );
  await rm(again.path);
});

test('what may mean the database, and text that may become a statement, is a warning of the backup', async () => {
  await lab.query(`CREATE DATABASE web; USE web; CREATE TABLE t (a INT);
    DELIMITER //
    CREATE PROCEDURE dynamic() BEGIN PREPARE s FROM 'SELECT * FROM web.t'; EXECUTE s; END//
    CREATE PROCEDURE lists() SHOW TABLES FROM web//
    CREATE PROCEDURE fine() SELECT 'web', t.a AS 'the web' FROM web.t//
    CREATE FUNCTION unsure() RETURNS INT RETURN web.x//
    DELIMITER ;`);
  const operation = testOperation();
  await lab.dump('web', operation);
  expect(operation.warnings).toHaveLength(1);
  expect(operation.warnings[0]).toMatch(
    /^definitions of web may mean this database where Kedge cannot tell; after a restore/,
  );
  for (const part of [
    "procedure dynamic at 'SELECT * FROM web.t'",
    'procedure lists at web',
    'function unsure at web.x',
  ])
    expect(operation.warnings[0]).toContain(part);
});

test('the name is that of the header, whatever it is; a dump without one is imported as it stands', async () => {
  const name = 'Ma base-1.ö`x';
  const quoted = '`Ma base-1.ö``x`';
  await lab.query(`CREATE DATABASE ${quoted}; USE ${quoted}; CREATE TABLE t (a INT);
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = (SELECT COUNT(*) FROM ${quoted}.t) + NEW.a;
    CREATE SEQUENCE s; CREATE TABLE u (a BIGINT DEFAULT NEXTVAL(s))`);
  const dump = await lab.dump(name);
  await lab.restore(dump.path, 'copy3');
  await lab.query(`DROP DATABASE ${quoted}`);
  expect(await lab.query('USE copy3; INSERT INTO t VALUES (5); INSERT INTO t VALUES (5); SELECT * FROM t')).toBe(
    '5\n6\n',
  );
  const headless = await lab.writeDump((await readFile(dump.path, 'utf8')).replace(/^-- Host.*$/m, '--'));
  await expect(lab.restore(headless, 'copy4')).rejects.toMatchObject({ code: 'ImportFailed' });
});
