import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UNPROVEN } from '../../../src/contract/names';
import { Proofs } from '../../../src/core/tasks/proofs';
import { type Scratch, proveDefinitions } from '../../../src/core/tasks/prove-definitions';
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

async function prove(operation: TestOperation = testOperation()) {
  const { path, definitions, elsewhere } = await lab.dump('shop');
  const notes: Scratch[] = [];
  const started = await importsSoFar();
  const warning = await proveDefinitions(
    {
      ...{ server: lab.server, proofs, dump: async () => path, definitions, elsewhere, live: LIVE, scratch: SCRATCH },
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
