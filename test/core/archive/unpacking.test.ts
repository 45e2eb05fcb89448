import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExtractRequest, Origin } from '../../../src/core/archive/archive';
import { createArchives } from '../../../src/core/archive/archives';
import { type Attributes, Tally } from '../../../src/core/archive/tally';
import { checkUnpacked } from '../../../src/core/archive/unpacked-folders';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { testOperation } from '../../helpers/operation';
import { END, base256, long, pax, raw } from '../../helpers/raw-tar';
import { itAsRoot } from '../../helpers/as-root';

const host = createLocalHost({ name: 'master' });
const archives = createArchives(host);
const OWNER = { user: 'anna', uid: 1001, gid: 1002 };
const CATALOGUE: Origin = { from: 'catalogue', owner: OWNER };
const FOREIGN: Origin = { from: 'foreign', owner: OWNER };

let base: string;
let path: string;
beforeEach(async () => {
  base = await mkdtemp('/var/tmp/kedge-unpacking-');
  path = join(base, 'archive');
});
afterEach(async () => {
  // Node has no way to remove paths as long as these.
  execFileSync('rm', ['-rf', base]);
});

const ROOT = raw({ name: './', mode: '0000755\0', type: '5' });
const DUMP = raw({ name: './database.sql' }, 'SELECT 1;\n');
const archive = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, END]);

/** Inspects and extracts, as a task does; returns the folder. */
async function unpack(origin: Origin, change: Partial<ExtractRequest> = {}): Promise<string> {
  const judged = await archives.inspect(path, origin, testOperation());
  return extract({ origin, judged, ...change });
}

async function extract(request: Pick<ExtractRequest, 'judged' | 'origin'> & Partial<ExtractRequest>): Promise<string> {
  const out = join(base, 'out');
  await mkdir(out, { mode: 0o700 });
  const folders = [{ name: 'site', path: out }];
  await archives.extract({ path, host, folders, dump: join(base, 'restore.sql'), ...request }, testOperation());
  return out;
}

/** Each file by its name: type, mode, owner, group, time, links, target. */
function listing(folder: string): string[] {
  const format = String.raw`%P|%y|%m|%U|%G|%T@|%n|%l\0`;
  return execFileSync('find', [folder, '-printf', format], { encoding: 'latin1', maxBuffer: 1e9 })
    .split('\0')
    .filter((line) => line !== '')
    .sort();
}

it('zeros of large files are given back to the disk, with content, time and mode kept', async () => {
  const zeros = Buffer.alloc(3 * 1024 * 1024);
  const holed = Buffer.concat([Buffer.from('begin'), zeros, Buffer.from('end')]);
  await writeFile(
    path,
    archive(
      ROOT,
      raw(
        { name: './holed', mode: '0004755\0', uid: '0001751\0', gid: '0001752\0', modified: '14000000000\0' },
        holed.toString('latin1'),
      ),
      raw({ name: './-- "$(id)"\n' }, zeros.toString('latin1')),
      raw({ name: './dense' }, Buffer.alloc(1024 * 1024, 'x').toString('latin1')),
      raw({ name: './few' }, Buffer.alloc(8000).toString('latin1')),
      DUMP,
    ),
  );
  const out = await unpack(CATALOGUE);
  const allocated = async (name: string): Promise<number> => (await stat(join(out, name))).blocks * 512;
  expect(await readFile(join(out, 'holed'))).toEqual(holed);
  expect(await readFile(join(out, '-- "$(id)"\n'))).toEqual(zeros);
  expect(await allocated('holed')).toBeLessThan(100_000);
  expect(await allocated('-- "$(id)"\n')).toBeLessThan(100_000);
  expect(await allocated('dense')).toBeGreaterThanOrEqual(1024 * 1024);
  const { mode, mtimeMs } = await stat(join(out, 'holed'));
  expect([mode & 0o7777, mtimeMs]).toEqual([0o4755, 0o14000000000 * 1000]);
});

describe('cancelled at any moment it throws the reason, and that is all:', () => {
  const dump = (): string => join(base, 'restore.sql');
  beforeEach(() => writeFile(path, archive(ROOT, DUMP)));

  it('inspecting', () => cancelAtEachTurn((operation) => archives.inspect(path, CATALOGUE, operation)));

  it('unpacking', async () => {
    const judged = await archives.inspect(path, CATALOGUE, testOperation());
    const out = join(base, 'out');
    await mkdir(out);
    const request = { path, origin: CATALOGUE, judged, host, folders: [{ name: 'site', path: out }], dump: dump() };
    await cancelAtEachTurn((operation) => archives.extract(request, operation));
  });

  it('unpacking definitions', () =>
    cancelAtEachTurn((operation) =>
      archives.extractDefinitions({ path, origin: CATALOGUE, destination: dump() }, operation),
    ));
});

