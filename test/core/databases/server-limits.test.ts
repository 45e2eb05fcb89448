import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkImportable } from '../../../src/core/archive/restorable';
import { AdminConnection } from '../../../src/core/databases/admin-connection';
import { keysOf, lacksKey, readForcedKeys, tablesWithoutKey } from '../../../src/core/databases/forced-keys';
import { type DatabaseLab, TRAILER, openLab } from './lab';
import { testOperation } from '../../helpers/operation';

/** What a server takes from no account: said by the backup, and refused by preflight. */
let lab: DatabaseLab;
let admin: AdminConnection;
beforeAll(async () => {
  lab = await openLab();
  admin = new AdminConnection(lab.host, lab.mariadb.address, undefined);
});
afterAll(async () => {
  await admin?.close();
  await lab?.close();
});

async function inspect(path: string): Promise<DumpInspection> {
  const inspector = new DumpInspector();
  await pipeline(createReadStream(path), inspector);
  return inspector.result();
}

/** What preflight says of a dump for this server; undefined where it has nothing against it. */
async function preflight(dump: DumpInspection): Promise<unknown> {
  const record = { id: 'shop.example-1', kind: 'php', roots: [], database: { tables: [], views: [] } };
  try {
    checkImportable(
      record as unknown as PackedRecord,
      { dump, roots: [] } as unknown as Inspection,
      await lab.server.facts(),
      { uri: 'shop.example', kind: 'php', root: '/srv/shop', paths: {} } as unknown as SiteLocation,
    );
    return undefined;
  } catch (error) {
    return error;
  }
}

const LIMIT = 2 * 1024 * 1024;

test('a value above max_allowed_packet is a warning of the backup and a refusal of preflight; one that is as long comes back', async () => {
  const values = (
    bytes: number,
  ) => `CREATE TABLE plain (n INT PRIMARY KEY, a LONGBLOB, b LONGBLOB); CREATE TABLE floats (f FLOAT, a LONGBLOB);
    INSERT INTO plain VALUES (1,REPEAT(x'27',${bytes}),'x'),(2,'y',REPEAT('z',${LIMIT})),(3,'',''); INSERT INTO floats VALUES (0.5,REPEAT(x'00',${bytes}))`;
  await lab.query(
    `CREATE DATABASE fitting; USE fitting; ${values(LIMIT)}; CREATE DATABASE beyond; USE beyond; ${values(LIMIT + 1)}`,
  );
  await lab.query(`SET GLOBAL max_allowed_packet = ${LIMIT}`);
  try {
    const fitting = testOperation();
    const dump = await lab.dump('fitting', fitting);
    expect(fitting.warnings).toEqual([]);
    const inspection = await inspect(dump.path);
    expect(inspection).toMatchObject({ longestValue: { bytes: LIMIT }, refused: [] });
    expect(await preflight(inspection)).toBeUndefined();
    await lab.restore(dump.path, 'fitting2');
    const sums = (database: string) =>
      lab.query(`SELECT n, MD5(a), MD5(b) FROM ${database}.plain; SELECT f, MD5(a) FROM ${database}.floats`);
    expect(await sums('fitting2')).toBe(await sums('fitting'));

    const beyond = testOperation();
    const too = await lab.dump('beyond', beyond);
    expect(beyond.warnings).toEqual([
      `tables of beyond with a value above max_allowed_packet of the server (${LIMIT} bytes), so that no restore onto it takes them (2): floats, plain`,
    ]);
    const found = await inspect(too.path);
    expect(found.longestValue).toEqual({ table: 'floats', bytes: LIMIT + 1 });
    expect(await preflight(found)).toMatchObject({
      code: 'DumpIncompatible',
      message: expect.stringContaining(`a value of ${LIMIT + 1} bytes in table floats, and the server takes ${LIMIT}`),
      hint: expect.stringContaining(`max_allowed_packet of the database server to ${LIMIT + 1}`),
    });
    // A dump of an earlier Kedge, in hexadecimal and in one statement.
    const earlier = await inspect(
      await lab.writeDump(
        `CREATE TABLE t (a LONGBLOB);\nINSERT INTO t VALUES (1),(0x${'00'.repeat(LIMIT + 2)});${TRAILER}`,
      ),
    );
    expect(await preflight(earlier)).toMatchObject({
      message: expect.stringContaining(`${LIMIT + 2} bytes in table t`),
    });
  } finally {
    await lab.query('SET GLOBAL max_allowed_packet = 16777216');
  }
  expect(await preflight(await inspect((await lab.dump('beyond')).path))).toBeUndefined();
});

