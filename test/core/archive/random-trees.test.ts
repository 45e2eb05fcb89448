import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { works } from '../hosts/machine';
import { ORIGIN, PackedSite, everythingOf } from './archive-fixture';
import { isRoot } from '../../helpers/as-root';

/** No names beyond what the system itself takes by one path. */
const LONGEST = 3900;

const hasAttributes = works(
  'python3',
  '-c',
  'import os, tempfile; f = tempfile.NamedTemporaryFile(dir="/var/tmp"); os.setxattr(f.name, "user.a", b"b")',
);

const odd = [
  'database.sql',
  '.kedge',
  'site',
  'roots',
  'backup.json',
  '-x',
  '--',
  '*',
  '[a]',
  '?',
  '\\',
  '\\n',
  'a:b',
  '~',
  '#',
  '!x',
]
  .concat(['.tmp', 'a\nb', 'trailing ', ' ', '\n', 'tar: .', 'x'.repeat(255), 'ü', 'e\u0301', '%s', '$(id)'])
  .map((name) => Buffer.from(name));

const byteName = fc
  .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 255 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x2f ? 0x2e : byte))))
  .filter((name) => !['.', '..'].includes(name.toString('latin1')));

const entry = fc.record({
  kind: fc.constantFrom('file', 'file', 'folder', 'folder', 'folder', 'link', 'hard link', 'pipe', 'sparse'),
  name: fc.oneof(fc.constantFrom(...odd), byteName),
  /** Which of the folders, files there are by then. */
  at: fc.nat(),
  of: fc.nat(),
  target: fc.oneof(
    fc.constantFrom(...['.', '..', '/', '/etc/passwd', 'x/../..', '-', 'a'.repeat(4095)].map((t) => Buffer.from(t))),
    byteName,
  ),
  content: fc.uint8Array({ maxLength: 2000 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  owner: fc.constantFrom([0, 0], [ORIGIN.owner.uid, ORIGIN.owner.gid], [12_345, 54_321], [2_500_000, 3_000_000_000]),
  time: fc.oneof(fc.integer({ min: -1_000_000_000, max: 4_000_000_000 }), fc.constantFrom(0, 0.5, 1.123456)),
  acl: fc.constantFrom('', '', '', 'u:1234:rwx', 'g:4000000000:r'),
  attributes: fc.dictionary(
    fc.string({ minLength: 1, maxLength: 60, unit: fc.constantFrom(...'ab=%.\n ü') }),
    fc.uint8Array({ maxLength: 100 }),
    { maxKeys: 2 },
  ),
});
type Entry = typeof entry extends fc.Arbitrary<infer One> ? One : never;

const all = (path: Buffer, ...names: Buffer[]): Buffer =>
  Buffer.concat([path, ...names.flatMap((name) => [Buffer.from('/'), name])]);

/** Makes the tree, and what can be made of an entry where it stands: names that are taken are passed over. */
function plant(top: string, entries: readonly Entry[]): void {
  const folders: Buffer[] = [Buffer.from(top)];
  const files: Buffer[] = [];
  const made: { path: Buffer; entry: Entry }[] = [];
  const pipes: Buffer[] = [];
  const taken = new Set<string>();
  for (const each of entries) {
    const path = all(folders[each.at % folders.length] ?? Buffer.from(top), each.name);
    if (path.length > LONGEST || taken.has(path.toString('latin1'))) continue;
    taken.add(path.toString('latin1'));
    if (each.kind === 'folder') {
      mkdirSync(path);
      folders.push(path);
    } else if (each.kind === 'link') symlinkSync(each.target, path);
    else if (each.kind === 'hard link') {
      if (files.length > 0) linkSync(files[each.of % files.length] ?? path, path);
      continue;
    } else if (each.kind === 'pipe') {
      pipes.push(path);
      continue;
    } else if (each.kind === 'sparse') {
      const file = openSync(path, 'w');
      ftruncateSync(file, 1_000_000);
      closeSync(file);
    } else writeFileSync(path, each.content);
    if (each.kind !== 'folder') files.push(path);
    made.push({ path, entry: each });
  }
  const nul = (paths: readonly Buffer[]): Buffer => Buffer.concat(paths.flatMap((path) => [path, Buffer.from('\0')]));
  execFileSync('xargs', ['-0', '-r', 'mkfifo', '--'], { input: nul(pipes) });
  const real = made.filter(({ entry: { kind } }) => kind !== 'link');
  if (hasAttributes) {
    const wanted = real.map(({ path, entry: { attributes } }) => [
      path.toString('hex'),
      Object.entries(attributes).map(([name, value]) => [
        Buffer.from(`user.${name}`).toString('hex'),
        Buffer.from(value).toString('hex'),
      ]),
    ]);
    const script =
      'import os, sys, json\nfor path, found in json.load(sys.stdin):\n  for name, value in found: os.setxattr(bytes.fromhex(path), bytes.fromhex(name), bytes.fromhex(value))';
    execFileSync('python3', ['-c', script], { input: JSON.stringify(wanted) });
  }
  for (const {
    path,
    entry: { owner },
  } of made)
    if (isRoot) lchownSync(path, owner[0] ?? 0, owner[1] ?? 0);
  // From below, so that folders are closed when nothing is left to be done in them.
  for (const {
    path,
    entry: { kind, owner, mode },
  } of real.reverse()) {
    const own = owner[0] === ORIGIN.owner.uid && owner[1] === ORIGIN.owner.gid;
    // Bits that a restore takes away are looked at elsewhere.
    chmodSync(path, kind === 'folder' || (own && isRoot) ? mode : mode & 0o1777);
  }
  for (const acl of ['u:1234:rwx', 'g:4000000000:r'])
    execFileSync('xargs', ['-0', '-r', 'setfacl', '-m', acl, '--'], {
      input: nul(real.filter((each) => each.entry.acl === acl).map(({ path }) => path)),
    });
  for (const {
    path,
    entry: { time },
  } of [...made].reverse())
    lutimesSync(path, time, time);
}

it('what is packed is never refused, and comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 40 }), async (entries) => {
      const site = await PackedSite.make();
      try {
        plant(site.path, entries);
        for (const warning of await site.pack()) expect(warning).toMatch(/^pipes, sockets and devices/);
        const out = await site.unpack();
        const times = `${site.base}/times`;
        // Without the pipes, but with the times that folders have with them.
        execFileSync('sh', ['-euc', 'cp -a "$1" "$2"; find "$2" -type p -delete', 'sh', site.path, times]);
        execFileSync('sh', [
          '-euc',
          'cd "$1"; find . -depth -type d -exec touch -r {} "$2"/{} \\;',
          'sh',
          site.path,
          times,
        ]);
        execFileSync('touch', ['-r', site.path, out]);
        expect(listOf(out)).toEqual(listOf(times));
        expect(everythingOf(out).equals(everythingOf(times))).toBe(true);
      } finally {
        await site.remove();
      }
    }),
    { numRuns: Number(process.env['KEDGE_RANDOM_TREES'] ?? 8) },
  );
}, 120_000);

it('times before 1970, and as late as the disk takes them, come back to the nanosecond', async () => {
  const site = await PackedSite.make();
  try {
    site.sh(
      'touch -d @-34560000 neg; touch -d @-0.500000001 frac; touch -d @16725225600.123456789 y2500; touch -d @253402300800 far',
    );
    expect(await site.pack()).toEqual([]);
    const out = await site.unpack();
    const times = (path: string): string =>
      execFileSync('sh', ['-euc', 'cd "$1"; stat -c "%n %.9Y" *', 'sh', path], { encoding: 'utf8' });
    const before = times(site.path);
    expect(before).toContain('neg -34560000.000000000');
    expect(times(out)).toBe(before);
  } finally {
    await site.remove();
  }
});

/** For messages that can be read. */
function listOf(path: string): string {
  const list = ['-tvf', '-', '--numeric-owner', '--full-time', '--quoting-style=escape'];
  return execFileSync('tar', list, {
    input: everythingOf(path),
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
}
