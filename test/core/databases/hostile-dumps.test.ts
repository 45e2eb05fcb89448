import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkAgainstRecord, checkImportable } from '../../../src/core/archive/restorable';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import type { BackupRecord, PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { ServerFacts } from '../../../src/core/databases/database-server';
import { HOSTILE_DUMPS } from '../../helpers/hostile-dumps';
import { type DatabaseLab, TRAILER, openLab } from './lab';

export function inspectDump(dump: Buffer): DumpInspection {
  const inspector = new DumpInspector();
  // In pieces, as a tar hands them out.
  for (let at = 0; at < dump.length; at += 1000) inspector.write(dump.subarray(at, at + 1000));
  inspector.end();
  return inspector.result();
}

const SERVER = {
  version: '10.11',
  charsets: { has: () => true },
  collations: { has: () => true },
  allowsFunctionCreators: true,
};
const RECORD = { id: 'shop.example-20261124.031502', kind: 'php', roots: [{ name: 'site' }], database: { tables: [] } };
const SITE = { uri: 'shop.example', kind: 'php', root: '/srv/shop', paths: {} };

function checkDump(dump: DumpInspection): void {
  checkImportable(
    RECORD as unknown as PackedRecord,
    { dump, roots: [{ name: 'site' }] } as unknown as Inspection,
    SERVER as unknown as ServerFacts,
    SITE as unknown as SiteLocation,
  );
}

/** As `kedge backups check` does, without a server. */
function checkBackup(dump: DumpInspection): void {
  checkAgainstRecord(RECORD as unknown as BackupRecord, { dump, roots: [{ name: 'site' }] } as unknown as Inspection);
}

function messageOf(check: () => void): string {
  try {
    check();
    return 'nothing is wrong';
  } catch (error) {
    return (error as Error).message;
  }
}

const bytesOf = (sql: string): Buffer => Buffer.from(sql + TRAILER, 'latin1');

it('there are many, each by a name of its own', () => {
  expect(HOSTILE_DUMPS.length).toBeGreaterThan(150);
  expect(new Set(HOSTILE_DUMPS.map(({ name }) => name)).size).toBe(HOSTILE_DUMPS.length);
});

describe('preflight refuses a dump that', () => {
  it.each(HOSTILE_DUMPS.map(({ name, ...dump }) => [name, dump] as const))('%s', (_name, { sql, says }) => {
    const inspection = inspectDump(bytesOf(sql));
    expect(inspection.refused.join('\n')).toMatch(says);
    expect(() => checkDump(inspection)).toThrow(
      expect.objectContaining({ code: 'DumpIncompatible', state: 'the site is unchanged' }) as Error,
    );
    expect(messageOf(() => checkBackup(inspection))).toBe(messageOf(() => checkDump(inspection)));
  });
});

describe('an import ends at a dump that', () => {
  let lab: DatabaseLab;
  beforeAll(async () => void (lab = await openLab()));
  afterAll(() => lab?.close());

  // Each asks a real client to run; all of them run in test/full.
  const some = HOSTILE_DUMPS.filter((_dump, index) => process.env['KEDGE_ALL_DUMPS'] === '1' || index % 12 === 5);
  it.each(some.map(({ name, ...dump }, index) => [name, index, dump] as const))(
    '%s',
    async (_name, index, { sql, says }) => {
      const path = await lab.writeDump(bytesOf(sql));
      await expect(lab.restore(path, `hostile${index}`)).rejects.toMatchObject({
        code: 'DumpIncompatible',
        message: expect.stringMatching(says) as string,
        server: 'lab',
      });
    },
  );
});
