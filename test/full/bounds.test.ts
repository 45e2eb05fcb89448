import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createArchives } from '../../src/core/archive/archives';
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

describe('what a hostile archive asks of the worker', () => {
  const archives = createArchives(createLocalHost({ name: 'master' }));
  let folder: string;
  beforeAll(async () => (folder = await mkdtemp('/var/tmp/kedge-bounds-')));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Reads an archive that a script of Perl writes; tells the longest time in which nothing else was done, and the memory. */
  async function measured(script: string): Promise<{ blockedMs: number; grownBytes: number }> {
    const path = join(folder, 'archive.tar.zst');
    execFileSync('sh', ['-c', 'perl -e "$1" | zstd -q -1 -f -o "$2"', 'sh', TAR + script, path]);
    expect((await stat(path)).size).toBeGreaterThan(0);
    const delay = monitorEventLoopDelay({ resolution: 20 });
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 50);
    delay.enable();
    try {
      await archives.inspect(path, { from: 'foreign', owner: { user: 'www-data', uid: 33, gid: 33 } }, testOperation());
    } finally {
      delay.disable();
      clearInterval(watch);
    }
    return { blockedMs: delay.max / 1e6, grownBytes: most - before };
  }

  it.each([
    [
      'a million folders',
      `small('./database.sql', "${END}"); member("./d/$_/", '5', 0) for 1..1000000; print "\\0" x 10240;`,
    ],
    [
      'one statement of 600 MB',
      `my $n = 600 * 1024 * 1024; my $head = "INSERT INTO \`t\` VALUES ('"; my $tail = "');\\n${END}";
       my $all = length($head) + $n + length($tail); member('./database.sql', '0', $all); print $head;
       print 'x' x 1048576 for 1..600; print $tail; end_of($all); print "\\0" x 10240;`,
    ],
    [
      '300,000 tables',
      `my $text = join('', map { "CREATE TABLE \`wp_$_\` (\`a\` int);\\n" } 1..300000) . "${END}";
       small('./database.sql', $text); print "\\0" x 10240;`,
    ],
  ])('%s costs bounded memory and no heartbeat', async (_, script) => {
    const { blockedMs, grownBytes } = await measured(script);
    expect(blockedMs).toBeLessThan(HEARTBEAT_LIMIT_MS / 2);
    expect(grownBytes).toBeLessThan(MEMORY_BYTES);
  });
});