describe('what was compressed', () => {
  const tar = archive(ROOT, DUMP);
  const compress = (program: string, bytes: Buffer): Buffer => execFileSync(program, ['-c'], { input: bytes });
  const skipped = Buffer.from('\x5e\x2a\x4d\x18\x04\0\0\0hide', 'latin1');
  const halves = (program: string): Buffer =>
    Buffer.concat([compress(program, tar.subarray(0, 700)), compress(program, tar.subarray(700))]);

  it.each<[string, () => Buffer]>([
    ['one member of gzip', () => compress('gzip', tar)],
    ['several of them', () => halves('gzip')],
    ['several streams of bzip2', () => halves('bzip2')],
    ['several frames of zstd', () => halves('zstd')],
    ['frames to be skipped between them', () => Buffer.concat([skipped, halves('zstd'), skipped])],
    ['a tar of POSIX', () => tar],
    ['an old tar without magic', () => archive(raw({ name: 'f', magic: '', type: '\0' }))],
  ])('%s is read', async (_what, make) => {
    await writeFile(path, make());
    expect((await archives.inspect(path, FOREIGN, testOperation())).members).toBeGreaterThan(0);
  });

  it.each<[string, () => Buffer]>(
    ['gzip', 'bzip2', 'zstd'].flatMap((program) =>
      ['x', '\0', '\0'.repeat(512), 'hidden '.repeat(100)].map((more): [string, () => Buffer] => [
        `${program}: ${JSON.stringify(more.slice(0, 10))}, ${more.length} bytes`,
        () => Buffer.concat([compress(program, tar), Buffer.from(more, 'latin1')]),
      ]),
    ),
  )('bytes behind the last are refused: %s', async (_what, make) => {
    await writeFile(path, make());
    await expect(archives.inspect(path, FOREIGN, testOperation())).rejects.toMatchObject({ code: 'ArchiveInvalid' });
  });
});

