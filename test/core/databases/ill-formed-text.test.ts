import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { DumpFilter } from '../../../src/core/databases/dump-filter';
import { createReadStream } from 'node:fs';
import { testOperation } from '../../helpers/operation';
import { type DatabaseLab, TRAILER, openLab } from './lab';

let lab: DatabaseLab;
beforeAll(async () => void (lab = await openLab()));
afterAll(() => lab?.close());

/** Columns of a charset that hold bytes of no server's making: rows of a table in latin1, whose files are put in the place of others. */
async function slip(database: string, table: string, columns: string, others: string, rows: string, engine = 'MyISAM') {
  await lab.query(`USE ${database}; CREATE TABLE ${table} (${columns}) ENGINE=${engine}; CREATE TABLE slipped (${others}) ENGINE=${engine};
    INSERT INTO slipped VALUES ${rows}; FLUSH TABLES ${table}, slipped`);
  const folder = join(lab.folder, 'mariadb-data', database);
  for (const suffix of engine === 'MyISAM' ? ['MYD', 'MYI'] : ['MAD', 'MAI'])
    await copyFile(join(folder, `slipped.${suffix}`), join(folder, `${table}.${suffix}`));
  await lab.query(`USE ${database}; DROP TABLE slipped; FLUSH TABLES ${table}`);
}

const HEALTHY = `CREATE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB, t TEXT, j JSON, l VARCHAR(9) CHARACTER SET latin1, g TEXT AS (CONCAT(t, 'x')));
  INSERT INTO blobs (id, b, t, j, l) VALUES (1, x'ff00275cfe', 'aä€😀\\\\', '{}', 'ä'), (2, REPEAT(x'ff275c', 500000), REPEAT('ä', 9000), NULL, NULL), (3, x'c3', '''', '"ä"', '');
  CREATE TABLE old (id INT, t TEXT CHARACTER SET utf8mb3, e ENUM('ä','b')) DEFAULT CHARSET=utf8mb3; INSERT INTO old VALUES (1, 'aä€', 'ä'), (2, x'eda080', 'b'), (3, NULL, NULL);
  CREATE TABLE far (s TEXT CHARACTER SET sjis, u TEXT CHARACTER SET ucs2, w TEXT CHARACTER SET utf16, x TEXT CHARACTER SET utf32, g TEXT CHARACTER SET gbk, v TEXT CHARACTER SET big5);
  INSERT INTO far VALUES ('表', 'Ā''', '😀', '😀', '丂', '中');
  CREATE TABLE floats (f FLOAT, t TEXT); INSERT INTO floats VALUES (0.1234567, 'ä''\\\\😀');
  CREATE TABLE hidden (a TEXT CHARACTER SET latin1, b TEXT INVISIBLE DEFAULT 'x', c TEXT); INSERT INTO hidden (a, c) VALUES ('ä', 'ä');
  CREATE TABLE kept (b BLOB, t TEXT) WITH SYSTEM VERSIONING; INSERT INTO kept VALUES (x'ff', 'ä'); UPDATE kept SET b = x'fe';`;

test('bytes that are no letters are named when they are saved, and refused where they are to go in, unless they may be replaced', async () => {
  await lab.query(`CREATE DATABASE slipped CHARACTER SET utf8mb4; USE slipped; SET NAMES utf8mb4; ${HEALTHY}`);
  const healthy = testOperation();
  const sound = await lab.dump('slipped', healthy);
  expect(healthy.warnings).toEqual([]);
  await lab.restore(sound.path, 'sound');

  const latin1 = 'c VARCHAR(40) CHARACTER SET latin1, t TEXT CHARACTER SET latin1, b BLOB';
  const rows = "(x'616263', x'c3a4', x'ff'), (x'61ff62', x'c3', x'ff'), (x'f09f9880', '', ''), ('x', x'c328', x'27')";
  await slip(
    'slipped',
    'w1',
    'c VARCHAR(10) CHARACTER SET utf8mb4, t TEXT CHARACTER SET utf8mb3, b BLOB',
    latin1,
    rows,
  );
  await slip(
    'slipped',
    'w2',
    'c VARCHAR(20) CHARACTER SET gbk, t TEXT CHARACTER SET ucs2, b BLOB',
    latin1,
    rows,
    'Aria TRANSACTIONAL=0',
  );
  await slip('slipped', 'w3', 'c VARCHAR(40) CHARACTER SET latin1, t TEXT CHARACTER SET latin7, b BLOB', latin1, rows);
  // Whose rows Kedge reads itself, and one too long for a statement.
  await slip(
    'slipped',
    'w4',
    'f FLOAT, t TEXT CHARACTER SET utf8mb4',
    'f FLOAT, t TEXT CHARACTER SET latin1',
    "(1, x'80'), (2, 'a')",
  );
  await slip(
    'slipped',
    'w5',
    't LONGTEXT, u LONGTEXT',
    't LONGTEXT CHARACTER SET latin1, u LONGTEXT CHARACTER SET latin1',
    "(REPEAT('ab', 2500000), CONCAT(REPEAT('c', 700000), x'80'))",
  );
  const saving = testOperation();
  const { path } = await lab.dump('slipped', saving);
  const named = ['w1.c', 'w1.t', 'w2.c', 'w2.t', 'w4.t', 'w5.u'];
  expect(saving.warnings).toEqual([
    expect.stringContaining('not transactional'),
    expect.stringMatching(
      new RegExp(`text whose bytes are no letters of its character set, .* \\(6\\): ${named.join(', ')}$`),
    ),
  ]);
  const inspector = new DumpInspector();
  await pipeline(createReadStream(path), inspector);
  expect(inspector.result().illFormed).toEqual(named.filter((name) => name !== 'w5.u'));

  await expect(lab.restore(path, 'strict')).rejects.toMatchObject({
    code: 'DumpIncompatible',
    message: expect.stringMatching(
      /no letters of its character set: w1\.c \(1 values\), w1\.t \(2 values\), w2\.c/,
    ) as unknown,
  });
  await lab.query(
    "CREATE DATABASE lenient CHARACTER SET utf8mb4; CREATE USER lenient@localhost IDENTIFIED BY 'x'; GRANT ALL ON lenient.* TO lenient@localhost",
  );
  await lab.query('DROP TABLE slipped.w5');
  const { path: shorter } = await lab.dump('slipped');
  const importing = testOperation();
  await lab.server.importDump(shorter, 'lenient', 'lenient', 'x', importing, { replaceText: true });
  expect(importing.warnings).toEqual([]);
  expect(await lab.query('SELECT HEX(c), HEX(t) FROM lenient.w1')).toBe(
    '616263\tC3A4\n613F62\t3F\nF09F9880\t\n78\t3F28\n',
  );
});

