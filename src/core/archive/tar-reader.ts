import { type ByteString, shown } from './byte-string';
import { invalid, refused } from './fault';
import { type PaxRecords, RecordCollector, checkGlobalRecords, decodeRecords, handedOn } from './pax-records';
import { BLOCK, type TarHeader, decodeHeader, isId, isZero } from './tar-header';

export type MemberType =
  'file' | 'hard link' | 'symbolic link' | 'folder' | 'named pipe' | 'character device' | 'block device';

/** A member of an archive, with all that headers before its own say of it. */
export interface Member {
  readonly path: ByteString;
  readonly type: MemberType;
  /** Empty but for links. */
  readonly linkTarget: ByteString;
  /** Permission bits, including setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of its body; 0 but for files. */
  readonly size: number;
  /** Seconds since 1970, in decimal, with a fraction where the archive has one. */
  readonly modified: string;
  /** Access lists and attributes of the owner's own, as records of an extended header. */
  readonly extended: PaxRecords;
  /** It has more attributes than are kept. */
  readonly attributesSkipped: boolean;
}

export interface TarVisitor {
  /** @throws ArchiveFault to refuse it */
  member(member: Member): void;
  /** The next bytes of the newest member. The buffer is not used again. */
  body(part: Buffer): void;
  /** The newest member is whole. Called for those without a body too. */
  memberEnd(): void;
}

const TYPES: Readonly<Record<string, MemberType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hard link',
  '2': 'symbolic link',
  '3': 'character device',
  '4': 'block device',
  '5': 'folder',
  '6': 'named pipe',
};
/** Headers that describe the next member: a long name and a long link of GNU tar, records of POSIX. */
type MetaType = 'L' | 'K' | 'x' | 'g';
const LARGEST_META: Readonly<Record<MetaType, number>> = { L: 8192, K: 8192, x: 1024 * 1024, g: 64 * 1024 };
/** Beyond what blocking fills up by far. */
const LARGEST_FILLING = 64 * 1024 * 1024;

/** What eleven octal digits hold. */
const LARGEST_IN_OCTAL = 0o77777777777;
const DECIMAL = /^\d{1,16}$/;
/** Some file systems keep 64 bits of seconds. */
const TIME = /^(-?\d{1,19})(?:\.\d{1,20})?$/;

/**
 * Reads a tar block by block as it comes, and takes nothing that could be read in two ways: what it tells is all there
 * is in the archive. Keeps one block, and the headers of one member.
 */
export class TarReader {
  private readonly block = Buffer.alloc(BLOCK);
  private filled = 0;
  /** Bytes to come of a body, and of what fills up its last block. */
  private body = 0;
  private filling = 0;
  private meta: { type: MetaType; body: RecordCollector | Buffer[] } | null = null;
  private described: Partial<Record<MetaType, Buffer>> = {};
  private describesAll = false;
  private attributesSkipped = false;
  private zeroBlocks = 0;
  private zerosBehind = 0;
  private begun = false;

  constructor(private readonly visitor: TarVisitor) {}

