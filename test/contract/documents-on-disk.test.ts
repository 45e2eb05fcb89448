import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BACKUP_RECORD, PACKED_RECORD } from '../../src/contract/backup-record';
import type { DocumentKind } from '../../src/contract/documents-on-disk';
import { NOTICE } from '../../src/contract/notices';
import { TARGET } from '../../src/contract/target';
import { NOTICE_STATES } from '../../src/core/notices/notice-states';
import { REQUEST_RECORD, REQUEST_USE } from '../../src/core/requests/request-records';
import { EPOCH } from '../../src/core/tasks/epochs';
import { JOURNAL } from '../../src/core/tasks/journal';
import { SCRATCH_NOTE } from '../../src/core/proofs/scratches';
import { SITE_STATE } from '../../src/core/tasks/site-state';

/* That files of earlier versions are read: test/core/documents-on-disk.test.ts. */
const TOP = join(__dirname, '../..');
const SHAPES = join(TOP, 'test/fixtures/documents-on-disk/shapes');

const KINDS: Record<string, DocumentKind<unknown>> = {
  journal: JOURNAL,
  target: TARGET,
  'site-state': SITE_STATE,
  epoch: EPOCH,
  'backup-record': BACKUP_RECORD,
  'packed-record': PACKED_RECORD,
  'request-record': REQUEST_RECORD,
  'request-use': REQUEST_USE,
  'scratch-note': SCRATCH_NOTE,
  notice: NOTICE,
  'notice-states': NOTICE_STATES,
};

describe('a shape', () => {
  it.each(Object.entries(KINDS))('of %s is what its version had when it was first written', (name, kind) => {
    const path = join(SHAPES, `${name}-${kind.version}.json`);
    // What only code checks, such as a list of 300,000 tables, has no more shape than that it is there.
    const shape = z.toJSONSchema(kind.schema, { unrepresentable: 'any', io: 'input' });
    if (process.env['KEDGE_WRITE_SHAPES'] && !existsSync(path))
      writeFileSync(path, `${JSON.stringify(shape, null, 2)}\n`);
    expect(shape).toEqual(JSON.parse(readFileSync(path, 'utf8')));
  });

  it('is kept of every document with a version', () => {
    const files = readdirSync(join(TOP, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
    const withVersion = files.filter((file) =>
      /^\s*(version|schema): z\.literal\(/m.test(readFileSync(join(TOP, 'src', file), 'utf8')),
    );
    const kept = files.filter((file) =>
      /^export const \w+: DocumentKind</m.test(readFileSync(join(TOP, 'src', file), 'utf8')),
    );
    expect(withVersion).toEqual(kept);
    expect(withVersion.length).toBeGreaterThan(5);
  });
});
