import type { BackupRecord, PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import {
  checkAgainstRecord,
  checkImportable,
  checkRestorable,
  differencesFromRecord,
  movedPaths,
} from '../../../src/core/archive/restorable';
import { DumpCensus, type DumpContents } from '../../../src/core/databases/dump-census';
import type { ServerFacts } from '../../../src/core/databases/database-server';

/** What an empty dump makes. */
const EMPTY: DumpContents = new DumpCensus().contents;

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
  ...{ maxAllowedPacket: 16 * 1024 * 1024, forcedKeys: null },
};
const SITE = { name: 'site', path: '/srv/shop' };

const NOTHING = {
  ...{ views: [], collations: [], charsets: [], engines: [], types: [], parsers: [], refused: [] },
  ...{ encrypts: false, holdsHistory: false, contents: EMPTY, longestValue: null },
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
  const judgeDump = (
    { tables, ...found }: Partial<DumpInspection> & { tables?: readonly string[] },
    facts: Partial<ServerFacts>,
    madeOn?: string,
  ) =>
    checkImportable(
      record([], madeOn),
      {
        dump: {
          ...NOTHING,
          bytes: 1,
          complete: true,
          ...found,
          ...(tables && { contents: { ...NOTHING.contents, tables: new Map(tables.map((name) => [name, 0])) } }),
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

describe('a dump that is not what its record says', () => {
  const DUMP = `SET NAMES utf8mb4;
CREATE SEQUENCE \`s\` ENGINE=InnoDB;
CREATE TABLE \`gone\` (\`a\` int);
CREATE TABLE \`t\` (\`a\` int);
INSERT INTO \`t\` VALUES (1),(2);
INSERT INTO \`t\` VALUES (3);
/*!50001 CREATE VIEW \`v\` AS SELECT 1 AS \`a\` */;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1 */;;
CREATE FUNCTION f() RETURNS int RETURN 1 ;;
CREATE PROCEDURE p() SELECT 1 ;;
/*!50106 CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1 */ ;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS \`v\`*/;
/*!50001 CREATE VIEW \`v\` AS SELECT a FROM t */;
`;
  const contentsOf = (dump: string): DumpInspection => {
    const inspector = new DumpInspector();
    inspector.end(Buffer.from(`${dump}-- Dump completed on 2026-11-24\n`));
    return inspector.result();
  };
  const { contents } = contentsOf(DUMP);
  const older = { tables: [...contents.tables].map(([name, rows]) => ({ name, rows })), views: contents.views };
  const differences = (dump: string, database: object = { ...contents, ...older }): string[] =>
    differencesFromRecord({ database } as unknown as PackedRecord, contentsOf(dump));

  it('is told from one that is', () => {
    expect(older.tables).toEqual([
      { name: 'gone', rows: 0 },
      { name: 't', rows: 3 },
    ]);
    expect(differences(DUMP)).toEqual([]);
    expect(differences(DUMP, older)).toEqual([]);
  });

  it.each([
    ['a table cut out', DUMP.replace(/CREATE TABLE `gone`.*\n/, ''), ['lacks the tables gone']],
    ['rows cut out', DUMP.replace('(1),(2)', '(2)'), ['has not the rows of t (2 of 3)']],
    ['a statement cut out', DUMP.replace(/INSERT .* \(3\);\n/, ''), ['has not the rows of t (2 of 3)']],
    ['rows twice', DUMP.replace('(3);', '(3),(3);'), ['has not the rows of t (4 of 3)']],
    ['a view lost', DUMP.replace(/(?<=EXISTS `v`\*\/;\n).*\n/, ''), ['lacks the views v']],
    ['a trigger lost', DUMP.replace(/.*TRIGGER.*\n/, ''), ['lacks the triggers tr']],
    ['a function lost', DUMP.replace(/.*FUNCTION.*\n/, ''), ['lacks the functions f']],
    ['a procedure lost', DUMP.replace(/.*PROCEDURE.*\n/, ''), ['lacks the procedures p']],
    ['an event lost', DUMP.replace(/.*EVENT.*\n/, ''), ['lacks the events e']],
    ['a sequence lost', DUMP.replace(/.*SEQUENCE.*\n/, ''), ['lacks the sequences s']],
    ['a table dropped', `${DUMP}DROP TABLE IF EXISTS \`t\`;\n`, ['lacks the tables t', 'drops its own tables t']],
    ['two dropped', `${DUMP}/*!40000 DROP TABLE x, gone */;\n`, ['lacks the tables gone', 'drops its own tables gone']],
    ['a trigger dropped', `${DUMP}DROP TRIGGER tr;\n`, ['lacks the triggers tr']],
    ['an event dropped', `${DUMP}DROP EVENT IF EXISTS e;\n`, ['lacks the events e']],
    ['what is dropped and made anew', `DROP TABLE IF EXISTS \`t\`;\nDROP TRIGGER IF EXISTS tr;\n${DUMP}`, []],
  ])('%s', (_what, dump, said) => {
    expect(differences(dump)).toEqual(said);
  });

  it('is held by an older record against what that has', () => {
    expect(differences(DUMP.replace(/.*TRIGGER.*\n/, ''), older)).toEqual([]);
    expect(differences(DUMP.replace('(1),(2)', '(2)'), older)).toEqual(['has not the rows of t (2 of 3)']);
    expect(differences(`${DUMP}DROP TABLE gone;\n`, { tables: [], views: [] })).toEqual(['drops its own tables gone']);
  });

  it('makes no backup of it, and no restore', () => {
    const dump = contentsOf(DUMP.replace(/.*TRIGGER.*\n/, ''));
    const backup = { ...record([]), database: { ...contents, ...older } } as unknown as PackedRecord;
    const inspection = { dump, roots: [] } as unknown as Inspection;
    const check = (): void => checkImportable(backup, inspection, server as unknown as ServerFacts, site({}));
    expect(check).toThrow(
      expect.objectContaining({
        code: 'DumpInvalid',
        message: expect.stringContaining('triggers tr') as unknown,
      }) as Error,
    );
  });
});

describe('a safety backup that was made without the files of the site', () => {
  const made = { ...record([SITE]), site: 'shop.example', sha256: 'a', bytes: 1 };
  const restore = (more: Partial<BackupRecord>, members: number): void =>
    checkRestorable(
      { ...made, ...more } as unknown as BackupRecord,
      {
        ...{ sha256: 'a', bytes: 1, dump: { ...NOTHING, bytes: 1, complete: true } },
        roots: [{ name: 'site', bytes: 0, members, owners: [] }],
      } as unknown as Inspection,
      server as unknown as ServerFacts,
      site({}),
    );

  it('is refused, and says where they are', () => {
    const without = { incomplete: ['the files of /srv/shop'] };
    expect(() => restore(without, 1)).toThrow(/was made without the files/);
    expect(() => restore({ ...without, kept: { folders: [SITE] } }, 0)).toThrow(
      expect.objectContaining({ code: 'ArchiveInvalid', hint: expect.stringMatching(/originals are kept/) as string }),
    );
  });

  it('one that lacks something else is not', () => {
    expect(() => restore({ incomplete: ['wp_posts could not be read'] }, 2)).not.toThrow();
    expect(() => restore({}, 1)).not.toThrow();
  });
});

describe('what a backup must be to be restored, each by itself', () => {
  const contents = { ...EMPTY, tables: new Map([['wp_posts', 3]]), triggers: ['t'] };
  const dump = { ...NOTHING, bytes: 100, complete: true, contents, charsets: ['latin1'], collations: ['latin1_bin'] };
  const found = { sha256: 'a'.repeat(64), bytes: 1000, dump, roots: [{ name: 'site', members: 2, bytes: 9 }, FILES] };
  const made = {
    ...record([SITE, FILES]),
    ...{ sha256: 'a'.repeat(64), bytes: 1000 },
    database: { tables: [{ name: 'wp_posts', rows: 3 }], triggers: ['t'], serverVersion: '10.11.6-MariaDB' },
  };
  const knowing = { ...server, charsets: new Set(['latin1']), collations: new Set(['latin1_bin']) };
  const look = (changes: { record?: object; found?: object; dump?: object | null; server?: object }): void => {
    const its = { ...made, ...changes.record } as unknown as BackupRecord;
    const held = changes.dump === null ? null : { ...dump, ...changes.dump };
    const inspection = { ...found, dump: held, ...changes.found } as unknown as Inspection;
    const facts = { ...knowing, ...changes.server } as unknown as ServerFacts;
    checkRestorable(its, inspection, facts, site({ files: '/media/shop' }));
    if (changes.server === undefined) checkAgainstRecord(its, inspection);
  };

  it('as it was made it is restored', () => {
    expect(() => look({})).not.toThrow();
  });

  it.each<[string, Parameters<typeof look>[0], string, RegExp]>([
    ['another checksum', { found: { sha256: 'b'.repeat(64) } }, 'BackupDamaged', /has changed since it was made/],
    ['another size', { found: { bytes: 999 } }, 'BackupDamaged', /has changed since it was made/],
    ['a folder of its record is missing', { found: { roots: [SITE] } }, 'BackupDamaged', /it lacks files/],
    [
      'a folder that its record has not',
      { found: { roots: [...found.roots, { name: 'more' }] } },
      'BackupDamaged',
      /it holds more beyond them/,
    ],
    ['no dump', { dump: null }, 'DumpInvalid', /holds no database\.sql/],
    ['an empty dump', { dump: { bytes: 0, complete: false } }, 'DumpInvalid', /is empty/],
    ['a dump that is cut', { dump: { complete: false } }, 'DumpInvalid', /is cut short/],
    [
      'a table is missing',
      { dump: { contents: { ...contents, tables: new Map() } } },
      'DumpInvalid',
      /tables wp_posts/,
    ],
    [
      'rows are missing',
      { dump: { contents: { ...contents, tables: new Map([['wp_posts', 2]]) } } },
      'DumpInvalid',
      /has not the rows of wp_posts \(2 of 3\)/,
    ],
    ['a trigger is missing', { dump: { contents: { ...contents, triggers: [] } } }, 'DumpInvalid', /the triggers t/],
    [
      'rows of a table that it does not define',
      { dump: { contents: { ...contents, notMade: ['wp_posts'] } } },
      'DumpInvalid',
      /has rows of the tables wp_posts, and does not define them/,
    ],
    [
      'a table that it drops again',
      { dump: { contents: { ...contents, dropped: ['wp_links'] } } },
      'DumpInvalid',
      /drops its own tables wp_links/,
    ],
    ['a statement that none may hold', { dump: { refused: ['SHUTDOWN'] } }, 'DumpIncompatible', /SHUTDOWN/],
  ])('%s: refused', (_what, changes, code, message) => {
    const refused = expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error;
    expect(() => look(changes)).toThrow(refused);
    // Also where nothing but the backup itself is looked at.
    const its = { ...made, ...changes.record } as unknown as BackupRecord;
    const held = changes.dump === null ? null : { ...dump, ...changes.dump };
    expect(() => checkAgainstRecord(its, { ...found, dump: held, ...changes.found } as unknown as Inspection)).toThrow(
      refused,
    );
  });

  it.each<[string, Parameters<typeof look>[0], string, RegExp]>([
    ['another kind of site', { record: { kind: 'wordpress' } }, 'BackupDamaged', /is of a wordpress site/],
    ['a charset', { server: { charsets: new Set() } }, 'DumpIncompatible', /uses latin1, unknown/],
    ['a collation', { server: { collations: new Set() } }, 'DumpIncompatible', /uses latin1_bin, unknown/],
    [
      'no functions',
      { dump: { createsFunctions: true }, server: { allowsFunctionCreators: false } },
      'DumpIncompatible',
      /log/,
    ],
  ])('for this site and server it is none, by %s: refused', (_what, changes, code, message) => {
    const refused = expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error;
    expect(() => look(changes)).toThrow(refused);
  });
});