  /** @throws ArchiveFault; then nothing more may be pushed */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.zeroBlocks === 2) return this.behindTheEnd(chunk.subarray(at));
      if (this.body > 0) {
        const part = chunk.subarray(at, at + this.body);
        at += part.length;
        this.body -= part.length;
        this.takeBody(part);
      } else if (this.filling > 0) {
        const skipped = Math.min(this.filling, chunk.length - at);
        at += skipped;
        this.filling -= skipped;
      } else if (this.filled === 0 && chunk.length - at >= BLOCK) {
        this.takeBlock(chunk.subarray(at, at + BLOCK));
        at += BLOCK;
      } else {
        const copied = chunk.copy(this.block, this.filled, at, at + BLOCK - this.filled);
        at += copied;
        this.filled += copied;
        if (this.filled < BLOCK) return;
        this.filled = 0;
        this.takeBlock(this.block);
      }
    }
  }

  /** @throws ArchiveFault when the archive did not end where its bytes do */
  end(): void {
    if (this.zeroBlocks === 2) return;
    if (!this.begun) throw invalid('it holds no members');
    throw invalid('it ends before its end');
  }

  private behindTheEnd(bytes: Buffer): void {
    if (!isZero(bytes)) throw refused('something stands behind the end of the archive');
    this.zerosBehind += bytes.length;
    if (this.zerosBehind > LARGEST_FILLING) throw refused('it goes on with zeros behind its end without end');
  }

  private takeBlock(block: Buffer): void {
    if (isZero(block)) {
      // Python calls an archive broken whose last header describes all members behind it: there is none.
      if (this.isDescribing() || this.describesAll) throw refused('an extended header describes no member');
      this.zeroBlocks += 1;
      return;
    }
    if (this.zeroBlocks > 0) throw refused('something stands behind the end of the archive');
    const header = decodeHeader(block);
    this.begun = true;
    this.body = header.size;
    this.filling = (BLOCK - (header.size % BLOCK)) % BLOCK;
    if (isMeta(header.type)) this.beginMeta(header.type, header.size);
    else this.beginMember(header);
  }

  private beginMeta(type: MetaType, size: number): void {
    const isTooLarge = type !== 'x' && size > LARGEST_META[type];
    if (size === 0 || isTooLarge) throw refused('an extended header is empty or too large');
    if (type in this.described) throw refused('a member is described twice');
    if (type === 'g' && this.isDescribing()) throw refused('an extended header describes no member');
    this.meta = { type, body: type === 'x' ? new RecordCollector(LARGEST_META.x) : [] };
  }

  private beginMember(header: TarHeader): void {
    const member = this.memberOf(header);
    // What the records say of its size counts.
    this.body = member.size;
    this.filling = (BLOCK - (member.size % BLOCK)) % BLOCK;
    this.described = {};
    this.describesAll = false;
    this.visitor.member(member);
    if (member.size === 0) this.visitor.memberEnd();
  }

  private takeBody(part: Buffer): void {
    if (this.meta === null) {
      this.visitor.body(part);
      if (this.body === 0) this.visitor.memberEnd();
      return;
    }
    const { type, body } = this.meta;
    // Kept beyond this chunk, which would be kept with it.
    body.push(Buffer.from(part));
    if (this.body > 0) return;
    this.meta = null;
    const whole = Array.isArray(body) ? Buffer.concat(body) : body.whole();
    this.attributesSkipped ||= !Array.isArray(body) && body.skipped;
    if (type === 'g') {
      checkGlobalRecords(whole);
      this.describesAll = true;
    } else this.described[type] = whole;
  }

  private isDescribing(): boolean {
    return Object.keys(this.described).length > 0;
  }

  private memberOf(header: TarHeader): Member {
    const records = this.described.x === undefined ? NO_RECORDS : decodeRecords(this.described.x);
    const path = this.oneOf('L', records, 'path') ?? header.name;
    const type = typeOf(header, path);
    const target = this.oneOf('K', records, 'linkpath');
    const isLink = type === 'hard link' || type === 'symbolic link';
    if (target !== undefined && !isLink) throw refused(`"${shown(path)}" is no link, and leads somewhere`);
    const size = decimalOf(records, 'size') ?? header.size;
    // Some programs read a body there, others the next header.
    if (type !== 'file' && (size !== 0 || header.size !== 0))
      throw refused(`"${shown(path)}" is a ${type}, and has a size`);
    // Nothing, or what fits, stands in the place of a size that its record tells; of two some programs take the one, some the other.
    if (header.size !== 0 && header.size !== size && size <= LARGEST_IN_OCTAL)
      throw refused(`"${shown(path)}" has two sizes`);
    const member = {
      path,
      type,
      linkTarget: isLink ? (target ?? header.linkName) : '',
      mode: header.mode,
      uid: idOf(records, 'uid') ?? header.uid,
      gid: idOf(records, 'gid') ?? header.gid,
      size,
      modified: timeOf(records) ?? String(header.modified),
      extended: records.size === 0 ? NO_RECORDS : handedOn(records),
      attributesSkipped: this.attributesSkipped,
    };
    this.attributesSkipped = false;
    return member;
  }

  /** What GNU tar's header or the record of POSIX says, not both. */
  private oneOf(type: 'L' | 'K', records: PaxRecords, keyword: string): ByteString | undefined {
    const long = this.described[type];
    const record = records.get(keyword);
    if (long !== undefined && record !== undefined) throw refused('a member is described twice');
    return long === undefined ? record : longName(long);
  }
}

const NO_RECORDS: PaxRecords = new Map();

function isMeta(type: string): type is MetaType {
  return type in LARGEST_META;
}

function typeOf(header: TarHeader, path: ByteString): MemberType {
  const type = TYPES[header.type];
  if (type === undefined)
    throw refused(`"${shown(path)}" is of a kind that no site backup holds ("${shown(header.type)}")`);
  if (type !== 'file' || !path.endsWith('/')) return type;
  // Before there was a type for folders.
  if (header.type === '\0') return 'folder';
  throw refused(`"${shown(path)}" is a file, and named as a folder`);
}

/** Up to its first NUL, behind which nothing else may stand. */
function longName(body: Buffer): ByteString {
  const end = body.indexOf(0);
  const name = end === -1 ? body : body.subarray(0, end);
  if (name.length === 0 || (end !== -1 && !isZero(body.subarray(end))))
    throw refused('a long name is none, or holds a NUL');
  return name.toString('latin1');
}

function decimalOf(records: PaxRecords, keyword: string): number | undefined {
  const stated = records.get(keyword);
  if (stated === undefined) return undefined;
  if (!DECIMAL.test(stated) || !Number.isSafeInteger(Number(stated)))
    throw refused(`"${keyword}" of an extended header is no number ("${shown(stated)}")`);
  return Number(stated);
}

function idOf(records: PaxRecords, keyword: 'uid' | 'gid'): number | undefined {
  const id = decimalOf(records, keyword);
  if (id !== undefined && !isId(id)) throw refused(`"${keyword}" of an extended header is no owner or group`);
  return id;
}

function timeOf(records: PaxRecords): string | undefined {
  const stated = records.get('mtime');
  if (stated === undefined) return undefined;
  const seconds = TIME.exec(stated)?.[1];
  if (seconds === undefined || BigInt.asIntN(64, BigInt(seconds)) !== BigInt(seconds))
    throw refused(`a time in an extended header is none ("${shown(stated)}")`);
  return stated;
}
