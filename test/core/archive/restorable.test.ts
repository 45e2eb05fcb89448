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
  types: new Set(['inet6']),
  parsers: new Set<string>(),
  encrypts: false,
  era: 2038,
  ignoresCase: false,
  allowsFunctionCreators: true,
};
const SITE = { name: 'site', path: '/srv/shop' };

const NOTHING = {
  ...{ tables: [], views: [], collations: [], charsets: [], engines: [], types: [], parsers: [], refused: [] },
  ...{ encrypts: false, holdsHistory: false },
};

/** Whether a backup of these folders can be restored to a site with these declared paths. */
function judge(held: readonly { name: string; path: string }[], paths: Record<string, string>): void {
  const dump = { ...NOTHING, bytes: 1, complete: true };
  const roots = held.length === 0 ? [{ name: 'site' }] : held;
  checkImportable(
    record(held),
    { dump, roots } as unknown as Inspection,
    server as unknown as ServerFacts,
    site(paths),
  );
}
const record = (roots: readonly { name: string; path: string }[], madeOn = '10.11.6-MariaDB'): PackedRecord =>
  ({
    id: 'shop.example-20261124.031502',
    kind: 'php',
    roots,
    database: { tables: [], serverVersion: madeOn },
  }) as unknown as PackedRecord;
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
  const judgeDump = (found: Partial<DumpInspection>, facts: Partial<ServerFacts>, madeOn?: string) =>
    checkImportable(
      record([], madeOn),
      {
        dump: {
          ...NOTHING,
          bytes: 1,
          complete: true,
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

  it('so are a table and a view', () => {
    const found = { tables: ['wp_posts'], views: ['WP_posts'] };
    expect(() => judgeDump(found, { ignoresCase: true })).toThrow(refusal(/: wp_posts and WP_posts$/));
    // Older dumps hold a table in the place of a view until its own definition.
    expect(() => judgeDump({ tables: ['v'], views: ['v'] }, { ignoresCase: true })).not.toThrow();
  });

  it('types, parsers and encryption that come with a plugin that is absent are named', () => {
    expect(() => judgeDump({ types: ['inet6'] }, {})).not.toThrow();
    expect(() => judgeDump({ types: ['inet6', 'uuid'] }, {})).toThrow(refusal(/columns of the types uuid, which/));
    expect(() => judgeDump({ parsers: ['ngram'] }, {})).toThrow(refusal(/with the parsers ngram, which/));
    expect(() => judgeDump({ encrypts: true }, {})).toThrow(
      refusal(/has encrypted tables, and the server has no plugin/),
    );
    expect(() => judgeDump({ encrypts: true }, { encrypts: true })).not.toThrow();
  });

  it.each([
    [
      'of a new server on an old one',
      '11.8.2-MariaDB-deb12',
      2038,
      /row of now ends in 2106, and to this server it ends in 2038/,
    ],
    [
      'of an old server on a new one',
      '10.11.6-MariaDB',
      2106,
      /row of now ends in 2038, and to this server it ends in 2106/,
    ],
    ['of the last old server on the first new one', '11.4.5-MariaDB', 2106, /ends in 2038/],
    ['of a new server on a new one', '11.5.0-MariaDB', 2106, null],
    ['of an old server on an old one', '10.3.39-MariaDB', 2038, null],
  ] as const)('history %s', (_what, madeOn, era, why) => {
    const judged = (): void => judgeDump({ holdsHistory: true }, { era }, madeOn);
    if (why === null) expect(judged).not.toThrow();
    else expect(judged).toThrow(refusal(why));
    expect(() => judgeDump({ holdsHistory: false }, { era }, madeOn)).not.toThrow();
  });
});
