import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArchives } from '../../../src/core/archive/archives';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { Origin } from '../../../src/core/archive/archive';
import { CORPUS, expectationOf } from '../../helpers/archives/corpus';
import { type DiskEntry, filesOn, sha256 } from '../../helpers/archives/disk';
import type { ExpectedFile, ExpectedFiles } from '../../helpers/archives/hostile-archive';
import { DUMP, SOUND } from '../../helpers/archives/sound';
import { bytesOf } from '../../helpers/archives/tar-blocks';
import { testOperation } from '../../helpers/operation';
import { isRoot } from '../../helpers/as-root';

const host = createLocalHost({ name: 'master' });
const archives = createArchives(host);
/** In the catalogue root's own programs lose their bits, unlike those of the site's owner. */
const ORIGINS: Record<Origin['from'], Origin> = {
  catalogue: { from: 'catalogue', owner: { user: 'www-data', uid: 33, gid: 33 } },
  foreign: { from: 'foreign', owner: { user: 'www-data', uid: 33, gid: 33 } },
};
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-hostile-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('each has a name of its own, and at least 150 are to be refused', () => {
  const names = CORPUS.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  expect(CORPUS.filter(({ expected }) => 'refused' in expected).length).toBeGreaterThanOrEqual(150);
});

/** The same code judges both origins: twice is judged only what is to differ. */
const CASES = (['foreign', 'catalogue'] as const).flatMap((from) =>
  CORPUS.filter(({ fromCatalogue }) => from === 'foreign' || fromCatalogue !== undefined).map((archive) => ({
    archive,
    origin: ORIGINS[from],
    expected: expectationOf(archive, from),
    name: `${archive.name} (${from})`,
  })),
);

describe('refused before anything is unpacked', () => {
  it.each(CASES.filter(({ expected }) => 'refused' in expected))('$name', async ({ archive, origin, expected }) => {
    const path = join(folder, 'refused');
    await writeFile(path, archive.bytes(SOUND));
    const code = 'refused' in expected ? expected.refused : null;
    await expect(archives.inspect(path, origin, testOperation())).rejects.toMatchObject({ code });
  });
});

describe('accepted, and on the disk is what was judged', () => {
  it.each(CASES.filter(({ expected }) => 'accepted' in expected))('$name', async ({ archive, origin, expected }) => {
    const path = join(folder, 'accepted');
    await writeFile(path, archive.bytes(SOUND));
    const judged = await archives.inspect(path, origin, testOperation());
    expect(judged.dump).toMatchObject({ bytes: DUMP.length, complete: true });
    expect([...(judged.dump?.contents.tables.keys() ?? [])]).toEqual(['t']);

    const folders = judged.roots.map(({ name }) => ({ name, path: join(folder, 'out', name) }));
    for (const { path: root } of folders) await mkdir(root, { recursive: true, mode: 0o700 });
    try {
      const dump = join(folder, 'dump.sql');
      const request = { path, origin, judged, host, folders, dump };
      await archives.extract(request, testOperation());
      expect(await readFile(dump, 'utf8')).toBe(DUMP);
      const files = 'accepted' in expected ? expected.accepted : {};
      expectFiles(join(folder, 'out', 'site'), origin, {
        'index.php': { type: 'file', mode: 0o644, content: '<?php echo 1;\n' },
        ...files,
      });
    } finally {
      await rm(join(folder, 'out'), { recursive: true });
    }
  });
});

/** The folder holds these files and no other, as far as they are described. */
function expectFiles(path: string, origin: Origin, files: ExpectedFiles): void {
  const found = filesOn(path);
  const described = Object.fromEntries(
    [...found].filter(([name]) => name !== '').map(([name, entry]) => [name, pick(entry, files[name], origin)]),
  );
  expect(described).toEqual(
    Object.fromEntries(Object.entries(files).map(([name, file]) => [name, wanted(file, origin)])),
  );
}

function pick(entry: DiskEntry, file: ExpectedFile | undefined, { from }: Origin): unknown {
  return {
    type: entry.type,
    ...(isRoot && (from === 'foreign' || file?.uid !== undefined) ? { uid: entry.uid } : {}),
    ...(isRoot && (from === 'foreign' || file?.gid !== undefined) ? { gid: entry.gid } : {}),
    ...(file?.mode === undefined ? {} : { mode: entry.mode.toString(8) }),
    ...(file?.mtime === undefined ? {} : { mtime: Number(entry.mtime) / 1e9 }),
    ...(file?.content === undefined ? {} : { sha256: entry.sha256 }),
    ...(file?.target === undefined ? {} : { target: entry.target }),
  };
}

function wanted(file: ExpectedFile, { from, owner }: Origin): unknown {
  const uid = from === 'foreign' ? owner.uid : file.uid;
  const gid = from === 'foreign' ? owner.gid : file.gid;
  return {
    type: file.type,
    ...(isRoot && uid !== undefined ? { uid } : {}),
    ...(isRoot && gid !== undefined ? { gid } : {}),
    ...(file.mode === undefined ? {} : { mode: file.mode.toString(8) }),
    ...(file.mtime === undefined ? {} : { mtime: file.mtime }),
    ...(file.content === undefined ? {} : { sha256: sha256(bytesOf(file.content)) }),
    ...(file.target === undefined ? {} : { target: bytesOf(file.target).toString('latin1') }),
  };
}
