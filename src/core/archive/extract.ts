import { KedgeError } from '../../contract/errors';
import { diskFullOr } from '../hosts/disk-full';
import type { Host } from '../hosts/host';
import type { MasterHost, OpenFile } from '../hosts/master-host';
import type { Operation } from '../operation';
import { breakOff } from '../streams';
import type { ExtractRequest } from './archive';
import { ArchiveReader, type ArchiveTaker } from './archive-reader';
import { refused } from './fault';
import type { Unpacked } from './judge';
import { HoleFinder, digHoles } from './holes';
import { reading } from './reading';
import { END_OF_ARCHIVE, encodeHeaders, fillingFor } from './tar-writer';
import { type UnpackedFolder, checkUnpacked } from './unpacked-folders';

const UNPACK = '/unpack';
const UNCHANGED = { state: 'the site is unchanged' };
/** Pieces smaller than this are copied together: a write of its own costs more. */
const SMALL_BYTES = 16 * 1024;

/** `Archives.extract`; its contract is there. */
export async function extract(
  master: MasterHost,
  { path, origin, judged, host, folders, dump }: ExtractRequest,
  operation: Operation,
): Promise<{ bytes: number }> {
  const file = await master.openForWriting(dump);
  try {
    const shown = folders.map(({ name, path: from }, at) => ({ name, from, to: `${UNPACK}/${shortName(at)}` }));
    const rewriter = new Rewriter(shown, file, () => reader.judge.impliedRoots(folders.map(({ name }) => name)));
    const reader: ArchiveReader = new ArchiveReader(path, origin, rewriter);
    const { bytes, sha256 } = await reading(
      master,
      path,
      operation,
      (decompress) => together(reader, decompress(reader), unpack(host, shown, reader, operation)),
      UNCHANGED,
    );
    const now = { sha256, members: reader.judge.members, contentBytes: reader.contentBytes };
    for (const key of ['sha256', 'members', 'contentBytes'] as const) {
      if (judged[key] !== null && judged[key] !== now[key])
        throw new KedgeError('ArchiveInvalid', `${path} changed while it was unpacked`, UNCHANGED);
    }
    await file.sync();
    await digHoles(host, shown, rewriter.holes.names, UNPACK, operation);
    await checkUnpacked(host, shown, reader.judge.tally, operation);
    return { bytes };
  } catch (error) {
    throw diskFullOr(error, master.name);
  } finally {
    await file.close();
  }
}

/**
 * Two programs with a stream between them. When one fails the stream is ended, and the other with it; told is what came
 * first: the fault found in the stream, that of who was fed, then that of who feeds.
 */
async function together(reader: ArchiveReader, feeding: Promise<unknown>, fed: Promise<unknown>): Promise<void> {
  const endWith = async (program: Promise<unknown>): Promise<void> => {
    try {
      await program;
    } catch (error) {
      breakOff(reader, error);
      throw error;
    }
  };
  const [source, sink] = await Promise.allSettled([endWith(feeding), endWith(fed)]);
  if (reader.fault !== null) throw reader.fault;
  if (sink.status === 'rejected' && !isPrematureClose(sink.reason)) throw sink.reason;
  if (source.status === 'rejected') throw source.reason;
  if (sink.status === 'rejected') throw sink.reason;
}

function isPrematureClose(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** GNU tar unpacks what was written anew; all names in it are ours. */
async function unpack(
  host: Host,
  folders: readonly UnpackedFolder[],
  archive: ArchiveReader,
  operation: Operation,
): Promise<void> {
  const { privileged } = await host.account();
  await host.run({
    argv: [
      'tar',
      ...['--extract', '--file=-', '--blocking-factor=128', `--directory=${UNPACK}`],
      ...['--numeric-owner', '--same-permissions', '--delay-directory-restore', '--acls'],
      ...['--xattrs', '--xattrs-include=user.*'],
      // Links are made at once, as they are; nothing passes through one.
      '--absolute-names',
      privileged ? '--same-owner' : '--no-same-owner',
    ],
    sandbox: { writable: folders, capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'] },
    input: archive,
    operation,
  });
}

/** Writes each accepted member anew, in headers of our own and under the short name of its folder; the dump to its file. */
class Rewriter implements ArchiveTaker {
  private readonly numbers: ReadonlyMap<string, number>;
  readonly holes = new HoleFinder();
  private pieces: Buffer[] = [];
  private dumpParts: Buffer[] = [];

  constructor(
    folders: readonly UnpackedFolder[],
    private readonly dumpFile: OpenFile,
    private readonly impliedRoots: () => readonly Unpacked[],
  ) {
    this.numbers = new Map(folders.map(({ name }, at) => [name, at]));
  }

  dump(): void {}

  dumpPart(part: Buffer): void {
    this.dumpParts.push(part);
  }

  record(): void {}

  recordPart(): void {}

  recordEnd(): void {}

  site(member: Unpacked): void {
    const linkTarget = member.type === 'hard link' ? this.nameOf(member.root, member.linkTarget) : member.linkTarget;
    this.holes.begin();
    this.pieces.push(encodeHeaders({ ...member, path: this.nameOf(member.root, member.path), linkTarget }));
  }

  sitePart(part: Buffer): void {
    this.holes.part(part);
    this.pieces.push(part);
  }

  siteEnd({ root, path, size }: Unpacked): void {
    this.holes.end(this.nameOf(root, path));
    if (size > 0) this.pieces.push(fillingFor(size));
  }

  end(): void {
    for (const folder of this.impliedRoots()) this.site(folder);
    this.pieces.push(END_OF_ARCHIVE);
  }

  handOn(): readonly Buffer[] {
    const whole: Buffer[] = [];
    let small: Buffer[] = [];
    const flush = (): void => {
      if (small.length > 0) whole.push(Buffer.concat(small));
      small = [];
    };
    for (const piece of this.pieces) {
      if (piece.length < SMALL_BYTES) {
        small.push(piece);
      } else {
        flush();
        whole.push(piece);
      }
    }
    flush();
    this.pieces = [];
    return whole;
  }

  written(): Promise<void> | null {
    if (this.dumpParts.length === 0) return null;
    const parts = this.dumpParts;
    this.dumpParts = [];
    return writeAll(this.dumpFile, parts);
  }

  private nameOf(root: string, path: string): string {
    const number = this.numbers.get(root);
    if (number === undefined) throw refused(`it holds "${root}", which is no folder of this site`);
    return path === '' ? shortName(number) : `${shortName(number)}/${path}`;
  }
}

/** Of one character, as far as that goes: the longest path has no room for more. */
function shortName(at: number): string {
  return at.toString(36);
}

async function writeAll(file: OpenFile, parts: readonly Buffer[]): Promise<void> {
  for (const part of parts) {
    let at = 0;
    while (at < part.length) at += (await file.write(part, at)).bytesWritten;
  }
}