test('a statement that is too long for the server fails for good: the connection is gone, and the server is not', async () => {
  await lab.query('SET GLOBAL max_allowed_packet = 1048576');
  try {
    const path = await lab.writeDump(`CREATE VIEW v AS SELECT '${'x'.repeat(LIMIT)}' AS a;${TRAILER}`);
    await expect(lab.restore(path, 'cutoff')).rejects.toMatchObject({
      code: 'ImportFailed',
      message: expect.stringMatching(/2006|1153/),
      hint: expect.stringContaining('max_allowed_packet'),
    });
  } finally {
    await lab.query('SET GLOBAL max_allowed_packet = 16777216');
  }
});

const TABLES = [
  ['none', '(a INT)'],
  ['by_column', '(a INT PRIMARY KEY)'],
  ['by_key', '(`primary` INT, b INT, PRIMARY KEY (b, `primary`))'],
  ['by_constraint', '(a INT, CONSTRAINT c PRIMARY KEY (a))'],
  ['unique_null', '(a INT, UNIQUE KEY (a))'],
  ['unique_not_null', '(a INT NOT NULL, b INT NOT NULL, UNIQUE KEY k (a, b DESC))'],
  ['unique_half_null', '(a INT NOT NULL, b INT, UNIQUE KEY k (a, b))'],
  ['prefix', "(`no, (t` VARCHAR(200) NOT NULL COMMENT 'PRIMARY KEY, (a)', UNIQUE KEY u (`no, (t`(10)))"],
  [
    'spoken_of',
    "(`key` INT DEFAULT 1 COMMENT 'UNIQUE', `primary key` VARCHAR(9) DEFAULT 'NOT NULL', KEY (`key`), CHECK (`key` > 0))",
  ],
  ['my', '(a INT) ENGINE=MyISAM'],
  ['cut', '(a INT NOT NULL, UNIQUE KEY (a)) PARTITION BY HASH (a) PARTITIONS 2'],
  ['kept', '(a INT) WITH SYSTEM VERSIONING'],
] as const;

test('tables without a key are told as the server itself tells them, and are a warning and a refusal where it forces one', async () => {
  await lab.query(
    `CREATE DATABASE keyless; USE keyless; ${TABLES.map(([name, columns]) => `CREATE TABLE ${name} ${columns};`).join('')}`,
  );
  const free = testOperation();
  await lab.dump('keyless', free);
  expect(free.warnings).toEqual([expect.stringContaining('not transactional')]);
  await lab.query('SET GLOBAL innodb_force_primary_key = ON; CREATE DATABASE again');
  try {
    const refused: string[] = [];
    for (const [name, columns] of TABLES)
      await lab.query(`CREATE TABLE again.${name} ${columns}`).catch(() => refused.push(name));
    const forced = await readForcedKeys(admin);
    expect(forced).toEqual({ by: 'innodb_force_primary_key', primary: false });
    if (forced === null) return;
    expect(refused).toEqual(['none', 'unique_null', 'unique_half_null', 'spoken_of', 'kept']);
    expect(await tablesWithoutKey(admin, 'keyless', forced)).toEqual(refused.toSorted());
    const definitions = await Promise.all(
      TABLES.map(
        async ([name]) =>
          [
            name,
            (await lab.query(`SHOW CREATE TABLE keyless.${name}`)).split('\t')[1]?.replaceAll('\\n', '\n'),
          ] as const,
      ),
    );
    const read = (primary: boolean) =>
      definitions.flatMap(([name, text = '']) => (lacksKey(keysOf(text), { ...forced, primary }) ? [name] : []));
    expect(read(false)).toEqual(refused);
    expect(read(true)).toEqual(
      [...refused, 'unique_not_null', 'prefix', 'cut'].toSorted((a, b) => order(a) - order(b)),
    );

    const operation = testOperation();
    const { path } = await lab.dump('keyless', operation);
    expect(operation.warnings).toContainEqual(
      'tables of keyless without the key that innodb_force_primary_key of the server forces, so that no restore onto it takes them (5): kept, none, spoken_of, unique_half_null, unique_null',
    );
    expect(await preflight(await inspect(path))).toMatchObject({
      code: 'DumpIncompatible',
      message: expect.stringContaining(
        'innodb_force_primary_key of the server forces: kept, none, spoken_of, unique_half_null, unique_null',
      ),
    });
  } finally {
    await lab.query('SET GLOBAL innodb_force_primary_key = OFF');
  }
});

const order = (name: string): number => TABLES.findIndex(([table]) => table === name);
