import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkAgainstRecord, checkImportable } from '../../../src/core/archive/restorable';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import type { BackupRecord, PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { ServerFacts } from '../../../src/core/databases/database-server';
import { HOSTILE_DUMPS } from '../../helpers/hostile-dumps';
import { bytesOf, describeImportsOf } from './hostile-imports';

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
  engines: { has: () => true },
  types: { has: () => true },
  parsers: { has: () => true },
  encrypts: true,
  era: 2038,
  ignoresCase: false,
  allowsFunctionCreators: true,
};
const RECORD = {
  id: 'shop.example-20261124.031502',
  kind: 'php',
  roots: [{ name: 'site' }],
  database: { tables: [], serverVersion: '10.11.6-MariaDB' },
};
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

// Each asks a real client to run; all of them run in test/full.
describeImportsOf(HOSTILE_DUMPS.filter((_dump, index) => index % 12 === 5));
