import type { BackupRecord } from '../../src/contract/backup-record';

/** The record of a small backup. */
export function backupRecord(id: string, changes: Partial<BackupRecord> = {}): BackupRecord {
  return {
    schema: 1,
    id,
    site: 'shop.example',
    kind: 'wordpress',
    description: 'before the update',
    trigger: 'request',
    who: 'anna',
    task: 'none',
    created: '2026-11-24T03:15:02.000Z',
    roots: [],
    dumpBytes: 10,
    database: { charset: '', collation: '', serverVersion: '', tables: [], views: [], enabledEvents: [] },
    codeVersion: null,
    contentMark: null,
    archive: `${id}.tar.zst`,
    bytes: 7,
    sha256: 'a'.repeat(64),
    members: 3,
    warnings: [],
    ...changes,
  };
}
