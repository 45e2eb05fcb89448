import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PackedRecord } from '../../../src/contract/backup-record';
import type { SiteRoot } from '../../../src/contract/target';
import type { Compression } from '../../../src/contract/tasks';
import { checkRoots } from '../../../src/core/archive/restorable';
import { createArchives } from '../../../src/core/archive/archives';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Operation } from '../../../src/core/operation';
import { cancelAtEachTurn } from '../../helpers/cancelled-everywhere';
import { testOperation } from '../../helpers/operation';
import { isRoot, itAsRoot } from '../../helpers/as-root';

const host = createLocalHost({ name: 'master' });
const archives = createArchives(host);
const ORIGIN = { from: 'catalogue', owner: null } as const;
let folder: string;
let site: string;

const record: PackedRecord = {
  schema: 1,
  id: 'example.com-20261124.031502',
  site: 'example.com',
  kind: 'php',
  roots: [],
  description: 'before the update',
  trigger: 'request',
  who: 'anna',
  task: 'example.com-20261124.031502-backup',
  created: '2026-11-24T03:15:02.000Z',
  dumpBytes: 10,
  database: {
    charset: 'utf8mb4',
    collation: 'utf8mb4_general_ci',
    serverVersion: '10.11',
    tables: [{ name: 't', rows: 1 }],
    views: [],
    enabledEvents: [],
  },
  codeVersion: null,
  contentMark: { status: 200, title: 'x' },
};
const DUMP =
  'CREATE TABLE `t` (`a` int) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;\nINSERT INTO `t` VALUES\n(1);\n-- Dump completed on 2026-11-24\n';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-archive-'));
  site = join(folder, 'site');
  await mkdir(site);
  await mkdir(join(folder, 'scratch'), { mode: 0o700 });
  await writeFile(join(folder, 'dump.sql'), DUMP);
});
afterEach(async () => {
  execFileSync('chmod', ['-R', 'u+rwx', folder]);
  await rm(folder, { recursive: true, force: true });
});

async function pack(
  options: { compression?: Compression; exclude?: string[] } = {},
  operation: Operation = testOperation(),
) {
  const destination = join(folder, 'archive');
  const result = await archives.pack(
    {
      roots: [{ name: 'site', path: site }],
      exclude: options.exclude ?? [],
      dump: join(folder, 'dump.sql'),
      record,
      scratch: join(folder, 'scratch'),
      destination,
      compression: options.compression ?? 'zstd',
    },
    operation,
  );
  const sha256 = createHash('sha256')
    .update(await readFile(destination))
    .digest('hex');
  return { ...result, destination, sha256 };
}

function extract(path: string, sha256: string, folders: SiteRoot[]): Promise<{ bytes: number }> {
  const judged = { sha256, members: null, contentBytes: null };
  const dump = join(folder, 'restore.sql');
  return archives.extract({ path, origin: ORIGIN, judged, host, folders, dump }, testOperation());
}

async function unpack(archive: string, sha256: string): Promise<string> {
  const out = join(folder, 'out');
  await mkdir(out, { mode: 0o700 });
  await extract(archive, sha256, [{ name: 'site', path: out }]);
  return out;
}

/** Everything that is to come back, by name as bytes. */
async function listing(path: string, prefix = ''): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const status = await lstat(path, { bigint: true });
  found[prefix || '.'] = {
    mode: (status.mode & 0o7777n).toString(8),
    uid: Number(status.uid),
    gid: Number(status.gid),
    mtime: String(status.mtimeNs),
    ...(status.isFile() ? { links: Number(status.nlink), content: (await readFile(path)).toString('hex') } : {}),
    ...(status.isSymbolicLink() ? { target: await readlink(path) } : {}),
  };
  if (!status.isDirectory()) return found;
  for (const name of await readdir(path, { encoding: 'buffer' })) {
    const child = Buffer.concat([Buffer.from(`${path}/`, 'latin1'), name]);
    Object.assign(found, await listingOf(child, `${prefix}/${name.toString('latin1')}`));
  }
  return found;
}