describe('what lies on the disk is what was judged', () => {
  const deep = `${'ddddddddd/'.repeat(400)}${'n'.repeat(93)}`;
  const members = [
    DUMP,
    raw({ name: './', mode: '0002775\0', type: '5', uid: '0001751\0', gid: '0001752\0', modified: '00000001000\0' }),
    raw({ name: './implied/by/this', uid: '0000021\0' }, 'x'),
    raw({ name: './implied/', mode: '0000700\0', type: '5', modified: '00000002000\0' }),
    long('L', `./${deep}`),
    raw({}, 'deep'),
    raw({ name: './again', mode: '0000600\0' }, 'first'),
    raw({ name: './hard', type: '1', linkName: './again' }),
    raw({ name: './again', mode: '0000640\0' }, 'second'),
    raw({ name: './soft', type: '2', linkName: '../../../etc/shadow' }),
    raw({ name: './soft-too', type: '1', linkName: './soft' }),
    long('K', `/${'t'.repeat(200)}`),
    raw({ name: './long', type: '2', uid: '0000022\0' }),
    raw({ name: './\xff\n\x1b "' }, 'y'),
    pax({
      mtime: '1234.567890123',
      'SCHILY.xattr.user.note': 'a\0b',
      'SCHILY.acl.access': 'user::rw-\nuser:7:r--\ngroup::r--\nmask::r--\nother::---\n',
    }),
    raw({ name: './attributes', mode: '0000640\0' }, 'z'),
    raw({ name: './ids', uid: base256(3_000_000n, 8), gid: base256(4_000_000_000n, 8), modified: base256(-100n, 12) }),
    raw({ name: './setuid', mode: '0006755\0', uid: '0001751\0', gid: '0001752\0' }),
    raw({ name: './taken-off', mode: '0006755\0' }),
    raw({ name: './pipe', type: '6' }),
    raw({ name: './.kedge/site/database.sql' }, 'own'),
    raw({ name: './big', uid: '0001751\0' }, Buffer.alloc(1_000_000, 'big')),
  ];

  itAsRoot('from the catalogue', async () => {
    await writeFile(path, archive(...members));
    const out = await unpack(CATALOGUE);
    const folders = (depth: number): string => 'ddddddddd/'.repeat(depth).slice(0, -1);
    expect(listing(out).filter((line) => !line.startsWith('ddddddddd/'))).toEqual(
      [
        '|d|2775|1001|1002|512.0000000000|11|',
        'implied|d|700|0|0|1024.0000000000|3|',
        'implied/by|d|755|1001|1002|0.0000000000|2|',
        'implied/by/this|f|644|17|0|0.0000000000|1|',
        'ddddddddd|d|755|1001|1002|0.0000000000|3|',
        'again|f|640|0|0|0.0000000000|1|',
        'hard|f|600|0|0|0.0000000000|1|',
        'soft|l|777|0|0|0.0000000000|2|../../../etc/shadow',
        'soft-too|l|777|0|0|0.0000000000|2|../../../etc/shadow',
        `long|l|777|18|0|0.0000000000|1|/${'t'.repeat(200)}`,
        '\xff\n\x1b "|f|644|0|0|0.0000000000|1|',
        'attributes|f|640|0|0|1234.5678901230|1|',
        'ids|f|644|3000000|4000000000|-100.0000000000|1|',
        'setuid|f|6755|1001|1002|0.0000000000|1|',
        'taken-off|f|755|0|0|0.0000000000|1|',
        'database.sql|f|644|0|0|0.0000000000|1|',
        'big|f|644|1001|0|0.0000000000|1|',
      ]
        .map((line) => line.replace('|11|', '|4|'))
        .sort(),
    );
    expect(listing(out).filter((line) => line.startsWith('ddddddddd/'))).toHaveLength(400);
    expect(listing(out)).toContain(`${folders(400)}|d|755|1001|1002|0.0000000000|2|`);
    const content = (name: string): string => execFileSync('cat', [join(out, name)], { encoding: 'latin1' });
    expect(['again', 'hard', 'database.sql'].map(content)).toEqual(['second', 'first', 'own']);
    expect(content('big')).toBe(Buffer.alloc(1_000_000, 'big').toString('latin1'));
    expect(execFileSync('getfacl', ['-n', '-c', '-p', join(out, 'attributes')], { encoding: 'utf8' })).toContain(
      'user:7:r--',
    );
    const attributes = ['tar', '-cf', '-', '--xattrs', '--xattrs-include=*', '-C', out, 'attributes'] as const;
    expect(execFileSync(attributes[0], attributes.slice(1), { encoding: 'latin1' })).toContain(
      'SCHILY.xattr.user.note=a\0b\n',
    );
    expect(await readFile(join(base, 'restore.sql'), 'latin1')).toBe('SELECT 1;\n');
  });

  itAsRoot('foreign: all is the site owner’s', async () => {
    await writeFile(path, archive(...members.slice(0, 17)));
    for (const line of listing(await unpack(FOREIGN))) expect(line).toMatch(/\|1001\|1002\|/);
  });

  itAsRoot('a folder of the site that the archive says nothing of is its owner’s', async () => {
    await writeFile(path, archive(DUMP));
    expect(listing(await unpack(FOREIGN))).toEqual(['|d|755|1001|1002|0.0000000000|2|']);
  });

  it.each(['sha256', 'members', 'contentBytes'] as const)(
    'an archive that is another by now, by its %s',
    async (key) => {
      await writeFile(path, archive(ROOT, DUMP));
      const judged = await archives.inspect(path, CATALOGUE, testOperation());
      const other = { ...judged, [key]: key === 'sha256' ? '0'.repeat(64) : judged[key] + 1 };
      await expect(extract({ origin: CATALOGUE, judged: other })).rejects.toMatchObject({ code: 'ArchiveInvalid' });
    },
  );
});

