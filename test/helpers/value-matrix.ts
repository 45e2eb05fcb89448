import type { DatabaseLab } from '../core/databases/lab';

/**
 * What a server can hold, as far as its `information_schema` says: a database with a table for each character set, collation, engine,
 * row format and option, and with every kind of object that a dump program has an option for.
 */
export interface Matrix {
  readonly statements: string;
  /** Tables whose rows are ordered by nothing but themselves, and so on: what a backup of it warns of, as regular expressions. */
  readonly warnings: readonly RegExp[];
}

/** Types with values at their edges. A server that knows another type has a plugin for it, and the matrix fails until it is here. */
const TYPES: readonly (readonly [type: string, values: readonly string[]])[] = [
  ['TINYINT', ['-128', '127']],
  ['TINYINT UNSIGNED ZEROFILL', ['0', '255']],
  ['BOOLEAN', ['0', '1', '7']],
  ['SMALLINT', ['-32768', '32767']],
  ['MEDIUMINT', ['-8388608', '8388607']],
  ['INT', ['-2147483648', '2147483647']],
  ['INT(3) ZEROFILL', ['7', '4294967295']],
  ['BIGINT', ['-9223372036854775808', '9223372036854775807']],
  ['BIGINT UNSIGNED', ['0', '18446744073709551615']],
  ['DECIMAL(65,30)', [`-${'9'.repeat(35)}.${'9'.repeat(30)}`, '0.000000000000000000000000000001']],
  ['DECIMAL(5,0) UNSIGNED', ['99999']],
  ['FLOAT', ['16777215', '1234567.8', '0.1234567', '-3.402823466e38', '1.175494351e-38', '1e-45', '-0.0', '0.1']],
  ['FLOAT(7,3)', ['1234.567', '-0.001']],
  ['FLOAT UNSIGNED ZEROFILL', ['3.1415927']],
  ['DOUBLE', ['-1.7976931348623157e308', '2.2250738585072014e-308', '4.9e-324', '0.1', '0.30000000000000004', '-0.0']],
  ['DOUBLE(20,10)', ['1234567890.0123456789']],
  ['BIT(1)', ["b'0'", "b'1'"]],
  ['BIT(64)', ['18446744073709551615', '0']],
  ['DATE', ["'0000-00-00'", "'2020-02-31'", "'2020-00-00'", "'9999-12-31'", "'0001-01-01'"]],
  ['TIME', ["'-838:59:59'", "'838:59:59'", "'00:00:00'"]],
  ['TIME(6)', ["'-838:59:59.999999'", "'00:00:00.000001'"]],
  ['DATETIME', ["'0000-00-00 00:00:00'", "'2021-02-30 10:00:00'", "'9999-12-31 23:59:59'"]],
  ['DATETIME(6)', ["'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"]],
  ['TIMESTAMP NULL', ["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"]],
  ['TIMESTAMP(6) NULL', ["'2020-10-25 00:30:00.123456'", "'2020-10-25 01:30:00.123456'"]],
  ['YEAR', ['0', '1901', '2155']],
  ['CHAR(4)', ["''", "'a '", "' a'"]],
  ['VARCHAR(200)', [String.raw`'\0\n\r\Z\t\b\'"\\%_'`, "'trailing  '", "'-- ; DELIMITER //'", "'@kedge_1'", "''"]],
  ['BINARY(4)', ["x'00'", "x'5c27ff20'"]],
  [
    'VARBINARY(300)',
    [`x'${Array.from({ length: 256 }, (_each, byte) => byte.toString(16).padStart(2, '0')).join('')}'`],
  ],
  ['TINYBLOB', ["x'00ff'"]],
  ['BLOB', ["x'5c5c2722'", "''"]],
  ['MEDIUMBLOB', ["REPEAT(x'00ff5c27', 30000)"]],
  ['LONGBLOB', ["REPEAT(x'1a0a0d22', 400000)"]],
  ['TINYTEXT', ["'ü'"]],
  ['TEXT', ["'😀 \\\\ ü'"]],
  ['MEDIUMTEXT', ["REPEAT('ü\\\\''', 20000)"]],
  ['LONGTEXT', ["REPEAT('€', 300000)"]],
  ['JSON', [String.raw`'{"a": "\\u00e4", "b": [1, 2.50]}'`, "'{broken'"]],
  ["ENUM('a','B','ü','with, comma','it''s')", ["'a'", "'ü'", "'it''s'", "'no label'"]],
  ["ENUM('','x')", ["''", "'x'", "'no label'"]],
  ["SET('a','b','ü')", ["''", "'a,ü'", '7']],
  ["SET('','x')", ["''", '1', '3']],
  ['GEOMETRY', ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"]],
  ['POINT', ["ST_GeomFromText('POINT(0.1 -1e300)')"]],
  ['LINESTRING', ["ST_GeomFromText('LINESTRING(0 0,1 1)', 7)"]],
  ['POLYGON', ["ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"]],
  ['MULTIPOINT', ["ST_GeomFromText('MULTIPOINT(0 0,1 1)')"]],
  ['MULTILINESTRING', ["ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"]],
  ['MULTIPOLYGON', ["ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))')"]],
  ['GEOMETRYCOLLECTION', ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')"]],
  ['UUID', ["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"]],
  ['INET4', ["'255.255.255.255'", "'0.0.0.0'"]],
  ['INET6', ["'::ffff:192.0.2.1'", "'::'", "'5c27:5c00::'"]],
];

/** Engines of which a table is no table, or cannot be made by hand. */
const NO_TABLES = new Set(['PERFORMANCE_SCHEMA', 'SEQUENCE', 'MRG_MYISAM', 'FEDERATED', 'SPHINX', 'BLACKHOLE']);

const TABLES: readonly string[] = [
  ...['REDUNDANT', 'COMPACT', 'DYNAMIC', 'COMPRESSED', 'FIXED'].map(
    (format) => `rf_innodb_${format} (n INT PRIMARY KEY, t TEXT) ENGINE=InnoDB ROW_FORMAT=${format}`,
  ),
  ...['FIXED', 'DYNAMIC'].map((format) => `rf_myisam_${format} (n INT, t CHAR(9)) ENGINE=MyISAM ROW_FORMAT=${format}`),
  ...['PAGE', 'FIXED', 'DYNAMIC'].map(
    (format) =>
      `rf_aria_${format} (n INT, t CHAR(9)) ENGINE=Aria TRANSACTIONAL=${format === 'PAGE' ? 1 : 0} ROW_FORMAT=${format}`,
  ),
  'o_counter (n INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=4711',
  `o_comment (n INT COMMENT 'it''s "ü" \\\\ \\n') COMMENT='it''s ü; -- \\\\'`,
  'o_sums (n INT) ENGINE=MyISAM CHECKSUM=1 DELAY_KEY_WRITE=1 PACK_KEYS=1 MAX_ROWS=1000 MIN_ROWS=2 AVG_ROW_LENGTH=99',
  'o_stats (n INT) STATS_PERSISTENT=0 STATS_AUTO_RECALC=0 STATS_SAMPLE_PAGES=7',
  'o_block (n INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4',
  'o_page (n INT PRIMARY KEY, t TEXT) PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=3',
  'o_aria (n INT) ENGINE=Aria PAGE_CHECKSUM=1 TRANSACTIONAL=1',
  `o_columns (a INT INVISIBLE DEFAULT 4, b BLOB COMPRESSED, c VARCHAR(99) COMPRESSED=zlib, n INT AS (a * 2) VIRTUAL, s INT AS (a + 1) STORED,
     j VARCHAR(40) AS (CONCAT(a, 'ü')) PERSISTENT, d DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), e INT DEFAULT (1 + 2),
     u VARCHAR(40) DEFAULT 'it''s ü \\\\', x VARBINARY(9) DEFAULT x'00ff27', q INT CHECK (q > 0), CONSTRAINT both_ CHECK (a < q OR q IS NULL))`,
  'o_floats (a FLOAT DEFAULT 16777215, b FLOAT DEFAULT -0.12345678, c FLOAT DEFAULT 1e-45, d FLOAT DEFAULT 0.1, `e``; ü` FLOAT NOT NULL DEFAULT 3.4028234e38, f FLOAT DEFAULT (1 / 3), g FLOAT DEFAULT NULL, h FLOAT(7,3) DEFAULT 1.234)',
  `o_keys (a INT NOT NULL, b VARCHAR(300) NOT NULL, t TEXT NOT NULL, g POINT NOT NULL, PRIMARY KEY (a DESC, b(10)), UNIQUE KEY hashed (t) USING HASH,
     KEY two (b(7) DESC, a), FULLTEXT KEY f (t) COMMENT 'words', SPATIAL KEY s (g), KEY out_of_use (a) IGNORED)`,
  'o_parent (a INT PRIMARY KEY)',
  'o_child (a INT PRIMARY KEY, b INT, CONSTRAINT `fk; ü` FOREIGN KEY (b) REFERENCES o_parent (a) ON DELETE SET NULL ON UPDATE CASCADE)',
  'o_period (a INT, s DATE, e DATE, PERIOD FOR p (s, e), UNIQUE (a, p WITHOUT OVERLAPS))',
  'p_hash (n INT) PARTITION BY LINEAR HASH (n) PARTITIONS 3',
  'p_key (n INT PRIMARY KEY) PARTITION BY KEY (n) PARTITIONS 2',
  `p_range (n INT) PARTITION BY RANGE (n) SUBPARTITION BY HASH (n) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (10) COMMENT 'it''s', PARTITION b VALUES LESS THAN MAXVALUE)`,
  `p_list (t VARCHAR(9)) CHARACTER SET latin1 PARTITION BY LIST COLUMNS (t) (PARTITION a VALUES IN ('ä', 'ö'), PARTITION b VALUES IN ('x''y', NULL), PARTITION c DEFAULT)`,
  'v_plain (n INT PRIMARY KEY, f FLOAT, t TEXT) WITH SYSTEM VERSIONING',
  `v_named (n INT PRIMARY KEY, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, till TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, w INT WITHOUT SYSTEM VERSIONING,
     PERIOD FOR SYSTEM_TIME (since, till)) WITH SYSTEM VERSIONING`,
  'v_parts (n INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c CURRENT)',
  'e_merge (n INT, t CHAR(9)) ENGINE=MRG_MyISAM UNION=(rf_myisam_FIXED) INSERT_METHOD=LAST',
];

const ROWS = `
  INSERT INTO o_columns (a, b, c, q) VALUES (1, REPEAT('x', 2000), REPEAT('y', 90), 2), (NULL, NULL, NULL, NULL);
  INSERT INTO o_keys VALUES (1, 'ü', 'it''s', POINT(1, 2)), (2, 'b', 'x', POINT(3, 4)); INSERT INTO o_floats () VALUES (), (); INSERT INTO o_parent VALUES (1), (2); INSERT INTO o_child VALUES (1, 2), (2, 99), (3, NULL);
  INSERT INTO o_period VALUES (1, '2020-01-01', '2020-02-01'), (1, '2020-02-01', '2020-03-01'); INSERT INTO o_counter VALUES (0), (-5), (NULL);
  INSERT INTO p_hash VALUES (1), (2), (3); INSERT INTO p_key VALUES (1), (2); INSERT INTO p_range VALUES (1), (100); INSERT INTO p_list VALUES ('ä'), ('x''y'), (NULL), ('z');
  INSERT INTO v_plain VALUES (1, 0.1234567, 'a'), (2, 16777215, 'b'); UPDATE v_plain SET t = 'c', f = 1234567.8 WHERE n = 1; DELETE FROM v_plain WHERE n = 2;
  INSERT INTO v_named (n, w) VALUES (1, 2); UPDATE v_named SET n = 2; UPDATE v_named SET w = 3; INSERT INTO v_parts VALUES (1); UPDATE v_parts SET n = 2;
  ALTER TABLE o_sums DISABLE KEYS;`;

const OTHERS = `
  CREATE SEQUENCE s_plain; CREATE SEQUENCE s_used START WITH 5 INCREMENT BY -3 MINVALUE -100 MAXVALUE 50 CACHE 4 ENGINE=InnoDB COMMENT='ü'; DO NEXTVAL(s_used); DO NEXTVAL(s_used);
  CREATE SEQUENCE s_round MINVALUE 1 MAXVALUE 3 NOCACHE CYCLE; DO NEXTVAL(s_round), NEXTVAL(s_round), NEXTVAL(s_round), NEXTVAL(s_round), NEXTVAL(s_round);
  CREATE TABLE s_default (n BIGINT PRIMARY KEY DEFAULT NEXTVAL(s_plain), t TEXT); INSERT INTO s_default (t) VALUES ('a'), ('b');
  CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW w_a AS SELECT n, 'it''s ü' AS t FROM p_hash WHERE n < 99 WITH LOCAL CHECK OPTION; CREATE ALGORITHM=TEMPTABLE VIEW a_b AS SELECT * FROM w_a;
  DELIMITER //
  SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'//
  CREATE TRIGGER t_1 BEFORE INSERT ON p_hash FOR EACH ROW BEGIN SET @a = '\\'; SET @b = "new"."n"; END//
  SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE'//
  CREATE TRIGGER t_2 BEFORE INSERT ON p_hash FOR EACH ROW FOLLOWS t_1 BEGIN
    /* ü; */ SET @a = 'é // -- x'; END//
  CREATE TRIGGER t_3 BEFORE INSERT ON p_hash FOR EACH ROW PRECEDES t_2 SET @c = 1//
  CREATE FUNCTION f_1(a VARCHAR(9) CHARACTER SET latin1, b DECIMAL(9,2)) RETURNS VARCHAR(20) CHARACTER SET utf8mb4 DETERMINISTIC READS SQL DATA SQL SECURITY INVOKER COMMENT 'it''s ü' RETURN CONCAT(a, 'ü', b)//
  CREATE AGGREGATE FUNCTION f_2(x INT) RETURNS INT BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END//
  CREATE PROCEDURE p_1(IN a INT, OUT b TEXT, INOUT c DATETIME(6)) MODIFIES SQL DATA BEGIN -- a comment
    SET b = '//'; IF a THEN SELECT 1; END IF; END//
  CREATE EVENT e_1 ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00' ENDS '2031-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'ü''s' DO BEGIN SELECT 1; END//
  CREATE EVENT e_2 ON SCHEDULE AT '2035-05-05 05:05:05' DISABLE ON SLAVE DO SELECT 1//
  DELIMITER ;`;

/** The statements of a matrix for this server. `whole`: every letter of every character set, and a column of every collation. */
export async function matrixOf(lab: DatabaseLab, { whole }: { whole: boolean }): Promise<Matrix> {
  const list = async (sql: string): Promise<string[][]> =>
    (await lab.query(sql))
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  await lab.query("INSTALL SONAME 'ha_archive'; INSTALL SONAME 'ha_blackhole'").catch(() => undefined);
  const plugins = await list("SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'DATA TYPE'");
  const known = new Set(TYPES.map(([type]) => type.toLowerCase()));
  const unknown = plugins.flat().filter((plugin) => !known.has(plugin.toLowerCase()));
  if (unknown.length > 0) throw new Error(`types that are not in the matrix: ${unknown.join(', ')}`);
  const charsets = await list('SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS ORDER BY 1');
  const collations = await list(
    `SELECT CHARACTER_SET_NAME, FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY ORDER BY 1, 2`,
  );
  const engines = (await list("SELECT ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')"))
    .flat()
    .filter((engine) => !NO_TABLES.has(engine.toUpperCase()));
  const statements = [
    "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', innodb_strict_mode = 0, check_constraint_checks = 0, foreign_key_checks = 0, time_zone = '+00:00';",
    ...TYPES.map(([type, values], at) =>
      [
        `CREATE TABLE type_${at} (n INT PRIMARY KEY, v ${type}) CHARACTER SET utf8mb4;`,
        ...[...values, 'NULL'].map((value, row) => `INSERT INTO type_${at} VALUES (${row}, ${value});`),
      ].join('\n'),
    ),
    ...charsets.map(([charset = '', length = '1']) => charsetTable(charset, Number(length), whole)),
    ...collationTables(whole ? collations : collations.filter((_each, at) => at % 5 === 0)),
    ...engines.map(
      (engine) =>
        `CREATE TABLE engine_${engine} (n INT NOT NULL, t VARCHAR(99) NOT NULL) ENGINE=${engine}; INSERT INTO engine_${engine} VALUES (1, 'ü'), (0, 'it''s');`,
    ),
    'CREATE TABLE engine_hole (n INT) ENGINE=BLACKHOLE; INSERT INTO engine_hole VALUES (1);',
    ...TABLES.map((table) => `CREATE TABLE ${table};`),
    ...TABLES.filter((table) => table.startsWith('rf_')).map(
      (table) => `INSERT INTO ${table.split(' ')[0]} VALUES (1, 'ü'), (2, NULL);`,
    ),
    ROWS,
    OTHERS,
  ];
  return { statements: statements.join('\n'), warnings: [/not transactional/] };
}

/** Texts of a character set: each byte of those with one byte a letter, else the letters that Unicode has for it. */
function charsetTable(charset: string, length: number, whole: boolean): string {
  const table = `cs_${charset}`;
  const labels =
    charset === 'binary'
      ? ''
      : `, e ENUM('a', 'ä', 'ю', '中') CHARACTER SET ${charset}, s SET('x', 'ß') CHARACTER SET ${charset}`;
  const columns = `(n INT PRIMARY KEY, v VARBINARY(1200)${labels})`;
  const define = `CREATE TABLE ${table} ${columns.replace(/'(?:ä|ю|中|ß)'(?:, )?/g, '').replaceAll(', )', ')')} ENGINE=InnoDB;`;
  if (charset === 'binary') return define;
  if (length === 1) {
    const rows = Array.from({ length: 256 }, (_each, byte) => `(${byte}, x'${byte.toString(16).padStart(2, '0')}')`);
    return `${define} INSERT INTO ${table} (n, v) VALUES ${rows.join(',')}; ALTER TABLE ${table} MODIFY v VARCHAR(1200) CHARACTER SET ${charset};
      UPDATE ${table} SET e = n % 2 + 1, s = n % 2 WHERE n < 4;`;
  }
  const blocks = whole
    ? Array.from({ length: 512 }, (_each, block) => block)
    : [0, 3, 4, 5, 0x20, 0x21, 0x30, 0x4e, 0x7f, 0xac, 0xff, 0x1f6];
  const rows = blocks.flatMap((block) => {
    if (block >= 0xd8 && block <= 0xdf) return [];
    const points = Array.from({ length: 256 }, (_each, low) => (block * 256 + low).toString(16).padStart(8, '0'));
    return [`(${block}, CONVERT(CONVERT(x'${points.join('')}' USING utf32) USING ${charset}))`];
  });
  return `${define} ALTER TABLE ${table} MODIFY v TEXT CHARACTER SET ${charset}; INSERT INTO ${table} (n, v) VALUES ${rows.join(',')};
    UPDATE ${table} SET e = n % 2 + 1, s = n % 2 WHERE n < 6;`;
}

function collationTables(collations: readonly (readonly string[])[]): string[] {
  const tables: string[] = [];
  for (let at = 0; at < collations.length; at += 60) {
    const columns = collations
      .slice(at, at + 60)
      .map(
        ([charset, collation], index) =>
          `c${index} VARCHAR(9) CHARACTER SET ${charset} COLLATE ${collation} DEFAULT 'a'`,
      );
    tables.push(`CREATE TABLE co_${at} (${columns.join(', ')}) ROW_FORMAT=DYNAMIC; INSERT INTO co_${at} () VALUES ();`);
  }
  return tables;
}

/**
 * Everything of a database, value by value: texts by their bytes, FLOAT as the DOUBLE it is, ENUM and SET by number too, times in UTC, with
 * history; every definition; sequences; checksums. Without the name of the database and of definers. Tables and views `without` are left out.
 */
export async function portraitOf(
  lab: DatabaseLab,
  database: string,
  without: readonly string[] = [],
): Promise<string[]> {
  const columns = (
    await lab.query(
      `SELECT c.TABLE_NAME, c.COLUMN_NAME, LOWER(c.DATA_TYPE), t.TABLE_TYPE, t.ENGINE FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
        WHERE t.TABLE_SCHEMA = '${database}' ORDER BY BINARY c.TABLE_NAME, c.ORDINAL_POSITION`,
    )
  )
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t') as [string, string, string, string, string]);
  const tables = new Map<string, { type: string; expressions: string[] }>();
  for (const [table, column, dataType, type] of columns.filter(([name]) => !without.includes(name))) {
    const known = tables.get(table) ?? { type, expressions: [] };
    known.expressions.push(expressionOf(`\`${column.replaceAll('`', '``')}\``, dataType));
    tables.set(table, known);
  }
  const asked: string[] = [];
  for (const [table, { type, expressions }] of tables) {
    const name = `\`${table.replaceAll('`', '``')}\``;
    if (type === 'SEQUENCE') asked.push(`SELECT q.* FROM ${name} q`, `SHOW CREATE SEQUENCE ${name}`);
    else if (type === 'VIEW') asked.push(`SELECT q.* FROM ${name} q ORDER BY 1, 2`, `SHOW CREATE VIEW ${name}`);
    else {
      const history =
        type === 'SYSTEM VERSIONED'
          ? [' FOR SYSTEM_TIME ALL', table === 'v_named' ? '' : ', row_start, row_end']
          : ['', ''];
      const order = expressions
        .slice(0, 16)
        .map((_each, at) => at + 1)
        .join(', ');
      asked.push(
        `SELECT ${expressions.join(', ')}${history[1]} FROM ${name}${history[0]} ORDER BY ${order}${history[1]}`,
        `SHOW CREATE TABLE ${name}`,
        ...(type === 'SYSTEM VERSIONED' ? [] : [`CHECKSUM TABLE ${name}`]),
      );
    }
  }
  for (const [table, column, dataType] of columns)
    if (dataType === 'float' && table === 'o_floats' && column !== 'f')
      asked.push(
        `SELECT CAST(CAST(DEFAULT(\`${column.replaceAll('`', '``')}\`) AS DOUBLE) AS CHAR) FROM o_floats LIMIT 1`,
      );
  const where = (column: string) => `WHERE ${column} = '${database}' ORDER BY 1, 2, 3`;
  asked.push(
    `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.TRIGGERS ${where('TRIGGER_SCHEMA')}`,
    `SELECT ROUTINE_TYPE, ROUTINE_NAME, DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.ROUTINES ${where('ROUTINE_SCHEMA')}`,
    `SELECT SPECIFIC_NAME, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER FROM information_schema.PARAMETERS ${where('SPECIFIC_SCHEMA')}`,
    `SELECT EVENT_NAME, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, STARTS, ENDS, ON_COMPLETION, EVENT_COMMENT, EVENT_DEFINITION, SQL_MODE, TIME_ZONE FROM information_schema.EVENTS ${where('EVENT_SCHEMA')}`,
    `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${database}'`,
  );
  const answers = await lab.query(
    `USE ${database}; SET SESSION time_zone = '+00:00', sql_mode = '', group_concat_max_len = 100000000; SET NAMES utf8mb4; ${asked.map((sql) => `${sql};`).join('\n')}`,
  );
  return answers.split('\n').map((line) =>
    line
      .replace(/DEFINER=`[^`]*`@`[^`]*`/g, 'DEFINER')
      .replaceAll(`\`${database}\`.`, '')
      .replace(new RegExp(`^${database}\\.`), ''),
  );
}

function expressionOf(column: string, type: string): string {
  if (type === 'float') return `HEX(CAST(CAST(${column} AS DOUBLE) AS CHAR))`;
  if (type === 'enum' || type === 'set') return `CONCAT(HEX(${column}), '=', ${column} + 0)`;
  if (type === 'bit') return `${column} + 0`;
  if (
    /^(?:char|varchar|.*text|.*blob|.*binary|geometry|.*point|.*linestring|.*polygon|geometrycollection)$/.test(type)
  ) {
    // Long ones by their sum: what differs shows all the same.
    return `IF(LENGTH(${column}) > 2000, CONCAT(LENGTH(${column}), ':', SHA2(${column}, 256)), HEX(${column}))`;
  }
  return `CAST(${column} AS CHAR)`;
}
