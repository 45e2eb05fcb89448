import { portraitOf } from '../../helpers/value-matrix';
import { type DatabaseLab, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

/** Smallest databases after public reports of what other programs lost, or could not bring back. */
const REPORTED: Record<string, string> = {
  'bytes without a Unicode character': [
    ['ascii', 'e9'],
    ['cp1251', '98'],
    ['cp1250', '81'],
    ['greek', 'aa'],
    ['hebrew', 'c0'],
    ['tis620', 'db'],
    ['sjis', '5c'],
    ['cp1257', '81'],
    ['cp1256', '8a'],
  ]
    .map(
      ([charset, byte]) =>
        `CREATE TABLE wp_cs_${charset} (t VARCHAR(4) CHARACTER SET ${charset}); INSERT INTO wp_cs_${charset} VALUES (_${charset} x'${byte}');`,
    )
    .join('\n'),
  'a default from a sequence':
    "CREATE SEQUENCE wp_seq; CREATE TABLE wp_s (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(wp_seq), t TEXT); INSERT INTO wp_s (t) VALUES ('a');",
  'engines, and foreign keys in a circle with orphans': `CREATE TABLE e_m1 (id INT) ENGINE=MyISAM; CREATE TABLE e_merge (id INT) ENGINE=MRG_MyISAM UNION=(e_m1);
    CREATE TABLE e_aria (id INT) ENGINE=Aria TRANSACTIONAL=0; CREATE TABLE e_mem (id INT) ENGINE=MEMORY; CREATE TABLE e_csv (id INT NOT NULL) ENGINE=CSV;
    CREATE TABLE e_comp (id INT PRIMARY KEY, b BLOB COMPRESSED) ROW_FORMAT=DYNAMIC; CREATE TABLE e_fk1 (id INT PRIMARY KEY, o INT);
    CREATE TABLE e_fk2 (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES e_fk1 (id)); ALTER TABLE e_fk1 ADD FOREIGN KEY (o) REFERENCES e_fk2 (id);
    SET foreign_key_checks = 0; INSERT INTO e_fk1 VALUES (1, 1); INSERT INTO e_fk2 VALUES (1, 1), (2, 99);`,
  'FLOAT without digits':
    'CREATE TABLE wp_geo (id INT PRIMARY KEY, f FLOAT); INSERT INTO wp_geo VALUES (1, 16777215), (2, 1234567.8), (3, 0.1234567);',
  'odd names': `CREATE TABLE \`wp-po.sts\` (\`a\`\`b\` INT PRIMARY KEY, \`c'"d\` TEXT); CREATE TABLE \`x\`\`y; DROP TABLE wp_users; --\` (id INT);
    CREATE TABLE wp_posts (id INT, title TEXT); CREATE TABLE \`WP_POSTS\` (id INT); CREATE TABLE \`${'n'.repeat(64)}\` (\`${'c'.repeat(64)}\` INT);
    CREATE VIEW \`v.i-e\`\`w\` AS SELECT * FROM \`wp-po.sts\`; CREATE VIEW \`A_first\` AS SELECT * FROM \`v.i-e\`\`w\`; INSERT INTO \`WP_POSTS\` VALUES (1), (2);`,
  'a long row under max_allowed_packet':
    "CREATE TABLE wp_files (id INT PRIMARY KEY, a LONGBLOB); INSERT INTO wp_files VALUES (1, REPEAT(x'00ff01fe', 2250000));",
  'a row that breaks a check':
    "CREATE TABLE wp_j (id INT PRIMARY KEY, j LONGTEXT CHECK (JSON_VALID(j))); SET check_constraint_checks = 0; INSERT INTO wp_j VALUES (1, '{broken');",
  'tables made without innodb_strict_mode': `SET SESSION innodb_strict_mode = OFF; CREATE TABLE wp_fixed (id INT PRIMARY KEY) ENGINE=InnoDB ROW_FORMAT=FIXED;
    CREATE TABLE wp_wide (${Array.from({ length: 150 }, (_each, at) => `c${at} VARCHAR(100) CHARACTER SET utf8mb4`).join(', ')}) ENGINE=InnoDB ROW_FORMAT=COMPACT;`,
  'a trigger that names its database': `CREATE TABLE wp_links (link_name TEXT); CREATE TABLE wp_audit (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT);
    CREATE TRIGGER reported.wp_links_ai AFTER INSERT ON reported.wp_links FOR EACH ROW INSERT INTO reported.wp_audit (what) VALUES (NEW.link_name);`,
  'a view whose definer is gone': `SET sql_mode = 'NO_AUTO_CREATE_USER';
    CREATE DEFINER = 'gone'@'10.0.0.%' SQL SECURITY DEFINER VIEW wp_old_view AS SELECT id, title FROM wp_posts;`,
};

test('what others have lost comes back, value by value', async () => {
  await lab.query(
    `CREATE DATABASE reported CHARACTER SET utf8mb4; USE reported; SET sql_mode = ''; ${Object.values(REPORTED).join('\n')}`,
  );
  const operation = testOperation();
  const { path } = await lab.dump('reported', operation);
  expect(operation.warnings).toEqual([expect.stringContaining('not transactional')]);
  await lab.restore(path, 'returned', testOperation());
  // What it says, the view of nobody says only to whom it belongs.
  const whole = async (database: string) =>
    (await portraitOf(lab, database, ['wp_old_view'])).map((line) => line.replaceAll(`${database}.`, ''));
  const before = await whole('reported');
  expect(before.length).toBeGreaterThan(60);
  expect(await whole('returned')).toEqual(before);
  expect(
    await lab.query(`USE returned; INSERT INTO wp_links VALUES ('new'); SELECT what FROM wp_audit; INSERT INTO wp_s (t) VALUES ('b'); SELECT id > 1 FROM wp_s WHERE t = 'b';
      SELECT COUNT(*) FROM wp_old_view; SELECT HEX(t) FROM wp_cs_ascii; SELECT COUNT(*) FROM reported.wp_audit`),
  ).toBe('new\n1\n0\nE9\n0\n');
});