async function listingOf(path: Buffer, prefix: string): Promise<Record<string, unknown>> {
  return listing(path as unknown as string, prefix).catch(async () => {
    throw new Error(`cannot list ${prefix}`);
  });
}

describe('pack, inspect, extract', () => {
  it('brings a nasty tree back: names as bytes, owners, modes, times, links, the site’s own database.sql and .kedge', async () => {
    const put = (name: string | Buffer, content: string) =>
      writeFile(Buffer.concat([Buffer.from(`${site}/`), Buffer.from(name)]), content);
    await put('plain.txt', 'x');
    await put('with space and "quotes"\nand newline', 'y');
    await put(Buffer.from('caf\xe9', 'latin1'), 'latin-1');
    await put('ünï cødé', 'utf-8');
    await put('-leading-dash', 'z');
    await put('database.sql', 'the site’s own');
    await mkdir(join(site, '.kedge'));
    await put('.kedge/backup.json', 'the site’s own too');
    await symlink('database.sql', join(site, 'soft'));
    await symlink('/nowhere', join(site, 'dangling'));
    execFileSync('ln', [join(site, 'database.sql'), join(site, 'hard')]);
    const deep = join(site, ...Array.from({ length: 6 }, () => 'd'.repeat(60)));
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, 'f'), 'deep');
    await mkdir(join(site, 'empty'), { mode: 0o2775 });
    await chmod(join(site, 'empty'), 0o2775);
    await chmod(join(site, 'plain.txt'), 0o400);
    const sparse = await open(join(site, 'sparse'), 'w');
    await sparse.truncate(300_000);
    await sparse.write('end', 300_000);
    await sparse.close();
    execFileSync('setfacl', ['-m', 'u:1234:r', join(site, '-leading-dash')]);
    execFileSync('touch', ['-d', '2020-02-03 04:05:06.123456789 UTC', join(site, 'ünï cødé')]);
    if (isRoot) {
      await chown(join(site, '-leading-dash'), 33, 4321);
      await chown(join(site, 'empty'), 1001, 1001);
      await chmod(join(site, 'empty'), 0o2775);
    }
    await mkdir(join(site, 'locked'));
    await writeFile(join(site, 'locked', 'inside'), 'x');
    await chmod(join(site, 'locked'), 0o500);

    const { destination, sha256 } = await pack();
    const inspection = await archives.inspect(destination, ORIGIN, testOperation());
    expect(inspection).toMatchObject({ sha256, record, leavingLinks: ['./dangling -> /nowhere'] });
    expect(inspection.dump?.contents.tables).toEqual(new Map([['t', 1]]));
    expect(inspection.dump).toEqual({
      bytes: DUMP.length,
      complete: true,
      contents: expect.anything() as unknown,
      definitions: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      collations: ['utf8mb4_general_ci'],
      charsets: ['utf8mb4'],
      views: [],
      engines: ['innodb'],
      types: [],
      parsers: [],
      encrypts: false,
      holdsHistory: false,
      illFormed: [],
      longestValue: null,
      withoutPrimaryKey: [{ table: 't', engine: 'innodb', primary: false, unique: false }],
      refused: [],
      createsFunctions: false,
      elsewhere: [],
    });
    const before = await listing(site);
    const out = await unpack(destination, sha256);
    expect(await listing(out)).toEqual(before);
    expect(execFileSync('getfacl', ['-n', '--omit-header', join(out, '-leading-dash')]).toString()).toContain(
      'user:1234:r--',
    );

    expect(await readFile(join(folder, 'restore.sql'), 'utf8')).toBe(DUMP);

    const definitions = join(folder, 'definitions.sql');
    await archives.extractDefinitions({ path: destination, origin: ORIGIN, destination: definitions }, testOperation());
    expect(await readFile(definitions, 'utf8')).toBe(DUMP.replace(/^INSERT[^;]*/m, 'UNLOCK TABLES'));
    const nowhere = { path: destination, origin: ORIGIN, destination: join(folder, 'no/such/folder.sql') };
    await expect(archives.extractDefinitions(nowhere, testOperation())).rejects.toThrow('ENOENT');
  });

  it.each<[Compression, string]>([
    ['zstd', 'zstd'],
    ['gzip', 'gzip'],
  ])('%s: unpacks by hand with tar alone', async (compression, program) => {
    await writeFile(join(site, 'f'), 'x');
    const { destination } = await pack({ compression });
    const names = execFileSync('tar', ['-t', `--use-compress-program=${program}`, '-f', destination])
      .toString()
      .trim()
      .split('\n');
    expect(names).toEqual(['./database.sql', './.kedge/backup.json', './', './f']);
  });

  it('leaves out what is excluded, from the site folder on', async () => {
    await mkdir(join(site, 'wp-content/cache/deep'), { recursive: true });
    await mkdir(join(site, 'other/wp-content/cache'), { recursive: true });
    await writeFile(join(site, 'wp-content/cache/deep/f'), 'x');
    await writeFile(join(site, 'other/wp-content/cache/f'), 'x');
    const { destination, sha256 } = await pack({ exclude: ['wp-content/cache'] });
    const out = await unpack(destination, sha256);
    expect(await readdir(join(out, 'wp-content'))).toEqual([]);
    expect(await readdir(join(out, 'other/wp-content/cache'))).toEqual(['f']);
  });

  it('reads .tar.bz2 and plain .tar, with or without .kedge', async () => {
    const tree = join(folder, 'foreign');
    await mkdir(tree);
    await writeFile(join(tree, 'database.sql'), DUMP);
    await writeFile(join(tree, 'index.php'), 'x');
    for (const flag of ['--bzip2', '--gzip', '--format=gnu']) {
      const path = join(folder, `foreign${flag}`);
      execFileSync('tar', ['-c', flag, '-f', path, '-C', tree, '.']);
      expect(await archives.inspect(path, ORIGIN, testOperation())).toMatchObject({
        record: null,
        dump: { complete: true },
        members: 3,
      });
    }
  });

  it('a file that vanishes or grows while it is read is a warning', async () => {
    await writeFile(join(site, 'log'), Buffer.alloc(60_000_000, 'x'));
    let going = true;
    const growing = (async () => {
      while (going) await appendFile(join(site, 'log'), 'y'.repeat(1000));
    })();
    const { warnings, destination } = await pack().finally(() => (going = false));
    await growing;
    expect(warnings).toEqual(['files of example.com that changed while they were read (1): log']);
    expect((await archives.inspect(destination, ORIGIN, testOperation())).dump?.complete).toBe(true);
  });

  it('cancelled: tar and compressor are gone', async () => {
    execFileSync('sh', ['-c', 'head -c 400000000 /dev/urandom > "$1"', 'sh', join(site, 'big')]);
    const operation = testOperation('cancel-pack/tarball');
    const packing = archives.pack(
      {
        roots: [{ name: 'site', path: site }],
        exclude: [],
        dump: join(folder, 'dump.sql'),
        record,
        scratch: join(folder, 'scratch'),
        destination: join(folder, 'a'),
        compression: 'zstd',
      },
      { ...operation, progress: () => operation.cancel() },
    );
    await expect(packing).rejects.toThrow('the test cancelled');
    expect(await host.endProcesses('cancel-pack')).toBe(0);
  });

  it('an archive that is another by now is not unpacked as this one', async () => {
    await writeFile(join(site, 'f'), 'x');
    const { destination } = await pack();
    await mkdir(join(folder, 'out'));
    await expect(
      extract(destination, '0'.repeat(64), [{ name: 'site', path: join(folder, 'out') }]),
    ).rejects.toMatchObject({ code: 'ArchiveInvalid' });
  });

  itAsRoot('a full disk is said to be full', async () => {
    const small = join(folder, 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    try {
      execFileSync('sh', ['-c', 'head -c 1000000 /dev/urandom > "$1"', 'sh', join(site, 'big')]);
      await expect(
        archives.pack(
          {
            roots: [{ name: 'site', path: site }],
            exclude: [],
            dump: join(folder, 'dump.sql'),
            record,
            scratch: join(folder, 'scratch'),
            destination: join(small, 'a'),
            compression: 'zstd',
          },
          testOperation(),
        ),
      ).rejects.toMatchObject({ code: 'DiskFull' });
    } finally {
      execFileSync('umount', [small]);
    }
  });
});