/** Feeds a dump in chunks of random sizes, and says what was found. */
async function foundIn(dump: Buffer, sizes: () => number): Promise<Record<string, number>> {
  const filter = new DumpFilter({
    rules: { disableEvents: true, database: undefined, cutDirectories: true },
    onRefused: ({ what }) => {
      throw new Error(what);
    },
  });
  filter.resume();
  for (let at = 0; at < dump.length;) {
    const size = sizes();
    filter.write(dump.subarray(at, at + size));
    at += size;
  }
  await new Promise<void>((done, failed) => filter.on('error', failed).end(done));
  return Object.fromEntries(filter.contents.illFormed);
}

test('wherever they stand in a dump, and however it comes', async () => {
  let seed = Number(process.env['KEDGE_SEED'] ?? 20261127);
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const LETTERS = ['a', 'ä', '€', '😀', "\\'", '\\\\', "''", '\\0', '\\n', ',', '(', ')', ';', '\ud7ff'].map((text) =>
    Buffer.from(text),
  );
  const BAD = ['ff', 'c3', 'c328', 'e282', 'f0908d', 'c0af', '80', 'f5808080'].map((hex) => Buffer.from(hex, 'hex'));
  const text = (): Buffer =>
    Buffer.concat(Array.from({ length: random(30) }, (): Buffer => LETTERS[random(LETTERS.length)] ?? Buffer.alloc(0)));
  const quoted = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from("'"), bytes, Buffer.from("'")]);
  for (let round = 0; round < 40; round += 1) {
    const planted: Record<string, number> = {};
    const parts: Buffer[] = [
      Buffer.from(`SET NAMES binary;\nCREATE TABLE t (
        n int, t text COMMENT 'CHARSET latin1', b blob, m text CHARACTER SET latin1, u varchar(9), CHECK (u <> 'x')) DEFAULT CHARSET=utf8mb4;\n`),
    ];
    for (let statement = 0; statement < 1 + random(4); statement += 1) {
      const listed = random(2) === 0;
      parts.push(Buffer.from(listed ? 'INSERT INTO t (u, b, `t`, n) VALUES ' : 'INSERT INTO t VALUES\n'));
      for (let row = 0, rows = 1 + random(6); row < rows; row += 1) {
        const value = (column: 't' | 'u'): Buffer => {
          if (random(4) === 0) return Buffer.from(random(2) === 0 ? 'NULL' : "_binary '\xff'");
          const at = random(4) === 0 ? BAD[random(BAD.length)] : undefined;
          if (at) planted[`t.${column}`] = (planted[`t.${column}`] ?? 0) + 1;
          return quoted(Buffer.concat([text(), at ?? Buffer.alloc(0), random(2) === 0 ? Buffer.from('a') : text()]));
        };
        const any = (): Buffer => quoted(Buffer.concat([text(), BAD[random(BAD.length)] ?? Buffer.alloc(0), text()]));
        const values = listed
          ? [value('u'), any(), value('t'), Buffer.from('-1.5')]
          : [Buffer.from('7'), value('t'), any(), any(), value('u')];
        parts.push(Buffer.from(row > 0 ? ',\n(' : '('));
        for (const [index, each] of values.entries()) parts.push(Buffer.from(index > 0 ? ', ' : ''), each);
        parts.push(Buffer.from(')'));
      }
      parts.push(Buffer.from(';\n'));
    }
    const dump = Buffer.concat([...parts, Buffer.from(TRAILER)]);
    const most = [1, 7, 100, 5000][random(4)] ?? 1;
    const found = await foundIn(dump, () => 1 + random(most));
    expect({ round, found }).toEqual({ round, found: planted });
  }
});
