import type { PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import { checkImportable, movedPaths } from '../../../src/core/archive/restorable';
import type { ServerFacts } from '../../../src/core/databases/database-server';

const server = {
  version: '10.11',
  charsets: new Set(),
  collations: new Set(),
  engines: new Set(['innodb', 'myisam']),
  ignoresCase: false,
  allowsFunctionCreators: true,
};
const SITE = { name: 'site', path: '/srv/shop' };

/** Whether a backup of these folders can be restored to a site with these declared paths. */
function judge(held: readonly { name: string; path: string }[], paths: Record<string, string>): void {
  const dump = { bytes: 1, complete: true, tables: [], collations: [], charsets: [], engines: [], refused: [] };
  const roots = held.length === 0 ? [{ name: 'site' }] : held;
  checkImportable(
    record(held),
    { dump, roots } as unknown as Inspection,
    server as unknown as ServerFacts,
    site(paths),
  );
}
const record = (roots: readonly { name: string; path: string }[]): PackedRecord =>
  ({ id: 'shop.example-20261124.031502', kind: 'php', roots, database: { tables: [] } }) as unknown as PackedRecord;
const site = (paths: Record<string, string>): SiteLocation =>
  ({ uri: 'shop.example', kind: 'php', root: '/srv/shop', paths }) as unknown as SiteLocation;

const FILES = { name: 'files', path: '/media/shop' };

it.each([
  ['no declared paths, in the backup nor now', [SITE], {}],
  ['the same', [SITE, FILES], { files: '/media/shop' }],
  ['one that has moved', [SITE, FILES], { files: '/mnt/new' }],
  ['a backup from before there were declared paths', [], {}],
])('%s: restorable', (_what, held, paths: Record<string, string>) => {
  expect(() => judge(held, paths)).not.toThrow();
});

it('what the configuration does not declare would be lost: refused, with the line that declares it', () => {
  const refused = expect.objectContaining({
    code: 'PathsDiffer',
    message: expect.stringContaining('holds files') as unknown,
    hint: expect.stringContaining('files: /media/shop') as unknown,
    state: 'the site is unchanged',
  }) as Error;
  expect(() => judge([SITE, FILES], {})).toThrow(refused);
  expect(() => judge([SITE, FILES], { other: '/media/shop' })).toThrow(refused);
});

it('what the backup does not hold would stay in another time: refused, with what to take out', () => {
  const refused = expect.objectContaining({
    code: 'PathsDiffer',
    message: expect.stringContaining('does not hold files') as unknown,
    hint: expect.stringContaining('Take files out of') as unknown,
  }) as Error;
  expect(() => judge([SITE], { files: '/media/shop' })).toThrow(refused);
  expect(() => judge([], { files: '/media/shop' })).toThrow(refused);
});

it('a declared path that has moved is named, with where it was and is', () => {
  expect(movedPaths(record([SITE, FILES]), site({ files: '/mnt/new' }))).toEqual([
    { name: 'files', from: '/media/shop', to: '/mnt/new' },
  ]);
  expect(movedPaths(record([{ ...SITE, path: '/srv/old' }, FILES]), site({ files: '/media/shop' }))).toEqual([]);
});

describe('on another machine', () => {
  const judgeDump = (found: Partial<DumpInspection>, facts: Partial<ServerFacts>) =>
    checkImportable(
      record([]),
      {
        dump: {
          bytes: 1,
          complete: true,
          tables: [],
          collations: [],
          charsets: [],
          engines: [],
          refused: [],
          ...found,
        },
        roots: [{ name: 'site' }],
      } as unknown as Inspection,
      { ...server, ...facts } as unknown as ServerFacts,
      site({}),
    );
  const refusal = (message: RegExp): Error =>
    expect.objectContaining({ code: 'DumpIncompatible', message: expect.stringMatching(message) as unknown }) as Error;

  it('tables whose names differ in case alone are refused where they would be one', () => {
    const tables = ['wp_posts', 'wp_Posts', 'wp_users'];
    expect(() => judgeDump({ tables }, {})).not.toThrow();
    expect(() => judgeDump({ tables }, { ignoresCase: true })).toThrow(refusal(/: wp_posts and wp_Posts$/));
    expect(() => judgeDump({ tables: ['wp_Posts'] }, { ignoresCase: true })).not.toThrow();
  });

  it('an engine that the server does not have is named', () => {
    expect(() => judgeDump({ engines: ['innodb'] }, {})).not.toThrow();
    expect(() => judgeDump({ engines: ['innodb', 'archive'] }, {})).toThrow(refusal(/engines archive, which/));
  });
});
