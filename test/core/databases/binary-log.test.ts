import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkRestorable } from '../../../src/core/archive/restorable';
import type { BackupRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
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