describe('more folders than the site folder', () => {
  let files: string;
  let config: string;
  beforeEach(async () => {
    [files, config] = [join(folder, 'elsewhere/files'), join(folder, 'config')];
    const script = String.raw`
      mkdir -p "$1/.kedge/roots/files" "$2/sub/cache" "$3"
      echo page > "$1/index.php"; echo own > "$1/.kedge/roots/files/own"
      ln -s "$2" "$1/uploads"; ln -s /nowhere "$1/away"; ln -s index.php "$1/near"
      echo picture > "$2/sub/a picture"; ln "$2/sub/a picture" "$2/again"; ln -s "$1/index.php" "$2/page"; ln -s ../gone "$2/gone"
      echo cached > "$2/sub/cache/thing"; echo dump > "$2/database.sql"; mkdir "$2/.kedge"; echo x > "$2/.kedge/backup.json"
      printf x > "$2/$(printf 'na\357ve')"
      echo secret > "$3/db.php"; chmod 640 "$3/db.php"; chmod 750 "$3"; touch -d 2020-01-02 "$3/db.php" "$3"`;
    execFileSync('sh', ['-euc', script, 'sh', site, files, config]);
    if (isRoot) execFileSync('chown', ['12:34', config, join(files, 'sub/a picture')]);
  });
  const roots = () => [
    { name: 'site', path: site },
    { name: 'files', path: files },
    { name: 'config', path: config },
  ];
  const packAll = async (exclude: string[] = []) => {
    const destination = join(folder, 'archive');
    const [dump, scratch] = [join(folder, 'dump.sql'), join(folder, 'scratch')];
    const request = {
      roots: roots(),
      exclude,
      dump,
      record: { ...record, roots: roots() },
      scratch,
      destination,
    };
    return { ...(await archives.pack({ ...request, compression: 'zstd' }, testOperation())), destination };
  };

  it('all come back, each into its folder, and none into another', async () => {
    const { destination } = await packAll();
    const inspection = await archives.inspect(destination, ORIGIN, testOperation());
    const { sha256 } = inspection;
    expect(inspection.record?.roots).toEqual(roots());
    expect(inspection.roots.map(({ name }) => name).sort()).toEqual(['config', 'files', 'site']);
    expect(inspection.roots.find(({ name }) => name === 'config')).toEqual({
      ...{ name: 'config', bytes: 7, members: 2 },
      owners: expect.arrayContaining([expect.objectContaining({ bytes: 4096, files: 1 })]) as unknown,
    });
    // From one folder into another leads nowhere else.
    expect([...inspection.leavingLinks].sort()).toEqual(['./.kedge/roots/files/gone -> ../gone', './away -> /nowhere']);
    expect(() => checkRoots({ ...record, roots: roots() }, inspection)).not.toThrow();
    expect(() => checkRoots({ ...record, roots: roots().slice(0, 2) }, inspection)).toThrow(/holds config beyond them/);
    const more = [...roots(), { name: 'more', path: '/srv/more' }];
    expect(() => checkRoots({ ...record, roots: more }, inspection)).toThrow(/lacks more/);

    const out = roots().map(({ name }) => ({ name, path: join(folder, 'out', name) }));
    for (const { path } of out) await mkdir(path, { recursive: true, mode: 0o700 });
    await extract(destination, sha256, out);
    for (const [at, { path }] of roots().entries())
      expect(await listing(out[at]?.path ?? '')).toEqual(await listing(path));
    expect((await readdir(join(folder, 'out'))).sort()).toEqual(['config', 'files', 'site']);
  });

  it('by hand: they stand below .kedge/roots', async () => {
    const { destination } = await packAll();
    const out = join(folder, 'out');
    await mkdir(out);
    execFileSync('tar', ['--extract', '--file', destination, '--directory', out, '--same-permissions']);
    expect(await listing(join(out, '.kedge/roots/config'))).toEqual(await listing(config));
    expect((await listing(join(out, '.kedge/roots')))['/files/again']).toMatchObject({ links: 2 });
    expect(await readFile(join(out, '.kedge/site/.kedge/roots/files/own'), 'utf8')).toBe('own\n');
  });

  it('patterns leave out: relative ones of the site folder, absolute ones of a declared path', async () => {
    const { destination } = await packAll(['index.*', `${files}/sub/cache/*`, 'sub/*', 'db.php']);
    const names = execFileSync('tar', ['--list', '--file', destination], { encoding: 'utf8' });
    expect(names).not.toMatch(/index\.php|cache\/thing/);
    expect(names).toContain('./.kedge/roots/files/sub/a picture');
    expect(names).toContain('./.kedge/roots/files/sub/cache/\n');
    expect(names).toContain('./.kedge/roots/config/db.php');
  });

  it('a hard link that joins two of them comes back as a file in each', async () => {
    execFileSync('ln', [join(site, 'index.php'), join(files, 'shared')]);
    execFileSync('ln', [join(site, 'index.php'), join(site, 'second')]);
    execFileSync('ln', [join(config, 'db.php'), join(files, 'db.php')]);
    const { destination, warnings } = await packAll();
    expect(warnings).toEqual([]);
    const { sha256 } = await archives.inspect(destination, ORIGIN, testOperation());
    execFileSync('tar', ['--list', '--file', destination], { stdio: 'ignore' });
    const out = roots().map(({ name }) => ({ name, path: join(folder, 'out', name) }));
    for (const { path } of out) await mkdir(path, { recursive: true, mode: 0o700 });
    await extract(destination, sha256, out);
    for (const [at, { path }] of roots().entries()) {
      const before = await listing(path);
      if (at === 0) before['/index.php'] = { ...(before['/index.php'] as object), links: 2 };
      if (at === 0) before['/second'] = { ...(before['/second'] as object), links: 2 };
      if (at === 1) before['/shared'] = { ...(before['/shared'] as object), links: 1 };
      if (at === 1) before['/db.php'] = { ...(before['/db.php'] as object), links: 1 };
      if (at === 2) before['/db.php'] = { ...(before['/db.php'] as object), links: 1 };
      expect(await listing(out[at]?.path ?? '')).toEqual(before);
    }
  });

  it('a hard link that came to join two of them while they were packed is left out; in a foreign archive it is refused', async () => {
    const top = join(folder, 'top');
    const make = 'mkdir -p "$1/.kedge/roots/files"; cd "$1"; echo x > a; ln a .kedge/roots/files/b; ln a c';
    execFileSync('sh', ['-euc', make, 'sh', top]);
    const path = join(folder, 'raced');
    execFileSync('tar', ['--create', '--file', path, '--sort=name', '--directory', top, '--format=posix', '.']);
    const { warnings, members } = await archives.inspect(path, ORIGIN, testOperation());
    // What comes first is the file, in the other folder here.
    expect(warnings).toEqual([
      expect.stringMatching(/^hard links into another folder of the site are left out: .*a"?, .*c"?$/),
    ]);
    expect(members).toBe(7);
    const owner = { user: 'owner', uid: 33, gid: 33 };
    await expect(archives.inspect(path, { from: 'foreign', owner }, testOperation())).rejects.toMatchObject({
      code: 'ArchiveRefused',
      message: expect.stringContaining('in another folder of the site') as unknown,
    });
  });

  it.each([
    ['a file in the place of a folder', 'mkdir -p .kedge/roots; echo x > .kedge/roots/files'],
    ['a name that no path can have', 'mkdir -p .kedge/roots/Files; echo x > .kedge/roots/Files/x'],
    ['the name of the site folder', 'mkdir -p .kedge/roots/site; echo x > .kedge/roots/site/x'],
    ['a link in the place of a folder', 'mkdir -p .kedge/roots; ln -s /etc .kedge/roots/files'],
  ])('%s is refused', async (_what, make) => {
    const top = join(folder, 'top');
    execFileSync('sh', ['-euc', `mkdir "$1"; cd "$1"; ${make}`, 'sh', top]);
    const path = join(folder, 'forged');
    execFileSync('tar', ['--create', '--file', path, '--directory', top, '--format=posix', '.']);
    await expect(archives.inspect(path, ORIGIN, testOperation())).rejects.toMatchObject({ code: 'ArchiveRefused' });
  });
});

