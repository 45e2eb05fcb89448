import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import fc from 'fast-check';
import { KedgeError } from '../../../src/contract/errors';
import type { Inspection, Origin } from '../../../src/core/archive/archive';
import { createArchives } from '../../../src/core/archive/archives';
import type { Command, Completed, Host } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../operation';
import { type DiskEntry, filesOn } from './disk';
import { type Mutation, mutated, mutation } from './mutations';
import { PythonReader, type ReadMember, readByNpm } from './opponents';
import { PACKERS, hasProgram } from './packers';
import { accountOf, accountable } from './unpacking-account';

const OWNER = { user: 'www-data', uid: 33, gid: 34 };
const ORIGINS: readonly Origin[] = [
  { from: 'catalogue', owner: OWNER },
  { from: 'foreign', owner: OWNER },
];

/** Seconds from 1970 beyond which JavaScript has no dates, and so npm's tar no times (ECMA-262, Time Values). */
const LATEST_DATE = 8.64e12;

/** A tree whose every member is worth changing. */
const TREE = `
umask 022; cd "$1"; mkdir -p content/empty shared private
printf '%s' '-- Dump completed on 2026-11-24' > database.sql; printf '<?php' > index.php; chown 33:34 index.php
head -c 700 /dev/zero | tr '\\0' x > content/one; ln content/one private/same; ln -s index.php soft; ln -s content folder-link
ln -s /etc/passwd away; chmod 2775 shared; chown 1234:4321 private; : > content/nothing; chmod 0 content/nothing
printf l > "private/$(printf 'l%.0s' $(seq 120))"; ln -s "$(printf 't%.0s' $(seq 120))" long-link; printf c > "content/$(printf 'caf\\351')"
find . -exec touch --no-dereference --date=@1000000000 '{}' +`;

export interface Outcome {
  readonly accepted: number;
  readonly refused: number;
}

/**
 * Changes archives of real programs at random, and has each judged and unpacked: either it is refused before anything
 * is unpacked, or what lies on the disk is exactly what was judged. Root's work: owners are a part of it.
 */
export class Fuzzer {
  private readonly seeds: Buffer[] = [];
  private readonly python = new PythonReader();
  private rewritten: Buffer[] = [];
  private readonly local = createLocalHost({ name: 'master' });
  private readonly archives = createArchives(this.local);
  private counts = { accepted: 0, refused: 0 };

  private constructor(private readonly folder: string) {}

  static async start(): Promise<Fuzzer> {
    const fuzzer = new Fuzzer(await mkdtemp(join(tmpdir(), 'kedge-fuzz-')));
    await fuzzer.packSeeds();
    return fuzzer;
  }

  async stop(): Promise<void> {
    await this.python.stop();
    execFileSync('rm', ['-rf', this.folder]);
  }

