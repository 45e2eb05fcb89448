import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { longestPath } from '../../../src/core/archive/layout';
import { testOperation } from '../../helpers/operation';
import { works } from '../hosts/machine';
import { PackedSite, everythingOf, host } from './archive-fixture';
import { isRoot } from '../../helpers/as-root';

/** For messages that can be read; `everythingOf` knows more. */
function listOf(path: string): string {
  const list = ['-tvf', '-', '--numeric-owner', '--full-time', '--quoting-style=escape'];
  return execFileSync('tar', list, { input: everythingOf(path), encoding: 'utf8' });
}

describe('what the owner of a site can do in his folder', () => {
  let site: PackedSite;
  beforeEach(async () => {
    site = await PackedSite.make(['cache/*']);
  });
  afterEach(() => site.remove());

  it('pipes, sockets and devices are left out and named, whatever their names; what is named like them is not', async () => {
    site.sh(String.raw`
      echo x > 'a*c'; echo x > 'pipe'; mkdir d cache
      for name in 'a b' 'a[b]*c?' '-x' 'back\slash' 'back\\' "$(printf 'caf\351')" 'ü' '!#' '#'; do mkfifo "./$name" "d/$name"; done
      mkfifo cache/passed; ${isRoot ? 'mknod null c 1 3' : 'mkfifo null'}
      perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'`);
    const warnings = await site.pack();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^pipes, sockets and devices in .*site, which are in no backup \(20\): /);
    for (const name of ['a b', 'a[b]*c?', 'd/-x', 'back\\slash', 'back\\\\', 'null', 'socket', 'caf\ufffd', 'ü'])
      expect(warnings[0]).toContain(name);
    expect(warnings[0]).not.toContain('passed');
    expect(site.members().sort()).toEqual(['./', './a*c', './cache/', './d/', './pipe']);
  });

  it('pipes by the ten thousand cost neither arguments nor messages', async () => {
    site.sh(`mkdir many; touch many/file; seq -f 'many/${'n'.repeat(100)}%.0f' 20000 | xargs mkfifo`);
    const operation = testOperation();
    const listed: string[] = [];
    const log = { ...operation.log, info: (message: string) => void listed.push(message) };
    const warnings = await site.pack({ ...operation, log });
    expect(warnings).toEqual([expect.stringMatching(/\(20000\): .* and 19980 more$/)]);
    expect(warnings.join().length).toBeLessThan(5000);
    expect(listed.join().match(/many\/n+\d+/g)).toHaveLength(20_000);
    expect(site.members()).toEqual(['./', './many/', './many/file']);
  });

  it('paths as long as the kernel takes come back; longer ones are left out, with a warning', async () => {
    const longest = longestPath('site');
    // Folders of 200 bytes, and a last name that makes the path as long as it may be, or one byte longer.
    site.sh(String.raw`
      perl -e '
        my ($longest) = @ARGV; my $length = 0;
        while ($length + 201 < $longest - 10) { mkdir "d" x 200 or die; chdir "d" x 200 or die; $length += 201 }
        for my $name ("a" x ($longest - $length), "b" x ($longest - $length + 1)) { open(my $f, ">", $name) or die $! }
        mkdir "c" x ($longest - $length) or die; chdir "c" x ($longest - $length) or die; mkdir "below" or die;
      ' ${longest}
      perl -e 'for (1 .. 1200) { mkdir "deep"; chdir "deep" or die }'`);
    const warnings = await site.pack();
    expect(warnings).toEqual([
      expect.stringMatching(
        /^paths in .* longer than 4081 bytes, which are in no backup, nor is what is below them \(3\): /,
      ),
    ]);
    const members = site.members();
    expect(members.filter((name) => /\/a+$/.test(name)).map((name) => name.length)).toEqual([longest + 2]);
    expect(members.filter((name) => /\/b+$|below/.test(name))).toEqual([]);
    expect(members.filter((name) => name.endsWith('/deep/')).length).toBeGreaterThan(800);
    const hand = `${site.base}/hand`;
    execFileSync('sh', ['-euc', 'mkdir "$1"; tar --extract --file "$2" --directory "$1"', 'sh', hand, site.archive]);
  });

  it('names with a newline, and pipes among them', async () => {
    site.sh(String.raw`
      n=$(printf 'a\nb'); mkdir "$n"; echo x > "$n/$n"; mkfifo "$n/pipe" 'trailing '; echo kept > trailing
cd "$n"; mkdir "$(printf 'x\ntar: .')"; cd x*
      perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "y: Cannot open: Input/output error" =~ s,/,-,r, Listen => 1) or die'`);
    expect(await site.pack()).toEqual([
      expect.stringMatching(
        /\(3\): (?=.*a\?b\/pipe)(?=.*trailing )(?=.*x\?tar: .\/y: Cannot open: Input-output error)/,
      ),
    ]);
    expect(site.members()).toContain('./trailing');
    expect(site.members()).toContain('./a\\nb/a\\nb');
  });

  it('files of all modes, folders that are closed, numbers of owners above 2^31', async () => {
    site.sh(String.raw`
      mkdir closed sticky setgid; echo x > closed/f; for mode in 0 4755 2755 6711 1644; do echo x > "f$mode"; chmod $mode "f$mode"; done
      chmod 1777 sticky; chmod 2775 setgid; ln -s . self; ln -s b a; ln -s a b; ln f0 closed/hard; ln -P self hard-soft
      ${isRoot ? 'echo x > big; chown 2500000:3000000000 big' : ''}
      chmod 0 closed; chmod 3000 .`);
    try {
      expect(await site.pack()).toEqual([]);
      const listed = execFileSync('tar', ['-tvf', site.archive, '--numeric-owner'], { encoding: 'utf8' });
      expect(listed).toMatch(/^-rwsr-xr-x .* \.\/f4755$/m);
      expect(listed).toMatch(/^-rwxr-sr-x .* \.\/f2755$/m);
      expect(listed).toMatch(/^d--------- .* \.\/closed\/$/m);
      if (isRoot) expect(listed).toMatch(/^-rw-r--r-- 2500000\/3000000000 .*big$/m);
    } finally {
      site.sh('chmod 700 . closed');
    }
  });

  const attributes = works(
    'python3',
    '-c',
    'import os; f = "/var/tmp/kedge-x%d" % os.getpid(); open(f, "w"); os.setxattr(f, "user.a", b"b"); os.remove(f)',
  );
  (attributes ? it : it.skip)(
    'user attributes are packed, those of the system are not (needs python3 and a file system with them)',
    async () => {
      const script = `
import os
open('f', 'w').close(); os.mkdir('d')
os.setxattr('f', 'user.text', b'v\\0a\\nl=ue'); os.setxattr('f', b'user.\\xe9=\\n', b'x'); os.setxattr('d', 'user.d', b'y' * 1000)
if os.geteuid() == 0:
    os.setxattr('f', 'trusted.secret', b'not this'); os.setxattr('f', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
`;
      execFileSync('python3', ['-c', script], { cwd: site.path });
      expect(await site.pack()).toEqual([]);
      const raw = execFileSync('zstd', ['-d', '-c', site.archive]).toString('latin1');
      expect(raw).toContain('SCHILY.xattr.user.text=v\0a\nl=ue');
      expect(raw).toContain(`SCHILY.xattr.user.d=${'y'.repeat(1000)}`);
      expect(raw).not.toMatch(/xattr\.(trusted|security)/);
    },
  );

  it('ever changing what is there keeps nobody from packing', async () => {
    const churn = String.raw`
      use POSIX "mkfifo";
      $SIG{ALRM} = sub { exit }; alarm 100; my $n = 0; $| = 1; print "going\n";
      while (1) {
        for my $d ("a" .. "f") {
          $n += 1;
          mkdir $d; for my $i (1 .. 20) { open(my $f, ">", "$d/$i"); print $f "x" x (($n * 7919) % 300000) }
          rename $d, "$d.moved"; symlink "$d.moved", $d; open(my $f, ">>", "$d.moved/1"); print $f "y"; truncate "$d.moved/2", 10;
          chmod 0, "$d.moved/3", "$d.moved"; unlink $d; open(my $g, ">", $d); close $g; chmod 0700, "$d.moved";
          unlink $d; mkfifo($d, 0600); unlink $d; rename "$d.moved", $d; link "$d/4", "hard"; unlink "$d/4"; mkfifo("$d/4", 0600);
          unlink "hard"; unlink glob "$d/*"; rmdir $d;
        }
      }`;
    const owner = spawn('perl', ['-e', churn], { cwd: site.path, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(owner, 'exit');
    try {
      await once(owner.stdout, 'data');
      for (let round = 0; round < 8; round += 1) {
        for (const warning of await site.pack())
          expect(warning).toMatch(/^(files of example.com (that|whose) |pipes, sockets and devices)/);
        await site.unpack();
      }
    } finally {
      owner.kill('SIGKILL');
      await ended;
    }
  });

  it('what is unpacked can be removed again, however deep and closed', async () => {
    site.sh(String.raw`
      perl -e 'for (1 .. 700) { mkdir "deep", 0700; chdir "deep" or die } open(my $f, ">", "f")'
      mkdir -p a/b/c; touch a/b/c/d; chmod 0 a/b/c a/b a`);
    await site.pack();
    const out = await site.unpack();
    await host.removeTree(out, testOperation());
    expect(existsSync(out)).toBe(false);
    // What is longer than any path, too.
    site.sh(`perl -e 'for (1 .. 1500) { mkdir "deeper"; chdir "deeper" or die } mkdir "closed", 0'`);
    await host.removeTree(site.path, testOperation());
    expect(existsSync(site.path)).toBe(false);
  });

  it.each([
    ['folders', 'mkdir database.sql .kedge; echo x > database.sql/database.sql; mkdir database.sql/.kedge .kedge/site'],
    ['links', 'ln -s /etc database.sql; ln -s .. .kedge'],
    ['files', 'echo x > database.sql; ln database.sql .kedge; mkdir sub; ln database.sql sub/database.sql'],
    [
      'deep',
      'mkdir -p .kedge/site/.kedge/roots/files .kedge/roots; echo x > .kedge/site/database.sql; ln -s . .kedge/roots/x',
    ],
    ['pipes', 'mkfifo database.sql .kedge'],
  ])('names of ours as %s of the site come back', async (_what, make) => {
    site.sh(make);
    await site.pack();
    const out = await site.unpack();
    site.sh('find . -type p -delete');
    execFileSync('touch', ['-r', site.path, out]);
    expect(listOf(out)).toEqual(listOf(site.path));
  });

  it('what is unpacked by hand is what was there', async () => {
    site.sh('mkdir -p a/b; echo x > a/b/c; ln a/b/c a/d; ln -s d a/e; setfacl -m u:1234:r,m::rw a/d; chmod 2770 a/b');
    await site.pack();
    const hand = `${site.base}/hand`;
    const unpack =
      'mkdir "$1"; tar --extract --file "$2" --directory "$1" --numeric-owner --same-permissions --acls; rm -r "$1/.kedge" "$1/database.sql"; touch -r "$3" "$1"';
    execFileSync('sh', ['-euc', unpack, 'sh', hand, site.archive, site.path]);
    expect(everythingOf(hand).equals(everythingOf(site.path))).toBe(true);
  });
});
