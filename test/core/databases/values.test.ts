import { createConnection } from 'mysql2/promise';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

let names = 0;

/** Runs statements in a new database, dumps it, imports the dump, and asks the same of both. */
async function bringBack(statements: string, question: string, warnings: readonly unknown[] = []) {
  const from = `values${(names += 1)}`;
  await lab.query(`CREATE DATABASE ${from} CHARACTER SET utf8mb4; USE ${from}; SET sql_mode = ''; ${statements}`);
  const operation = testOperation();
  const dump = await lab.dump(from, operation);
  expect(operation.warnings).toEqual(warnings);
  const importing = testOperation();
  await lab.restore(dump.path, `${from}b`, importing);
  const ask = (database: string) => lab.query(`USE ${database}; SET NAMES utf8mb4, time_zone = '+00:00'; ${question}`);
  const before = await ask(from);
  const after = await ask(`${from}b`);
  expect(after).toBe(before);
  return { dump, before, warnings: importing.warnings };
}

test('FLOAT keeps all of its bits', async () => {
  const { before, dump } = await bringBack(
    `CREATE TABLE wp_geo (id INT PRIMARY KEY, f FLOAT, g FLOAT(7,3), h FLOAT UNSIGNED ZEROFILL, t TEXT, b BIT(9), y YEAR, e ENUM('a','b'),
       v INT AS (id * 2), w INT INVISIBLE DEFAULT 4);
     INSERT INTO wp_geo VALUES (1, 16777215, 1234.567, 7, 'it''s\\\\ \\0\\n', b'101', 0, 'a', DEFAULT), (2, 1234567.8, -0.001, 1.17549435e-38, NULL, NULL, 2000, 'zz', DEFAULT),
       (3, 0.1234567, NULL, 3.4e38, 'ü', 0, NULL, NULL, DEFAULT), (4, -0.0, 0, 1e-45, '', 0, 1901, 'b', DEFAULT);
     CREATE TRIGGER counts BEFORE INSERT ON wp_geo FOR EACH ROW SET NEW.t = 'from the trigger';
     CREATE TABLE flat (f FLOAT) ENGINE=MyISAM; INSERT INTO flat VALUES (0.1234567), (16777215);
     CREATE TABLE none (f FLOAT);`,
    `SELECT id, CAST(CAST(f AS DOUBLE) AS CHAR), g, CAST(CAST(h AS DOUBLE) AS CHAR), HEX(t), b + 0, y, e + 0, v, w FROM wp_geo ORDER BY id;
     SELECT CAST(CAST(f AS DOUBLE) AS CHAR) FROM flat;`,
    [expect.stringContaining('not transactional')],
  );
  expect(before).toContain('16777215');
  expect(before).toContain('1234567.75');
  expect(dump.summary.tables).toEqual([
    { name: 'flat', rows: 2 },
    { name: 'none', rows: 0 },
    { name: 'wp_geo', rows: 4 },
  ]);
});

test('a default of FLOAT that nobody can tell exactly is named', async () => {
  await bringBack(
    `CREATE TABLE wp_told (a FLOAT DEFAULT 16777215, b FLOAT NOT NULL DEFAULT 0.5); CREATE TABLE wp_with_row (a FLOAT NOT NULL DEFAULT 16777215); INSERT INTO wp_with_row () VALUES ();
     CREATE TABLE wp_empty (größe FLOAT NOT NULL DEFAULT 16777215, b FLOAT NOT NULL DEFAULT 0);`,
    `INSERT INTO wp_told () VALUES (); SELECT CAST(CAST(a AS DOUBLE) AS CHAR), b FROM wp_told; SELECT CAST(CAST(DEFAULT(a) AS DOUBLE) AS CHAR) FROM wp_with_row;`,
    [expect.stringMatching(/^defaults of FLOAT in \w+ .* \(1\): wp_empty\.größe$/)],
  );
});

