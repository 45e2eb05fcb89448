import { DumpCensus } from '../../../src/core/databases/dump-census';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { PackedRecord } from '../../../src/contract/backup-record';
import type { SiteLocation } from '../../../src/contract/target';
import type { DumpInspection, Inspection } from '../../../src/core/archive/archive';
import { DumpInspector } from '../../../src/core/archive/dump-inspection';
import { checkImportable } from '../../../src/core/archive/restorable';
import type { ServerFacts } from '../../../src/core/databases/database-server';
import { type DatabaseLab, openLab, TRAILER } from './lab';

jest.setTimeout(120_000);

let lab: DatabaseLab;
let facts: ServerFacts;
beforeAll(async () => {
  lab = await openLab();
  facts = await lab.server.facts();
});
afterAll(() => lab?.close());

async function inspected(path: string): Promise<DumpInspection> {
  const inspector = new DumpInspector();
  await pipeline(createReadStream(path, { highWaterMark: 1000 }), inspector);
  return inspector.result();
}

const judge = (dump: DumpInspection, changed: Partial<ServerFacts> = {}, serverVersion = facts.version): void =>
  checkImportable(
    {
      ...{ id: 'shop.example-20261124.031502', kind: 'php', roots: [{ name: 'site' }] },
      database: { tables: [], serverVersion },
    } as unknown as PackedRecord,
    { dump, roots: [{ name: 'site' }] } as unknown as Inspection,
    { ...facts, ...changed },
    { uri: 'shop.example', kind: 'php', root: '/srv/shop', paths: {} } as unknown as SiteLocation,
  );

test('what a dump needs of another server is seen in it, and this one has it', async () => {
  await lab.query(`CREATE DATABASE made; USE made;
    CREATE TABLE typed (id UUID, a INET6, \`uuid\` INT COMMENT ' \`x\` vector', t TEXT) ENGINE = Aria;
    CREATE TABLE kept (id INT, note TEXT) WITH SYSTEM VERSIONING;
    INSERT INTO kept VALUES (1, 'first'), (2, 'second'); UPDATE kept SET note = 'later' WHERE id = 1;
    CREATE VIEW seen AS SELECT id FROM kept; CREATE SEQUENCE counted;`);
  const { path, summary } = await lab.dump('made');
  const dump = await inspected(path);
  expect(dump).toMatchObject({ holdsHistory: true, encrypts: false, parsers: [] });
  expect([...dump.types].sort()).toEqual(['inet6', 'uuid']);
  expect([...dump.views].sort()).toEqual(['counted', 'seen']);
  expect(dump.engines).toContain('aria');
  expect(() => judge(dump, {}, summary.serverVersion)).not.toThrow();
  expect(() => judge(dump, { types: new Set(['inet6']) })).toThrow('columns of the types uuid, which');
  expect(() => judge(dump, { engines: new Set(['innodb']) })).toThrow('tables of the engines aria, which');

  const other = facts.era === 2038 ? 2106 : 2038;
  expect(() => judge(dump, { era: other })).toThrow(`ends in ${facts.era}, and to this server it ends in ${other}`);
});

test('a database without history, and data that speak of all this, need nothing', async () => {
  await lab.query(`CREATE DATABASE plain; USE plain; CREATE TABLE talk (id INT PRIMARY KEY, t TEXT);
    INSERT INTO talk VALUES (1, 'SET system_versioning_insert_history=1; ENGINE=Rocks \`ENCRYPTED\`=YES WITH PARSER ngram'),
      (2, '2106-02-07 06:28:15.999999')`);
  const dump = await inspected((await lab.dump('plain')).path);
  expect(dump).toMatchObject({ holdsHistory: false, encrypts: false, types: [], parsers: [], engines: ['innodb'] });
});

/** Where time ends on this server, by the server itself. */
test('the era that a server is taken to be of is its own', async () => {
  const ends = (await lab.query(`SELECT IFNULL(YEAR(FROM_UNIXTIME(4294967295)), 2038)`)).trim();
  expect(ends).toBe(String(facts.era));
});

test('rows of now of another era would be history to this server', async () => {
  const [end, madeOn] =
    facts.era === 2038
      ? ['2106-02-07 06:28:15.999999', '11.8.2-MariaDB']
      : ['2038-01-19 03:14:07.999999', '10.11.6-MariaDB'];
  const path = await lab.writeDump(`SET time_zone = '+00:00';
CREATE TABLE \`kept\` (
  \`id\` int(11) DEFAULT NULL,
  \`s\` timestamp(6) GENERATED ALWAYS AS ROW START,
  \`e\` timestamp(6) GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (\`s\`, \`e\`)
) ENGINE=InnoDB WITH SYSTEM VERSIONING;
/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1 */;
INSERT INTO \`kept\` (\`id\`, \`s\`, \`e\`) VALUES (1,'2026-11-24 03:15:02.000000','${end}');
${TRAILER}`);
  expect(() => judge({ ...EMPTY, ...{ holdsHistory: true } }, {}, madeOn)).toThrow(
    'rows of now would be taken for history',
  );
  const imported = await lab.restore(path, 'eras').then(
    () => lab.query('SELECT COUNT(*) FROM eras.kept'),
    (error: unknown) => `refused ${String(error)}`,
  );
  expect(imported.trim()).toMatch(/^(?:0$|refused )/);
  expect(await inspected(path)).toMatchObject({ holdsHistory: true });
});

test('encrypted tables and parsers of plugins are seen, and refused where this server cannot make them', async () => {
  const path = await lab.writeDump(`CREATE TABLE \`t\` (
  \`a\` text DEFAULT NULL,
  FULLTEXT KEY \`a\` (\`a\`) /*!50100 WITH PARSER \`ngram\` */ 
) ENGINE=InnoDB \`ENCRYPTED\`=YES;
${TRAILER}`);
  const dump = await inspected(path);
  expect(dump).toMatchObject({ encrypts: true, parsers: ['ngram'] });
  expect(() => judge(dump)).toThrow('with the parsers ngram, which');
  expect(() => judge({ ...dump, parsers: [] })).toThrow('has encrypted tables');
  await expect(lab.restore(path, 'lacking')).rejects.toMatchObject({ code: 'ImportFailed' });
});

const EMPTY: DumpInspection = {
  ...{ bytes: 1, complete: true, illFormed: [], views: [], collations: [], charsets: [], engines: [], types: [] },
  ...{
    parsers: [],
    encrypts: false,
    holdsHistory: false,
    refused: [],
    contents: new DumpCensus().contents,
    longestValue: null,
    withoutPrimaryKey: [],
    createsFunctions: false,
    elsewhere: [],
  },
  definitions: '',
};
