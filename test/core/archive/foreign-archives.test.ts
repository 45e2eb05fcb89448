import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArchives } from '../../../src/core/archive/archives';
import type { Origin } from '../../../src/core/archive/archive';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { type DiskEntry, filesOn } from '../../helpers/archives/disk';
import { type Tree, addLargeFile, makeTree } from '../../helpers/archives/ordinary-trees';
import { COMPRESSORS, PACKERS, hasProgram } from '../../helpers/archives/packers';
import { DUMP } from '../../helpers/archives/sound';
import { testOperation } from '../../helpers/operation';

const host = createLocalHost({ name: 'master' });
const archives = createArchives(host);
const OWNER = { user: 'www-data', uid: 33, gid: 33 };
let folder: string;
const treeOf = (tree: Tree): string => join(folder, tree);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-foreign-'));
  for (const tree of ['short', 'long', 'extreme'] as const) makeTree(treeOf(tree), tree);
  makeTree(join(folder, 'large'), 'short');
  addLargeFile(join(folder, 'large'));
});
afterEach(() => rm(join(folder, 'out'), { recursive: true, force: true }));
afterAll(() => {
  execFileSync('rm', ['-rf', folder]);
});

/** A test for whoever has the program, and a plain word for whoever has not. */
function itWith(program: string): jest.It {
  return hasProgram(program) ? it : it.skip;
}
const named = (name: string, program: string): string =>
  hasProgram(program) ? name : `${name}: ${program} is not installed`;

describe('ordinary trees, packed by the programs people have', () => {
  for (const { name, needs, command, trees } of PACKERS) {
    for (const tree of trees) {
      itWith(needs)(named(`${name}: ${tree} names and numbers`, needs), async () => {
        const archive = join(folder, 'archive');
        execFileSync('bash', ['-euc', command, 'bash', treeOf(tree), archive], { stdio: 'pipe' });
        await expectSame(archive, treeOf(tree));
      });
    }
  }
});

describe('compressed by', () => {
  for (const { name, needs, command } of COMPRESSORS) {
    itWith(needs)(named(name, needs), async () => {
      const archive = join(folder, 'archive');
      const script = `set -o pipefail; tar --create --directory "$1" . | ${command} > "$2"`;
      execFileSync('bash', ['-euc', script, 'bash', join(folder, 'large'), archive], { stdio: 'pipe' });
      await expectSame(archive, join(folder, 'large'));
    });
  }
});

itWith('git')(named('git archive: contents, links and what is executable', 'git'), async () => {
  const repository = join(folder, 'repository');
  const archive = join(folder, 'archive');
  const script = `
    mkdir "$1"; cd "$1"; export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
    mkdir -p content/deep; printf '%s' "$3" > database.sql; printf page > index.php; printf run > content/run; chmod 755 content/run
    ln -s ../index.php content/link; printf ü > "content/deep/ü"; printf l > "content/$(printf 'l%.0s' $(seq 200))"
    git init -q; git add .; git -c user.name=x -c user.email=x@example.com commit -q -m x
    git archive --format=tar --prefix=./ HEAD > "$2"; rm -rf .git`;
  execFileSync('bash', ['-euc', script, 'bash', repository, archive, DUMP]);
  const out = await unpacked(archive);
  const described = (path: string): unknown =>
    Object.fromEntries(
      [...filesOn(path)]
        .filter(([name]) => name !== '' && name !== 'database.sql')
        .map(([name, { type, mode, sha256, target }]) => [
          name,
          [type, type === 'file' ? mode & 0o100 : 0, sha256 ?? target],
        ]),
    );
  expect(described(out)).toEqual(described(repository));
});

/** Accepted, and what lies on the disk then is what was packed: but for the dump, which is read apart. */
async function expectSame(archive: string, tree: string): Promise<void> {
  expect(comparable(await unpacked(archive))).toEqual(comparable(tree));
}

async function unpacked(path: string, origin: Origin = { from: 'catalogue', owner: OWNER }): Promise<string> {
  const judged = await archives.inspect(path, origin, testOperation());
  expect(judged.dump).toMatchObject({ bytes: DUMP.length, complete: true });
  expect([...(judged.dump?.contents.tables.keys() ?? [])]).toEqual(['t']);
  const [out, dump] = [join(folder, 'out'), join(folder, 'dump.sql')];
  await mkdir(out, { mode: 0o700 });
  await archives.extract({ path, origin, judged, host, folders: [{ name: 'site', path: out }], dump }, testOperation());
  expect(await readFile(dump, 'utf8')).toBe(DUMP);
  return out;
}

function comparable(path: string): Record<string, Partial<DiskEntry>> {
  const entries = [...filesOn(path)].filter(([name]) => name !== 'database.sql');
  return Object.fromEntries(
    entries.map(([name, entry]) => [
      name,
      { ...entry, mtime: entry.mtime / 1_000_000_000n, ...(entry.type === 'link' ? { mode: 0 } : {}) },
    ]),
  );
}
