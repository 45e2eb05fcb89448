import { refused } from './fault';
import { type ByteString, shown } from './byte-string';

/** Records of an extended header, by keyword. Values are bytes. */
export type PaxRecords = ReadonlyMap<string, ByteString>;

/** Records that say what the member is. */
const OBEYED = new Set(['path', 'linkpath', 'size', 'uid', 'gid', 'mtime']);
/** What is handed on as it stands: access lists, and attributes that belong to the owner of the file. */
const HANDED_ON = /^SCHILY\.(?:acl\.(?:access|default)|xattr\.user\.[^\0]+)$/s;
/**
 * What real programs write beside, and what no restored file needs: other times, names of owners, numbers of inodes,
 * flags of other systems, labels that the system gives anew, a second spelling of the same attributes.
 */
const PASSED_OVER = new Set([
  ...['atime', 'ctime', 'uname', 'gname', 'comment', 'hdrcharset'],
  ...['SCHILY.dev', 'SCHILY.ino', 'SCHILY.nlink', 'SCHILY.fflags', 'SCHILY.acl.ace', 'SCHILY.xattr.security.selinux'],
  ...['LIBARCHIVE.creationtime', 'LIBARCHIVE.symlinktype', 'LIBARCHIVE.xattr.security.selinux', 'RHT.security.selinux'],
]);
const PASSED_OVER_BELOW = ['SCHILY.xattr.com.apple.', 'LIBARCHIVE.xattr.com.apple.', 'LIBARCHIVE.xattr.user.'];
/** Names are bytes whatever this says. */
const CHARACTER_SETS = new Set(['BINARY', 'ISO-IR 10646 2000 UTF-8']);

/**
 * Takes an extended header apart: `<length> <keyword>=<value>\n`, each length exact.
 * @throws ArchiveFault for anything else, a keyword that is not known or stands there twice
 */
export function decodeRecords(body: Buffer): PaxRecords {
  const records = new Map<string, ByteString>();
  const text = body.toString('latin1');
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(' ', at);
    const digits = space === -1 || space - at > 9 ? '' : text.slice(at, space);
    if (!/^[1-9]\d*$/.test(digits)) throw refused('an extended header does not say how long a record is');
    const end = at + Number(digits);
    const equals = text.indexOf('=', space);
    if (equals === -1 || equals >= end || end > text.length || text[end - 1] !== '\n')
      throw refused('a record of an extended header has not the length it states');
    const keyword = text.slice(space + 1, equals);
    if (records.has(keyword)) throw refused(`an extended header says "${shown(keyword)}" twice`);
    records.set(keyword, text.slice(equals + 1, end - 1));
    at = end;
  }
  for (const [keyword, value] of records) check(keyword, value);
  return records;
}

/** Enough of a record to know it by. */
const BEGIN_BYTES = 512;
const ATTRIBUTE = /^\d+ (?:SCHILY|LIBARCHIVE)\.xattr\.user\./;
const NO_BYTES = Buffer.alloc(0);

/**
 * Takes an extended header as it comes, and keeps so many bytes of attributes of users, and no more: on some file systems
 * a file may have more of them than fit into memory, and whoever owns it has them in his backup.
 */
export class RecordCollector {
  private readonly kept: Buffer[] = [];
  private begin = NO_BYTES;
  /** Bytes to come of the record that is kept or skipped. */
  private rest = 0;
  private keeping = true;
  private attributeBytes = 0;
  private otherBytes = 0;
  /** Whether attributes were skipped. */
  skipped = false;

  /** @param largest bytes of attributes, and of all other records */
  constructor(private readonly largest: number) {}

  /** @throws ArchiveFault */
  push(part: Buffer): void {
    let bytes = part;
    while (bytes.length > 0) {
      if (this.rest === 0) {
        bytes = this.begin.length === 0 ? bytes : Buffer.concat([this.begin, bytes]);
        if (!this.beginRecord(bytes)) {
          this.begin = Buffer.from(bytes);
          return;
        }
        this.begin = NO_BYTES;
      }
      const own = bytes.subarray(0, this.rest);
      if (this.keeping) this.kept.push(Buffer.from(own));
      this.rest -= own.length;
      bytes = bytes.subarray(own.length);
    }
  }

  /** All that was kept; what is left of a begin stands there as it came. @throws ArchiveFault in the middle of a record */
  whole(): Buffer {
    if (this.rest > 0) throw refused('a record of an extended header has not the length it states');
    return Buffer.concat([...this.kept, this.begin]);
  }

  /** False where not enough of it is there to know it. */
  private beginRecord(bytes: Buffer): boolean {
    const begin = bytes.toString('latin1', 0, BEGIN_BYTES);
    if (!begin.includes('=') && begin.length < BEGIN_BYTES) return false;
    const length = /^[1-9]\d{0,8}(?= )/.exec(begin)?.[0];
    if (length === undefined) throw refused('an extended header does not say how long a record is');
    this.rest = Number(length);
    const isAttribute = ATTRIBUTE.test(begin);
    if (isAttribute) this.attributeBytes += this.rest;
    else this.otherBytes += this.rest;
    if (this.otherBytes > this.largest) throw refused('an extended header is too large');
    this.keeping = !isAttribute || this.attributeBytes <= this.largest;
    this.skipped ||= !this.keeping;
    return true;
  }
}

function check(keyword: string, value: ByteString): void {
  if (OBEYED.has(keyword)) {
    if (value === '' || value.includes('\0')) throw refused(`"${keyword}" of an extended header is none`);
  } else if (HANDED_ON.test(keyword)) {
    if (keyword.startsWith('SCHILY.acl.') && value.includes('\0')) throw refused('an access list holds a NUL');
  } else if (!PASSED_OVER.has(keyword) && !PASSED_OVER_BELOW.some((prefix) => keyword.startsWith(prefix))) {
    throw refused(`an extended header has a record that is not known ("${shown(keyword)}")`);
  } else if (keyword === 'hdrcharset' && !CHARACTER_SETS.has(value)) {
    throw refused(`an extended header has a character set that is not known ("${shown(value)}")`);
  }
}

/** Records for all members that follow say nothing of them in the archives of any program (git names a commit). */
export function checkGlobalRecords(body: Buffer): void {
  for (const keyword of decodeRecords(body).keys())
    if (keyword !== 'comment')
      throw refused(`an extended header for all members has a record that is not known ("${shown(keyword)}")`);
}

/** Of these records those that are handed on to what unpacks. */
export function handedOn(records: PaxRecords): PaxRecords {
  const kept = new Map<string, ByteString>();
  for (const [keyword, value] of records) if (HANDED_ON.test(keyword)) kept.set(keyword, value);
  return kept;
}

export function encodeRecord(keyword: string, value: ByteString): ByteString {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}