test('bytes that are no letters in the character set of their column', async () => {
  const singles = [
    'ascii',
    'cp1251',
    'cp1250',
    'cp1256',
    'cp1257',
    'greek',
    'hebrew',
    'tis620',
    'latin1',
    'latin2',
    'koi8r',
    'swe7',
    'dec8',
    'cp850',
  ];
  const bytes = Array.from({ length: 256 }, (_each, byte) => byte.toString(16).padStart(2, '0'));
  const tables = singles.map(
    (
      charset,
    ) => `CREATE TABLE cs_${charset} (id INT PRIMARY KEY, t VARBINARY(4), e ENUM('ä','b') CHARACTER SET latin1 DEFAULT 'ä');
      INSERT INTO cs_${charset} (id, t) VALUES ${bytes.map((byte, at) => `(${at}, x'${byte}')`).join(',')};
      ALTER TABLE cs_${charset} MODIFY t VARCHAR(4) CHARACTER SET ${charset};`,
  );
  const wide = [
    ['sjis', '5c'],
    ['sjis', '835c'],
    ['cp932', '835c'],
    ['gbk', '815c'],
    ['big5', 'a45c'],
    ['ujis', '8fa2b7'],
    ['eucjpms', 'a4a2'],
    ['euckr', 'b0a1'],
    ['gb2312', 'b0a1'],
    ['ucs2', '005c0027'],
    ['utf16', 'd83dde00'],
    ['utf16le', '3dd800de'],
    ['utf32', '0001f600'],
    ['utf8mb3', 'c3a4'],
    ['utf8mb4', 'f09f9880'],
  ].map(
    (
      [charset, hex],
      at,
    ) => `CREATE TABLE w${at} (t VARCHAR(9) CHARACTER SET ${charset}, s SET('ä','b') CHARACTER SET ${/^(?:ucs|utf)/.test(charset ?? '') ? charset : 'utf8mb3'} DEFAULT 'b,ä');
      INSERT INTO w${at} (t) VALUES (_${charset} x'${hex}');`,
  );
  await bringBack(
    [...tables, ...wide].join('\n'),
    [
      ...singles.map((charset) => `SELECT id, HEX(t), e + 0 FROM cs_${charset} ORDER BY id;`),
      ...wide.map((_each, at) => `SELECT HEX(t), s + 0, HEX(s) FROM w${at}; SHOW CREATE TABLE w${at};`),
      'SHOW CREATE TABLE cs_greek;',
    ].join(' '),
  );
});

test('values that a dump shows as others, or reads as others', async () => {
  await bringBack(
    `CREATE TABLE labels (id INT, e ENUM('a',''), s SET('','x'), f ENUM('A','a') COLLATE utf8mb4_bin);
     INSERT INTO labels VALUES (1,'',0,'a'), (2,'nope',1,'A'), (3,NULL,3,NULL), (4,'a',2,'nope');
     CREATE TABLE texts (u UUID, i INET6, j INET4); INSERT INTO texts VALUES ('aa715a95-e9bc-11f1-b226-02fc00000001','::1','1.2.3.4'), (NULL,NULL,NULL);
     CREATE TABLE fixed (d DATE, t TIME(3), y2 YEAR(2)); SET sql_mode = 'ALLOW_INVALID_DATES';
     INSERT INTO fixed VALUES ('2020-02-31', '-12:30:00.5', 0), ('0000-00-00', '838:59:59', 2000), ('2020-00-10', NULL, 1970);
     CREATE TABLE counted (id INT PRIMARY KEY AUTO_INCREMENT, t TIMESTAMP NULL); SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
     INSERT INTO counted VALUES (0, NULL), (7, '2026-10-25 00:30:00'), (8, '2026-10-25 01:30:00'); SET sql_mode = '';
     CREATE TABLE made (a INT, b INT AS (a + 1) STORED, c INT INVISIBLE, d JSON, g GEOMETRY, z VARBINARY(9) DEFAULT x'ff0027', k BLOB COMPRESSED);
     INSERT INTO made (a, c, d, g, k) VALUES (1, 2, '{"a": "\\\\u00e4"}', ST_GeomFromText('POINT(1 2)', 4326), REPEAT('z', 300));`,
    `SELECT id, e + 0, HEX(e), s + 0, HEX(s), f + 0 FROM labels ORDER BY id; SELECT HEX(u), HEX(i), HEX(j) FROM texts;
     SELECT * FROM fixed; SELECT id, t, UNIX_TIMESTAMP(t) FROM counted; SELECT a, b, c, d, HEX(g), HEX(z), HEX(k) FROM made;
     SHOW CREATE TABLE made; SHOW CREATE TABLE labels;`,
  );
});

