import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createArchives } from '../../src/core/archive/archives';
import { DumpFilter, type FilteredDump } from '../../src/core/databases/dump-filter';
import { IMPORT_RULES } from '../../src/core/databases/statement-head';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { testOperation } from '../helpers/operation';

/** An attempt whose heartbeat, once a second, is late by this much is given up. */
const HEARTBEAT_LIMIT_MS = 10_000;
const MEMORY_BYTES = 400 * 1024 ** 2;

/** Writes a tar: `member(name, type, bytes)` a header, `body(bytes)` what stands in it. */
const TAR = `
sub member { my ($name, $type, $size) = @_;
  my $h = pack('a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12', $name, $type eq '5' ? "0000755\\0" : "0000644\\0",
    "0000041\\0", "0000041\\0", sprintf("%011o\\0", $size), "14700000000\\0", ' ', $type, '', "ustar\\0", '00', '', '', '', '', '');
  print substr($h, 0, 148), sprintf("%06o\\0 ", unpack('%32C*', $h)), substr($h, 156); }
sub end_of { my ($size) = @_; print "\\0" x ((512 - $size % 512) % 512); }
sub small { my ($name, $text) = @_; member($name, '0', length $text); print $text; end_of(length $text); }
$| = 0;
`;
const END = '-- Dump completed on 2026-11-24\\n';

interface Cost {
  /** The longest time in which nothing else was done. */
  readonly blockedMs: number;
  readonly grownBytes: number;
}

function bytesInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  const [resident, used] = [process.memoryUsage.rss(), bytesInUse()];
  let grownBytes = 0;
  // Memory that was given back before is no growth of the process: what is in use counts too.
  const watch = setInterval(() => {
    grownBytes = Math.max(grownBytes, process.memoryUsage.rss() - resident, bytesInUse() - used);
  }, 50);
  delay.enable();
  try {
    await work();
  } finally {
    delay.disable();
    clearInterval(watch);
  }
  return { blockedMs: delay.max / 1e6, grownBytes };
}

function expectBounded({ blockedMs, grownBytes }: Cost): void {
  expect(blockedMs).toBeLessThan(HEARTBEAT_LIMIT_MS / 2);
  expect(grownBytes).toBeLessThan(MEMORY_BYTES);
}

describe('what a hostile archive asks of the worker', () => {
  const archives = createArchives(createLocalHost({ name: 'master' }));
  let folder: string;
  beforeAll(async () => (folder = await mkdtemp('/var/tmp/kedge-bounds-')));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Reads an archive that a script of Perl writes; tells the longest time in which nothing else was done, and the memory. */
  async function measured(script: string): Promise<Cost> {
    const path = join(folder, 'archive.tar.zst');
    execFileSync('sh', ['-c', 'perl -e "$1" | zstd -q -1 -f -o "$2"', 'sh', TAR + script, path]);
    expect((await stat(path)).size).toBeGreaterThan(0);
    return costOf(async () => {
      const origin = { from: 'foreign', owner: { user: 'www-data', uid: 33, gid: 33 } } as const;
      await archives.inspect(path, origin, testOperation());
    });
  }

  it.each([
    [
      'a million folders',
      `small('./database.sql', "${END}"); member("./d/$_/", '5', 0) for 1..1000000; print "\\0" x 10240;`,
    ],
    [
      'one statement of 600 MB',
      `my $n = 600 * 1024 * 1024; my $head = "INSERT INTO \`t\` VALUES ('"; my $tail = "');\\n${END}";
       $head = "CREATE TABLE \`t\` (\`a\` longtext);\n$head";
       my $all = length($head) + $n + length($tail); member('./database.sql', '0', $all); print $head;
       print 'x' x 1048576 for 1..600; print $tail; end_of($all); print "\\0" x 10240;`,
    ],
    [
      '300,000 tables',
      `my $text = join('', map { "CREATE TABLE \`wp_$_\` (\`a\` int);\\n" } 1..300000) . "${END}";
       small('./database.sql', $text); print "\\0" x 10240;`,
    ],
  ])('%s costs bounded memory and no heartbeat', async (_, script) => {
    expectBounded(await measured(script));
  });
});

