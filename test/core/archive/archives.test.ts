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
import type { Compression } from '../../../src/contract/tasks';
import { createArchives } from '../../../src/core/archive/archives';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

const host = createLocalHost({ name: 'master' });
const archives = createArchives(host);
const isRoot = process.getuid?.() === 0;
let folder: string;
let site: string;

const record: PackedRecord = {
  schema: 1,
  id: 'example.com-20261124.031502',
  site: 'example.com',
  kind: 'php',
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
  await writeFile(join(folder, 'dump.sql'), DUMP);
});
afterEach(async () => {
  execFileSync('chmod', ['-R', 'u+rwx', folder]);
  await rm(folder, { recursive: true, force: true });
});

async function pack(options: { compression?: Compression; exclude?: string[] } = {}) {
  const destination = join(folder, 'archive');
  const result = await archives.pack(
    {
      host,
      siteFolder: site,
      exclude: options.exclude ?? [],
      dump: join(folder, 'dump.sql'),
      record,
      scratch: join(folder, 'scratch'),
      destination,
      compression: options.compression ?? 'zstd',
    },
    testOperation(),
  );
  const sha256 = createHash('sha256')
    .update(await readFile(destination))
    .digest('hex');
  return { ...result, destination, sha256 };
}

async function unpack(archive: string, sha256: string): Promise<string> {
  const out = join(folder, 'out');
  await mkdir(out, { mode: 0o700 });
  await archives.extract(archive, sha256, host, out, testOperation());
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
    const inspection = await archives.inspect(destination, testOperation());
    expect(inspection).toMatchObject({ sha256, record, leavingLinks: ['./dangling -> /nowhere'] });
    expect(inspection.dump).toEqual({
      bytes: DUMP.length,
      complete: true,
      tables: ['t'],
      collations: ['utf8mb4_general_ci'],
      charsets: ['utf8mb4'],
      refused: [],
      createsFunctions: false,
    });
    const before = await listing(site);
    const out = await unpack(destination, sha256);
    expect(await listing(out)).toEqual(before);
    expect(execFileSync('getfacl', ['-n', '--omit-header', join(out, '-leading-dash')]).toString()).toContain(
      'user:1234:r--',
    );

    await archives.extractDump(destination, join(folder, 'restore.sql'), testOperation());
    expect(await readFile(join(folder, 'restore.sql'), 'utf8')).toBe(DUMP);
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
      expect(await archives.inspect(path, testOperation())).toMatchObject({
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
    expect(warnings.join()).toMatch(/file changed as we read it/);
    expect((await archives.inspect(destination, testOperation())).dump?.complete).toBe(true);
  });

  it('cancelled: tar and compressor are gone', async () => {
    execFileSync('sh', ['-c', 'head -c 400000000 /dev/urandom > "$1"', 'sh', join(site, 'big')]);
    const operation = testOperation('cancel-pack/tarball');
    const packing = archives.pack(
      {
        host,
        siteFolder: site,
        exclude: [],
        dump: join(folder, 'dump.sql'),
        record,
        scratch: join(folder, 'scratch'),
        destination: join(folder, 'a'),
        compression: 'zstd',
      },
      { ...operation, progress: () => operation.cancel() },
    );
    await expect(packing).rejects.toThrow('cancelled by the test');
    expect(await host.endProcesses('cancel-pack')).toBe(0);
  });

  it('an archive that is another by now is not unpacked as this one', async () => {
    await writeFile(join(site, 'f'), 'x');
    const { destination } = await pack();
    await mkdir(join(folder, 'out'));
    await expect(
      archives.extract(destination, '0'.repeat(64), host, join(folder, 'out'), testOperation()),
    ).rejects.toMatchObject({ code: 'ArchiveInvalid' });
  });

  it('a full disk is said to be full', async () => {
    if (!isRoot) return;
    const small = join(folder, 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    try {
      execFileSync('sh', ['-c', 'head -c 1000000 /dev/urandom > "$1"', 'sh', join(site, 'big')]);
      await expect(
        archives.pack(
          {
            host,
            siteFolder: site,
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

describe('damage', () => {
  it.each([0, 1, 10, 100, 1000, 5000, 20_000, -1, -8, -600])('cut at %i', async (at) => {
    execFileSync('sh', ['-c', 'head -c 100000 /dev/urandom > "$1"', 'sh', join(site, 'f')]);
    const { destination, bytes } = await pack();
    await truncate(destination, at < 0 ? bytes + at : at);
    await expect(archives.inspect(destination, testOperation())).rejects.toMatchObject({ code: 'ArchiveInvalid' });
  });

  it.each([0.1, 0.3, 0.5, 0.7, 0.9])('a flipped byte at %f changes the checksum or is refused', async (where) => {
    execFileSync('sh', ['-c', 'head -c 100000 /dev/urandom > "$1"', 'sh', join(site, 'f')]);
    const { destination, bytes, sha256 } = await pack();
    const file = await open(destination, 'r+');
    const at = Math.floor(bytes * where);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at);
    await file.close();
    const outcome = await archives.inspect(destination, testOperation()).then(
      (inspection) => inspection.sha256,
      (error: { code: string }) => error.code,
    );
    expect(outcome).not.toBe(sha256);
  });

  it.each(['', 'hello', 'PK\x03\x04zip', '<?php'])('%j is no archive', async (content) => {
    await writeFile(join(folder, 'a'), content);
    await expect(archives.inspect(join(folder, 'a'), testOperation())).rejects.toMatchObject({
      code: 'ArchiveInvalid',
    });
  });

  it('a link to an archive is not followed', async () => {
    const { destination } = await pack();
    await symlink(destination, join(folder, 'link'));
    await expect(archives.inspect(join(folder, 'link'), testOperation())).rejects.toMatchObject({
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