  /** @throws the smallest counterexample that was found, with its seed */
  async run(seed: number, numRuns: number): Promise<Outcome> {
    this.counts = { accepted: 0, refused: 0 };
    const cases = fc.record({
      archive: fc.nat(this.seeds.length - 1),
      origin: fc.constantFrom(...ORIGINS),
      mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }),
    });
    const property = fc.asyncProperty(cases, ({ archive, origin, mutations }) =>
      this.holds(archive, origin, mutations),
    );
    // A failure prints its path: with it the same case comes again at once.
    const path = process.env['KEDGE_FUZZ_PATH'];
    await fc.assert(property, { seed, numRuns, endOnFailure: true, ...(path === undefined ? {} : { path }) });
    return this.counts;
  }

  private async holds(archive: number, origin: Origin, mutations: readonly Mutation[]): Promise<void> {
    const bytes = mutated(this.seeds[archive] ?? Buffer.alloc(0), mutations, this.seeds);
    const path = join(this.folder, 'archive.tar');
    await writeFile(path, bytes);
    if (process.env['KEDGE_FUZZ_KEEP']) await writeFile(process.env['KEDGE_FUZZ_KEEP'], bytes);
    const judged = await this.archives.inspect(path, origin, testOperation()).catch((error: unknown) => {
      if (error instanceof KedgeError && /^Archive(Refused|Invalid)$/.test(error.code)) return null;
      throw error;
    });
    this.counts = {
      ...this.counts,
      [judged ? 'accepted' : 'refused']: this.counts[judged ? 'accepted' : 'refused'] + 1,
    };
    if (judged) await this.unpacked(path, bytes, origin, judged);
  }

  private async unpacked(path: string, bytes: Buffer, origin: Origin, judged: Inspection): Promise<void> {
    const ground = join(this.folder, 'ground');
    const out = join(ground, 'out');
    const siteFolders = judged.roots.map(({ name }) => ({ name, path: join(out, name) }));
    for (const folder of siteFolders) await mkdir(folder.path, { recursive: true, mode: 0o700 });
    await writeFile(join(ground, 'canary'), 'sings');
    this.rewritten = [];
    try {
      const request = {
        path,
        origin,
        judged,
        host: this.listening(),
        folders: siteFolders,
        dump: join(ground, 'dump'),
      };
      await this.archives.extract(request, testOperation());
      const found = filesOn(ground);
      const members = await this.judgedMembers();
      for (const [at, { name }] of siteFolders.entries()) {
        const here = subtree(found, `out/${name}`);
        expectSame(
          accountable(here),
          accountOf(
            members.filter((member) => isBelow(member.name, String(at))),
            String(at),
          ),
        );
        for (const [file, entry] of here) expectHarmless(file, entry, origin);
      }
      const beside = [...found.keys()].filter(
        (file) => !siteFolders.some(({ name }) => file.startsWith(`out/${name}`)),
      );
      expectSame(beside.sort(), ['', 'canary', 'dump', 'out'].sort());
      await this.expectSameForOthers(bytes, origin, subtree(found, 'out/site'), judged);
    } finally {
      execFileSync('rm', ['-rf', ground]);
    }
  }

  /** The stream that GNU tar was given, as two other programs read it, which must agree on all of it. */
  private async judgedMembers(): Promise<readonly ReadMember[]> {
    const stream = Buffer.concat(this.rewritten);
    const members = await this.python.read(stream);
    if (typeof members === 'string') throw new Error(`Python does not understand what GNU tar was given: ${members}`);
    if (members.some((member) => member.isOverLines)) return members;
    const byNpm = await readByNpm(stream);
    const plain = ({ name, target }: ReadMember): boolean => /^[\x20-\x7e]*$/.test(name + target);
    const bare = ({ mtime, name, ...rest }: ReadMember): unknown => ({
      ...{ ...rest, acl: null, name: withoutSlash(name) },
      mtime: Math.abs(mtime) > LATEST_DATE ? NaN : mtime,
    });
    expectSame(byNpm.length, members.length);
    expectSame(byNpm.filter((_, at) => members[at] && plain(members[at])).map(bare), members.filter(plain).map(bare));
    return members;
  }

  /** An archive that is accepted is one that Python reads alike: nothing in it can be read in two ways. */
  private async expectSameForOthers(
    bytes: Buffer,
    origin: Origin,
    found: ReadonlyMap<string, DiskEntry>,
    judged: Inspection,
  ): Promise<void> {
    const members = await this.python.read(bytes);
    if (typeof members === 'string') throw new Error(`Python does not understand what was accepted: ${members}`);
    expectSame(members.length, judged.members);
    if (judged.roots.length > 1 || origin.from === 'foreign') return;
    const named = new Map(members.map((member) => [withoutSlash(member.name).replace(/^\.\/?/, ''), member]));
    // The dump. A file of the site can be called the same: it stands below .kedge/site.
    named.delete('database.sql');
    for (const [path, entry] of found) {
      const member = named.get(path);
      if (!member || member.type === 'hard link') continue;
      expectSame(
        [path, entry.type, entry.uid, entry.gid, entry.sha256 ?? entry.target ?? ''],
        [path, member.type, member.uid, member.gid, member.sha256 ?? member.target],
      );
    }
  }

  /** The host, and a copy of what GNU tar is given to unpack. */
  private listening(): Host {
    const { local } = this;
    const run = (command: Command): Promise<Completed> => {
      const isUnpacking = command.argv[0] === 'tar' && command.argv.includes('--extract');
      if (!isUnpacking || !(command.input instanceof Transform)) return local.run(command);
      const { input } = command;
      const push = input.push.bind(input);
      input.push = (chunk: unknown, encoding) => {
        if (Buffer.isBuffer(chunk)) this.rewritten.push(chunk);
        return push(chunk, encoding);
      };
      return local.run(command);
    };
    return new Proxy(local, {
      get: (host, name) => {
        if (name === 'run') return run;
        const value: unknown = Reflect.get(host, name);
        return typeof value === 'function' ? (value.bind(host) as unknown) : value;
      },
    });
  }

  private async packSeeds(): Promise<void> {
    const tree = join(this.folder, 'tree');
    await mkdir(tree);
    execFileSync('bash', ['-euc', TREE, 'bash', tree]);
    for (const { command } of PACKERS.filter((packer) => hasProgram(packer.needs))) {
      const archive = join(this.folder, 'seed');
      try {
        execFileSync('bash', ['-euc', command, 'bash', tree, archive], { stdio: 'ignore' });
      } catch {
        // Its format cannot keep such names.
        continue;
      }
      this.seeds.push(execFileSync('cat', [archive]));
    }
  }
}

function subtree(found: ReadonlyMap<string, DiskEntry>, folder: string): Map<string, DiskEntry> {
  const inside = [...found].filter(([path]) => path === folder || path.startsWith(`${folder}/`));
  return new Map(inside.map(([path, entry]) => [path.slice(folder.length + 1), entry]));
}

function isBelow(name: string, folder: string): boolean {
  return name === folder || name.startsWith(`${folder}/`);
}

function withoutSlash(name: string): string {
  return name.replace(/\/+$/, '');
}

/** No file acts as another than the site's owner, and in a foreign archive all is that owner's. */
function expectHarmless(path: string, entry: DiskEntry, origin: Origin): void {
  const isOwn = entry.uid === OWNER.uid && entry.gid === OWNER.gid;
  const acts = entry.type === 'file' && (entry.mode & 0o6000) !== 0;
  if (acts && (origin.from === 'foreign' || !isOwn)) throw new Error(`${path} acts as ${entry.uid}:${entry.gid}`);
  if (origin.from === 'foreign' && !isOwn) throw new Error(`${path} belongs to ${entry.uid}:${entry.gid}`);
  if (!['file', 'folder', 'link'].includes(entry.type)) throw new Error(`${path} is a ${entry.type}`);
}

function expectSame(found: unknown, wanted: unknown): void {
  expect(found).toEqual(wanted);
}
