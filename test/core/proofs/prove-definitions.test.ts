import { createWriteStream } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UNPROVEN } from '../../../src/contract/names';
import type { Host } from '../../../src/core/hosts/host';
import { Proofs } from '../../../src/core/proofs/proofs';
import { type Scratch, dropScratch, proveDefinitions } from '../../../src/core/proofs/prove-definitions';
import { type DatabaseLab, openLab } from '../databases/lab';
import { testOperation, type TestOperation } from '../../helpers/operation';

let lab: DatabaseLab;
let proofs: Proofs;
beforeAll(async () => {
  lab = await openLab();
  proofs = new Proofs(join(lab.folder, 'proofs'), lab.host);
  await lab.query(`CREATE DATABASE shop; USE shop; CREATE USER shop@localhost IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO shop@localhost;
    CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a TEXT); CREATE TABLE seq_t (a INT); CREATE SEQUENCE s; CREATE VIEW v AS SELECT * FROM shop.t;
    CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO shop.seq_t VALUES (1);
    INSERT INTO t (a) VALUES ('one'), ("it's; INSERT INTO x VALUES (1);"), ('-- (');`);
});
afterAll(() => lab?.close());

const LIVE = { user: 'shop', hosts: ['localhost'] };
const SCRATCH: Scratch = { database: 'scratch0', account: { user: 'scratch0', hosts: ['localhost'] } };

async function prove(operation: TestOperation = testOperation(), disks: Host = lab.host, limitMs?: number) {
  const { path, definitions, elsewhere, summary } = await lab.dump('shop');
  const notes: Scratch[] = [];
  const started = await importsSoFar();
  const warning = await proveDefinitions(
    {
      ...{
        site: 'shop.example',
        server: async () => ({ ...lab.server, disks }),
        proofs,
        dump: async () => path,
        limitMs,
      },
      ...{ definitions, elsewhere, tables: summary.tables.length, live: LIVE, scratch: SCRATCH },
      ...{ charset: 'utf8mb4', collation: 'utf8mb4_general_ci' },
      note: async (scratch) => void notes.push(scratch),
    },
    operation,
  );
  return { warning, notes, imported: (await importsSoFar()) - started, definitions };
}

const importsSoFar = async (): Promise<number> =>
  Number((await lab.query("SHOW GLOBAL STATUS LIKE 'Com_create_db'")).trim().split('\t')[1]);
const left = (): Promise<string> =>
  lab.query("SHOW DATABASES LIKE 'scratch%'; SELECT User FROM mysql.user WHERE User LIKE 'scratch%'");

test('definitions that the server takes are proved once, whatever rows come; nothing is left', async () => {
  const first = await prove();
  expect(first).toMatchObject({ warning: null, notes: [SCRATCH], imported: 1 });
  expect(await left()).toBe('');
  expect(await readdir(join(lab.folder, 'proofs'))).toHaveLength(1);

  await lab.query("INSERT INTO shop.t (a) VALUES ('two'); SELECT NEXTVAL(shop.s)");
  expect(await prove()).toMatchObject({ warning: null, notes: [], imported: 0, definitions: first.definitions });

  await lab.query('ALTER TABLE shop.t ADD b INT');
  expect(await prove()).toMatchObject({ warning: null, imported: 1 });
  // Another server is another question.
  await lab.query('SET GLOBAL innodb_strict_mode = OFF');
  expect(await prove()).toMatchObject({ warning: null, imported: 1 });
  await lab.query('SET GLOBAL innodb_strict_mode = DEFAULT');
});

test('no row is sent', async () => {
  const dump = await lab.dump('shop');
  await lab.server.createDatabase('empty', 'utf8mb4', 'utf8mb4_general_ci');
  await lab.server.createAccount({ user: 'empty', hosts: ['localhost'] }, 'pw', 'empty');
  await lab.server.importDump(dump.path, 'empty', 'empty', 'pw', testOperation(), { definitionsOnly: true });
  expect(
    await lab.query('SELECT COUNT(*) FROM empty.t; SELECT COUNT(*) FROM empty.v; SELECT COUNT(*) FROM empty.seq_t'),
  ).toBe('0\n0\n0\n');
  expect(await lab.query("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'empty'")).toBe(
    '1\n',
  );
});