test('history of system-versioned tables comes back, and a warning names what has none', async () => {
  const history = `CREATE TABLE kept (id INT PRIMARY KEY, t TEXT, f FLOAT) WITH SYSTEM VERSIONING; INSERT INTO kept VALUES (1,'a',0.1234567),(2,'b',1);
    UPDATE kept SET t = 'c' WHERE id = 1; DELETE FROM kept WHERE id = 2;
    CREATE TABLE named (id INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, till TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE,
      x INT, PERIOD FOR SYSTEM_TIME (since, till)) WITH SYSTEM VERSIONING; INSERT INTO named (id, x) VALUES (1, 2); UPDATE named SET x = 3;`;
  const question = `SELECT id, t, CAST(CAST(f AS DOUBLE) AS CHAR), row_start, row_end FROM kept FOR SYSTEM_TIME ALL ORDER BY 1, 4;
    SELECT id, x, since, till FROM named FOR SYSTEM_TIME ALL ORDER BY since;`;
  const { before } = await bringBack(history, question);
  expect(before.trim().split('\n')).toHaveLength(5);
  await bringBack(
    `${history} CREATE TABLE precise (id INT, a BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, z BIGINT UNSIGNED GENERATED ALWAYS AS ROW END,
      PERIOD FOR SYSTEM_TIME (a, z)) WITH SYSTEM VERSIONING; INSERT INTO precise (id) VALUES (1); UPDATE precise SET id = 2;`,
    `${question} SELECT id FROM precise;`,
    [expect.stringMatching(/history .*: precise$/)],
  );
});

