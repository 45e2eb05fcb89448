import { isPassing } from '../../../src/core/databases/sql-errors';

/** As clients of MariaDB 10.11 and MySQL 8 print them. */
it.each([
  `ERROR 1005 (HY000) at line 27: Can't create table \`a\`.\`t\` (errno: 28 "No space left on device")`,
  'ERROR 1030 (HY000) at line 3: Got error 28 "No space left on device" from storage engine MyISAM',
  `ERROR 3 (HY000) at line 3: Error writing file './a/t.frm' (Errcode: 28 "No space left on device")`,
  "ERROR 1 (HY000) at line 3: Can't create/write to file './a/t.MYI' (OS errno 28 - No space left on device)",
  'ERROR 1969 (70100) at line 9: Query execution was interrupted (max_statement_time exceeded)',
  "ERROR 1226 (42000): User 'a0' has exceeded the 'max_user_connections' resource (current value: 1)",
])('says nothing of a dump: %s', (stderr) => {
  expect(isPassing(`mariadb: note\n${stderr}\n`)).toBe(true);
});

it.each([
  "ERROR 1142 (42000) at line 30: SELECT command denied to user 'a0'@'localhost' for table `private`.`t`",
  `ERROR 1005 (HY000) at line 27: Can't create table \`a\`.\`t\` (errno: 150 "Foreign key constraint is incorrectly formed")`,
  "ERROR 1054 (42S22) at line 28: Unknown column 'errno' in 'field list'",
  'the dump holds a statement that no dump of a site may hold',
])('says that a dump is not taken: %s', (stderr) => {
  expect(isPassing(stderr)).toBe(false);
});