describe('what a hostile dump asks of the import', () => {
  const MIB = 1024 ** 2;
  const COUNT = 300_000;
  const TABLE = 'CREATE TABLE `t` (`a` longtext);\n';

  /** Pieces as the import reads them from the disk. */
  function* pieces(texts: Iterable<string>): Generator<Buffer> {
    let waiting: string[] = [];
    let length = 0;
    for (const text of texts) {
      waiting.push(text);
      length += text.length;
      if (length < 256 * 1024) continue;
      const bytes = Buffer.from(waiting.join(''));
      for (let at = 0; at < bytes.length; at += 256 * 1024) yield bytes.subarray(at, at + 256 * 1024);
      [waiting, length] = [[], 0];
    }
    yield Buffer.from(`${waiting.join('')}\n-- Dump completed on 2026-11-24  8:26:34\n`);
  }
  function* times(count: number, text: (nth: number) => string): Generator<string> {
    for (let nth = 0; nth < count; nth += 1) yield text(nth);
  }
  function* between(before: string, text: string, count: number, after: string): Generator<string> {
    yield before;
    for (let nth = 0; nth < count; nth += 1) yield text;
    yield after;
  }

  interface Passed {
    readonly contents: FilteredDump;
    readonly refused: number;
  }
  /** As an import does, but for what is refused: that is counted, as preflight does, and not the end. */
  async function imported(texts: Iterable<string>): Promise<Passed & { readonly cost: Cost }> {
    let refused = 0;
    const filter = new DumpFilter({ rules: IMPORT_RULES, onRefused: () => (refused += 1) });
    const client = new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done) });
    const cost = await costOf(() => pipeline(Readable.from(pieces(texts)), filter, client));
    return { contents: filter.contents, refused, cost };
  }

  it.each<[string, Iterable<string>, (passed: Passed) => void]>([
    [
      'one row of 600 MB',
      between(`${TABLE}INSERT INTO \`t\` VALUES ('`, 'x'.repeat(MIB), 600, "');\n"),
      ({ contents }) => expect(contents.tables).toEqual(new Map([['t', 1]])),
    ],
    [
      'one row of 600 MB of quotes and backslashes',
      between(`${TABLE}INSERT INTO \`t\` VALUES ('`, "''\\\\\\'\\n".repeat(MIB / 8), 600, "');\n"),
      ({ contents }) => expect(contents.tables).toEqual(new Map([['t', 1]])),
    ],
    [
      'one INSERT of 600 MB with 75 million rows',
      between(`${TABLE}INSERT INTO \`t\` VALUES (1)`, ',(2),(3)'.repeat(MIB / 8), 600, ';\n'),
      ({ contents }) => expect(contents.tables).toEqual(new Map([['t', 1 + (600 * MIB) / 4]])),
    ],
    [
      '300,000 tables, each with a row',
      times(COUNT, (n) => `CREATE TABLE \`wp_${n}\` (\`a\` int);\nINSERT INTO \`wp_${n}\` VALUES (${n});\n`),
      ({ contents }) => expect(contents.tables.size).toBe(COUNT),
    ],
    [
      '300,000 events and triggers of one table',
      between(
        TABLE,
        '',
        1,
        [
          ...times(
            COUNT,
            (n) =>
              `CREATE TRIGGER \`g_${n}\` BEFORE INSERT ON \`t\` FOR EACH ROW SET @a = ${n};\nCREATE EVENT \`e_${n}\` ON SCHEDULE EVERY 1 DAY DO SET @a = ${n};\n`,
          ),
        ].join(''),
      ),
      ({ contents }) => expect(contents.enabledEvents.length).toBe(COUNT),
    ],
    [
      'a million statements that are refused',
      times(MIB, (n) => `SELECT ${n};\n`),
      ({ refused }) => expect(refused).toBe(MIB),
    ],
    ['a comment of 600 MB', between('-- ', 'x'.repeat(MIB), 600, '\n'), () => undefined],
    ['a comment of 600 MB between statements', between('/* ', 'x'.repeat(MIB), 600, ' */\n'), () => undefined],
    ['600 MB of blanks', between(TABLE, ' '.repeat(MIB), 600, '\n'), () => undefined],
    ['60 MB of semicolons', between(TABLE, ';'.repeat(MIB), 60, '\n'), () => undefined],
    [
      'a definition of 60 MB',
      between('CREATE TABLE `t` (', '`a` int,'.repeat(MIB / 8), 60, '`b` int);\n'),
      ({ refused }) => expect(refused).toBeGreaterThan(0),
    ],
    ['a word of 600 MB', between('', 'x'.repeat(MIB), 600, ';\n'), ({ refused }) => expect(refused).toBeGreaterThan(0)],
    [
      'columns of an INSERT of 60 MB',
      between(`${TABLE}INSERT INTO \`t\` (`, '`a`,'.repeat(MIB / 4), 60, '`a`) VALUES (1);\n'),
      ({ refused }) => expect(refused).toBeGreaterThan(0),
    ],
  ])('%s: bounded memory and no heartbeat', async (_, texts, check) => {
    const { cost, ...passed } = await imported(texts);
    expectBounded(cost);
    check(passed);
  });
});
