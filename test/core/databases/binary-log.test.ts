import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkRestorable } from '../../../src/core/archive/restorable';
import type { BackupRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import { Proofs } from '../../../src/core/proofs/proofs';
import { proveDefinitions } from '../../../src/core/proofs/prove-definitions';
import { testOperation } from '../../helpers/operation';
import { type DatabaseLab, openLab, TRAILER } from './lab';

jest.setTimeout(120_000);

let lab: DatabaseLab;
beforeAll(async () => {
  // The last of two contradicting options counts.
  lab = await openLab(['--log-bin=binlog']);
});
afterAll(async () => {
  await lab?.close();
});

const TRIGGER = `CREATE TABLE t (n INT);\nCREATE TRIGGER tick BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1;\n${TRAILER}`;

test('what an import would stumble over in mid-way is known before', async () => {
  const facts = await lab.server.facts();
  expect(facts).toMatchObject({ allowsFunctionCreators: false, binaryLogFolder: `${lab.folder}/mariadb-data` });
  const dump = await lab.writeDump(TRIGGER);
  await expect(lab.restore(dump, 'refused')).rejects.toMatchObject({
    code: 'ImportFailed',
    message: expect.stringContaining('log_bin_trust_function_creators') as unknown,
  });

  const record = {
    id: 'example.com-20261124.031502',
    kind: 'wordpress',
    roots: [],
    sha256: 'a',
    bytes: 1,
    database: { tables: [] },
  } as unknown as BackupRecord;
  const site = { uri: 'example.com', kind: 'wordpress' } as SiteLocation;
  const inspection = (text: string) => {
    const inspector = new DumpInspector();
    inspector.end(text);
    return {
      bytes: 1,
      sha256: 'a',
      members: 1,
      roots: [{ name: 'site', bytes: 1, members: 1, owners: [] }],
      record: null,
      leavingLinks: [],
      warnings: [],
      leftOut: [],
      contentBytes: 1,
      dump: inspector.result(),
    };
  };
  expect(() => checkRestorable(record, inspection(TRIGGER), facts, site)).toThrow(/keeps to accounts with SUPER/);
  const plain = `CREATE TABLE \`function\` (n INT COMMENT 'CREATE TRIGGER');\n${TRAILER}`;
  expect(() => checkRestorable(record, inspection(plain), facts, site)).not.toThrow();
});

test('a server that trusts them lets them in', async () => {
  await lab.query('SET GLOBAL log_bin_trust_function_creators = 1');
  expect(await lab.server.facts()).toMatchObject({ allowsFunctionCreators: true });
  await lab.restore(await lab.writeDump(TRIGGER), 'trusted');
  expect(await lab.server.describe('trusted')).toMatchObject({ triggers: 1 });
});

test('definitions are proved there once, whatever came of it: replicas repeat each try', async () => {
  const proofs = new Proofs(join(lab.folder, 'proofs'), lab.host);
  await lab.query('CREATE DATABASE shop; CREATE USER shop@localhost; GRANT ALL ON shop.* TO shop@localhost');
  const prove = async (): Promise<{ warning: string | null; written: boolean }> => {
    const { path, definitions, elsewhere, summary } = await lab.dump('shop');
    const before = await lab.query('SHOW MASTER STATUS');
    const warning = await proveDefinitions(
      {
        ...{ site: 'shop.example', master: lab.host, server: async () => lab.server, proofs, dump: async () => path },
        ...{
          definitions,
          elsewhere,
          tables: summary.tables.length,
          charset: 'utf8mb4',
          collation: 'utf8mb4_general_ci',
        },
        live: { user: 'shop', hosts: ['localhost'] },
        scratch: { database: 'scratch0', account: { user: 'scratch0', hosts: ['localhost'] } },
        note: async () => undefined,
      },
      testOperation(),
    );
    return { warning, written: (await lab.query('SHOW MASTER STATUS')) !== before };
  };
  await lab.query('CREATE TABLE shop.t (n INT)');
  expect(await prove()).toEqual({ warning: null, written: true });
  expect(await prove()).toEqual({ warning: null, written: false });

  await lab.query(
    'CREATE DATABASE private; CREATE TABLE private.t (n INT); CREATE VIEW shop.v AS SELECT * FROM private.t',
  );
  const refused = await prove();
  expect(refused).toEqual({
    warning: expect.stringMatching(/could not be restored here: .* denied/) as unknown,
    written: true,
  });
  const again = await prove();
  expect(again).toEqual({ warning: expect.stringContaining(refused.warning ?? '?') as unknown, written: false });
  // Whoever has mended it is told how it is asked again.
  const [, file = ''] = /so remove (\S+) to have it asked again/.exec(again.warning ?? '') ?? [];
  await rm(file);
  expect(await prove()).toEqual({ ...refused, written: true });
});