describe('an archive that nobody inspected', () => {
  const judged = { sha256: '', members: null, contentBytes: null };

  it('is refused in the middle of unpacking, and what follows is not unpacked', async () => {
    const bad = raw({ name: './s', mode: base256(0o4755n, 8) }, 'x');
    await writeFile(path, archive(ROOT, DUMP, raw({}, Buffer.alloc(3_000_000)), bad, raw({ name: './after' })));
    await expect(extract({ origin: CATALOGUE, judged })).rejects.toMatchObject({
      code: 'ArchiveRefused',
      message: expect.stringContaining('mode') as unknown,
    });
    expect(await readdir(join(base, 'out'))).not.toContain('after');
    expect(await host.endProcesses(testOperation().mark)).toBe(0);
  });

  it('is invalid when it is cut short, compressed or not', async () => {
    const whole = archive(ROOT, raw({}, Buffer.alloc(3_000_000, 'x')));
    await writeFile(path, whole.subarray(0, 1_000_000));
    await expect(extract({ origin: CATALOGUE, judged })).rejects.toMatchObject({ code: 'ArchiveInvalid' });
    await rm(join(base, 'out'), { recursive: true });
    await writeFile(path, execFileSync('gzip', ['-c'], { input: whole }).subarray(0, 1500));
    await expect(extract({ origin: CATALOGUE, judged })).rejects.toMatchObject({ code: 'ArchiveInvalid' });
  });

  it('holds a folder that is none of the site', async () => {
    await writeFile(path, archive(ROOT, raw({ name: './.kedge/roots/other/f' })));
    await expect(extract({ origin: CATALOGUE, judged })).rejects.toMatchObject({
      code: 'ArchiveRefused',
      message: expect.stringContaining('"other"') as unknown,
    });
  });
});

itAsRoot('a disk that is full is said to be full', async () => {
  const small = join(base, 'small');
  await mkdir(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
  try {
    await writeFile(path, archive(ROOT, raw({}, Buffer.alloc(3_000_000, 'x'))));
    await expect(unpack(CATALOGUE, { folders: [{ name: 'site', path: small }] })).rejects.toMatchObject({
      code: 'DiskFull',
    });
    await rm(join(base, 'out'), { recursive: true });
    await writeFile(path, archive(ROOT, raw({ name: './database.sql' }, Buffer.alloc(3_000_000, 'x'))));
    await expect(unpack(CATALOGUE, { dump: join(small, 'restore.sql') })).rejects.toMatchObject({ code: 'DiskFull' });
  } finally {
    execFileSync('umount', [small]);
  }
});

describe('the look at what was unpacked', () => {
  const attributes = (change: Partial<Attributes> = {}): Attributes => ({
    root: 'site',
    type: 'file',
    uid: 1001,
    gid: 1002,
    special: 0,
    ...change,
  });
  let site: string;
  const check = (): Promise<void> => {
    const judged = new Tally();
    judged.add(attributes({ type: 'folder', special: 0o2000 }));
    for (let count = 0; count < 2; count += 1) judged.add(attributes());
    judged.add(attributes({ type: 'symbolic link', uid: 0 }));
    return checkUnpacked(host, [{ name: 'site', from: site, to: '/unpack/0' }], judged, testOperation());
  };
  beforeEach(async () => {
    site = join(base, 'site');
    await mkdir(site);
    const script =
      'cd "$1"; printf x >a; printf y >"$(printf "b\\n-rwxr-xr-x* ")"; ln -s a l; chown -R 1001:1002 .; chown -h 0:1002 l';
    execFileSync('sh', ['-euc', script, 'sh', site]);
    await chmod(site, 0o2775);
  });

  itAsRoot('what was judged passes', async () => {
    await expect(check()).resolves.toBeUndefined();
  });

  itAsRoot.each<[string, string]>([
    ['a setuid bit', 'chmod u+s a'],
    ['a setgid bit', 'chmod g+s a'],
    ['a setgid bit of a folder that is gone', 'chmod g-s .'],
    ['another owner', 'chown 0 a'],
    ['another group', 'chown :0 a'],
    ['another owner of a link', 'chown -h 1001 l'],
    ['one more file', 'printf z >c; chown 1001:1002 c'],
    ['one less', 'rm a'],
    ['a file in the place of a link', 'rm l; printf x >l; chown 0:1002 l'],
    ['a device', 'mknod n c 1 3; chown 1001:1002 n'],
    ['a pipe', 'mkfifo p; chown 1001:1002 p'],
    ['a capability', 'setcap cap_net_raw+ep a'],
  ])('%s is refused', async (_what, script) => {
    execFileSync('sh', ['-euc', `cd "$1"; ${script}`, 'sh', site], {
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    });
    await expect(check()).rejects.toMatchObject({ code: 'ArchiveRefused' });
  });

  itAsRoot('it reads no file', async () => {
    // A terabyte of holes.
    execFileSync('truncate', ['-s', '1T', join(site, 'a')]);
    await expect(check()).resolves.toBeUndefined();
  });
});

it('the checksum is that of the archive', async () => {
  const bytes = archive(ROOT, DUMP);
  await writeFile(path, bytes);
  const { sha256 } = await archives.inspect(path, FOREIGN, testOperation());
  expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
});