test('packing that is cancelled at any moment throws the reason, and that is all', async () => {
  await writeFile(join(site, 'index.php'), '<?php');
  await cancelAtEachTurn(async (operation) => {
    await rm(join(folder, 'scratch'), { recursive: true });
    await mkdir(join(folder, 'scratch'), { mode: 0o700 });
    await rm(join(folder, 'archive'), { force: true });
    await pack({}, operation);
  });
});

describe('damage', () => {
  it.each([0, 1, 10, 100, 1000, 5000, 20_000, -1, -8, -600])('cut at %i', async (at) => {
    execFileSync('sh', ['-c', 'head -c 100000 /dev/urandom > "$1"', 'sh', join(site, 'f')]);
    const { destination, bytes } = await pack();
    await truncate(destination, at < 0 ? bytes + at : at);
    await expect(archives.inspect(destination, ORIGIN, testOperation())).rejects.toMatchObject({
      code: 'ArchiveInvalid',
    });
  });

  it.each([0.1, 0.3, 0.5, 0.7, 0.9])('a flipped byte at %f changes the checksum or is refused', async (where) => {
    execFileSync('sh', ['-c', 'head -c 100000 /dev/urandom > "$1"', 'sh', join(site, 'f')]);
    const { destination, bytes, sha256 } = await pack();
    const file = await open(destination, 'r+');
    const at = Math.floor(bytes * where);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at);
    await file.close();
    const outcome = await archives.inspect(destination, ORIGIN, testOperation()).then(
      (inspection) => inspection.sha256,
      (error: { code: string }) => error.code,
    );
    expect(outcome).not.toBe(sha256);
  });

  it.each(['', 'hello', 'PK\x03\x04zip', '<?php'])('%j is no archive', async (content) => {
    await writeFile(join(folder, 'a'), content);
    await expect(archives.inspect(join(folder, 'a'), ORIGIN, testOperation())).rejects.toMatchObject({
      code: 'ArchiveInvalid',
    });
  });

  it('a link to an archive is not followed', async () => {
    const { destination } = await pack();
    await symlink(destination, join(folder, 'link'));
    await expect(archives.inspect(join(folder, 'link'), ORIGIN, testOperation())).rejects.toMatchObject({
      code: 'ArchiveInvalid',
    });
  });

  it('keeps the time stamps of folders', async () => {
    await mkdir(join(site, 'd'));
    await writeFile(join(site, 'd', 'f'), 'x');
    await utimes(join(site, 'd'), 1_000_000, 1_000_000);
    const { destination, sha256 } = await pack();
    const out = await unpack(destination, sha256);
    expect((await lstat(join(out, 'd'))).mtimeMs).toBe(1_000_000_000);
  });
});