test('rows that Kedge reads by itself are of the moment at which the dump began', async () => {
  await lab.query(`CREATE DATABASE moving; USE moving; CREATE TABLE a_plain (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO a_plain VALUES (0);
    CREATE TABLE z_float (n INT, f FLOAT); INSERT INTO z_float VALUES (0, 0);`);
  const writer = await createConnection({
    socketPath: lab.mariadb.socket,
    user: lab.mariadb.address.admin.user,
    database: 'moving',
  });
  let writing = true;
  const written = (async () => {
    while (writing) {
      await writer.query('START TRANSACTION');
      await writer.query('UPDATE z_float SET n = n + 1');
      await writer.query('UPDATE a_plain SET n = n + 1');
      await writer.query('COMMIT');
    }
  })();
  try {
    for (let round = 0; round < 4; round += 1) {
      const operation = testOperation();
      const dump = await lab.dump('moving', operation);
      expect(operation.warnings).toEqual([]);
      const plain = /INSERT INTO `a_plain` VALUES\s*\((\d+)\)/.exec(dump.text)?.[1];
      const float = /INSERT INTO `z_float` \(`n`, `f`\) VALUES\s*\((\d+),/.exec(dump.text)?.[1];
      expect(plain).toBeDefined();
      expect(float).toBe(plain);
    }
  } finally {
    writing = false;
    await written;
    await writer.end();
  }
});

test('what an earlier server or a session without checks let in is let in again', async () => {
  const wide = Array.from({ length: 150 }, (_each, at) => `c${at} VARCHAR(100) CHARACTER SET utf8mb4`).join(',');
  await bringBack(
    `SET SESSION innodb_strict_mode = OFF, check_constraint_checks = 0, foreign_key_checks = 0;
     CREATE TABLE wp_fixed (id INT PRIMARY KEY) ENGINE=InnoDB ROW_FORMAT=FIXED; CREATE TABLE wp_wide (${wide}) ENGINE=InnoDB ROW_FORMAT=COMPACT;
     CREATE TABLE wp_j (id INT PRIMARY KEY, j LONGTEXT CHECK (JSON_VALID(j))); INSERT INTO wp_j VALUES (1, '{broken');
     CREATE TABLE e_fk1 (id INT PRIMARY KEY, o INT); CREATE TABLE e_fk2 (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES e_fk1(id));
     ALTER TABLE e_fk1 ADD FOREIGN KEY (o) REFERENCES e_fk2(id); INSERT INTO e_fk1 VALUES (1,1); INSERT INTO e_fk2 VALUES (1,1),(2,99);`,
    'SELECT * FROM wp_j; SELECT * FROM e_fk2; SHOW CREATE TABLE wp_fixed; SHOW CREATE TABLE e_fk1; SELECT COUNT(*) FROM wp_wide;',
  );
});

test('rows longer than max_allowed_packet go in pieces, in the dump and from older dumps', async () => {
  await lab.query('SET GLOBAL max_allowed_packet = 2097152');
  try {
    const { dump } = await bringBack(
      `CREATE TABLE wp_files (id INT PRIMARY KEY, a LONGBLOB); INSERT INTO wp_files VALUES (0,'x'), (1,REPEAT(x'00ff01fe',450000)), (2,'y');
       CREATE TABLE three (id INT, a LONGBLOB, b LONGTEXT, c LONGBLOB, z INT);
       INSERT INTO three VALUES (1, REPEAT(x'00',1900000), REPEAT('ü\\\\''',450000), REPEAT(x'ff5c',900000), 5), (2,'','','',6);
       CREATE TABLE floats (f FLOAT, a LONGBLOB, b LONGBLOB); INSERT INTO floats VALUES (0.1234567, REPEAT(x'00ff',900000), REPEAT(x'27ff',900000)), (1,'','');`,
      'SELECT id, LENGTH(a), MD5(a) FROM wp_files; SELECT id, MD5(a), MD5(b), MD5(c), z FROM three; SELECT f, MD5(a), MD5(b) FROM floats;',
    );
    expect(Math.max(...dump.text.split(';\n').map((statement) => statement.length))).toBeLessThan(1.5 * 1024 * 1024);
    const trailer = '-- Dump completed on 2026-11-24  8:26:34\n';
    const hex = await lab.writeDump(
      `SET NAMES utf8mb4;\nCREATE TABLE t (id INT, a LONGBLOB, b LONGTEXT);\nINSERT INTO t VALUES (1,0x01,'a'),\n(2,0x${'00ff'.repeat(900_000)},'${'ü'.repeat(900_000)}'),(3,NULL,'c');\n${trailer}`,
    );
    await lab.restore(hex, 'pieces');
    expect(
      await lab.query("SELECT id, LENGTH(a), MD5(a) = MD5(REPEAT(x'00ff', 900000)), CHAR_LENGTH(b) FROM pieces.t"),
    ).toBe('1\t1\t0\t1\n2\t1800000\t1\t900000\n3\tNULL\tNULL\t1\n');
    const long = await lab.writeDump(
      `SET NAMES utf8mb4;\nCREATE TABLE t (a LONGBLOB);\nINSERT INTO t VALUES ('${'x'.repeat(2_200_000)}');\n${trailer}`,
    );
    await expect(lab.restore(long, 'toolong')).rejects.toMatchObject({
      message: expect.stringContaining('a value of table t of 2200000 bytes'),
      code: 'DumpIncompatible',
    });
  } finally {
    await lab.query('SET GLOBAL max_allowed_packet = 16777216');
  }
});

test('a dump of an earlier Kedge is imported as UTF-8, under conditions that keep its values', async () => {
  const path = await lab.writeDump(`/*!40101 SET NAMES utf8mb4 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE TABLE \`t\` (\`a\` varchar(9) CHARACTER SET latin1, \`d\` date, \`v\` varbinary(9), j longtext CHECK (json_valid(j)));
INSERT INTO \`t\` VALUES ('ä','2020-02-31',0xFF00,'{broken');
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES' */ ;
DELIMITER ;;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 'é'; END ;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
-- Dump completed on 2026-11-24  8:26:34
`);
  await lab.restore(path, 'earlier');
  expect(await lab.query('SELECT HEX(a), d, HEX(v), j FROM earlier.t')).toBe('E4\t2020-02-31\tFF00\t{broken\n');
  expect(await lab.query("SELECT SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'earlier'")).toBe(
    'STRICT_TRANS_TABLES\n',
  );
});