test('definitions that the server does not take are a warning, each time; nothing is left', async () => {
  await lab.query(
    `CREATE DATABASE private; CREATE TABLE private.t (a INT); CREATE VIEW shop.peeks AS SELECT * FROM private.t`,
  );
  for (let time = 0; time < 2; time += 1) {
    const { warning, notes } = await prove();
    expect(warning).toMatch(
      new RegExp(`^${UNPROVEN}: the dump could not be imported into a scratch database .* denied`),
    );
    expect(notes).toEqual([SCRATCH]);
    expect(await left()).toBe('');
  }
  // As far as the live account may, the scratch one may.
  await lab.query('GRANT SELECT ON private.t TO shop@localhost');
  expect(await prove()).toMatchObject({ warning: null });
  expect(await left()).toBe('');
});

test('a server that is read-only is not written to, and one without room is not filled: what is known is known still', async () => {
  await lab.query('ALTER TABLE shop.t ADD e INT');
  const freeSpace: Host['freeSpace'] = async () => ({ bytes: 1e6, inodes: null, readOnly: false });
  const full = Object.assign(Object.create(lab.host) as Host, { freeSpace });
  expect(await prove(testOperation(), full)).toMatchObject({
    warning: expect.stringMatching(/could not be tried: database server on lab need \d+ bytes/) as unknown,
    notes: [],
    imported: 0,
  });
  await lab.query('SET GLOBAL read_only = 1');
  try {
    expect(await prove()).toMatchObject({
      warning: expect.stringMatching(/could not be tried: database server \S+ is read-only/) as unknown,
      notes: [],
      imported: 0,
    });
    await lab.query('SET GLOBAL read_only = 0');
    expect(await prove()).toMatchObject({ warning: null, imported: 1 });
    await lab.query('SET GLOBAL read_only = 1');
    expect(await prove()).toMatchObject({ warning: null, imported: 0 });
  } finally {
    await lab.query('SET GLOBAL read_only = 0');
  }
});

test('what a server cannot do at the moment says nothing of the backup', async () => {
  // For every account but an administrator's.
  await lab.query(
    `ALTER TABLE shop.t ADD g INT; SET GLOBAL init_connect = 'SET SESSION max_statement_time = 0.000001'`,
  );
  try {
    const warning = expect.stringMatching(/could not be tried: .*max_statement_time exceeded/) as unknown;
    expect(await prove()).toMatchObject({ warning });
  } finally {
    await lab.query("SET GLOBAL init_connect = ''");
  }
  expect(await left()).toBe('');
  expect(await prove()).toMatchObject({ warning: null, imported: 1 });
});

test('for a site that is shut nothing is dropped: whoever comes after does, by what was noted', async () => {
  await lab.query('ALTER TABLE shop.t ADD h INT');
  expect(await prove(testOperation(), lab.host, 60_000)).toMatchObject({ warning: null, notes: [SCRATCH] });
  expect(await left()).toBe('scratch0\nscratch0\n');
  await dropScratch(lab.server, SCRATCH);
  expect(await left()).toBe('');
});

test('the digest of a dump without rows is that of the dump, whatever is read past the dump program', async () => {
  await lab.query(
    'CREATE TABLE shop.measured (f FLOAT); INSERT INTO shop.measured VALUES (0.1); CREATE TABLE shop.kept (a INT) WITH SYSTEM VERSIONING; INSERT INTO shop.kept VALUES (1)',
  );
  const { definitions } = await lab.dump('shop');
  const operation = testOperation();
  const path = join(lab.folder, 'definitions.sql');
  const bare = await lab.server.dump('shop', createWriteStream(path), operation, { definitionsOnly: true });
  expect(bare.definitions).toBe(definitions);
  expect(bare.summary.tables.map(({ rows }) => rows)).toEqual(bare.summary.tables.map(() => 0));
  expect(await readFile(path, 'utf8')).not.toMatch(/^INSERT/m);
});

test('what an attempt before left is in nobody’s way; a cancelled one throws, and has written down what it left', async () => {
  await lab.query(
    'ALTER TABLE shop.t ADD c INT; CREATE DATABASE scratch0; CREATE TABLE scratch0.t (a INT); CREATE USER scratch0@localhost',
  );
  expect(await prove()).toMatchObject({ warning: null, imported: 1 });
  expect(await left()).toBe('');

  await lab.query('ALTER TABLE shop.t ADD d INT');
  const operation = testOperation();
  operation.cancel();
  await expect(prove(operation)).rejects.toThrow('the test cancelled');
});
