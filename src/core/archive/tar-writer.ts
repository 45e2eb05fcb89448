import { type ByteString, bytesOf } from './byte-string';
import { encodeRecord } from './pax-records';
import { BLOCK, checksumOf } from './tar-header';
import type { Member, MemberType } from './tar-reader';

/** Kinds of members that are written; others are never unpacked. */
export type WrittenType = Exclude<MemberType, 'named pipe' | 'character device' | 'block device'>;
export type WrittenMember = Omit<Member, 'type' | 'attributesSkipped'> & { readonly type: WrittenType };

const TYPE_FLAGS: Readonly<Record<WrittenType, string>> = {
  file: '0',
  'hard link': '1',
  'symbolic link': '2',
  folder: '5',
};
/** What the fields of a header hold, each with a NUL behind it. */
const LONGEST_NAME = 99;
const LARGEST_ID = 0o7777777;
const LARGEST_NUMBER = 0o77777777777;
/** GNU tar's own name of headers for long names. */
const LONG_LINK = '././@LongLink';

/** Two blocks of zeros. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

/** Zeros that fill up the last block of a body. */
export function fillingFor(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}
const ZEROS = Buffer.alloc(BLOCK);

/**
 * The headers of a member, all that is known of it and in one spelling each: `ustar`, long names as GNU tar has them,
 * which are bytes to it, and records of POSIX for what a header has no room for.
 */
export function encodeHeaders(member: WrittenMember): Buffer {
  const parts: Buffer[] = [];
  if (member.path.length > LONGEST_NAME) parts.push(...described('L', LONG_LINK, `${member.path}\0`));
  if (member.linkTarget.length > LONGEST_NAME) parts.push(...described('K', LONG_LINK, `${member.linkTarget}\0`));
  const records = recordsOf(member);
  if (records !== '') parts.push(...described('x', 'PaxHeader', records));
  parts.push(header({ ...member, type: TYPE_FLAGS[member.type] }));
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

function recordsOf({ uid, gid, size, modified, extended }: WrittenMember): ByteString {
  let records = '';
  if (uid > LARGEST_ID) records += encodeRecord('uid', String(uid));
  if (gid > LARGEST_ID) records += encodeRecord('gid', String(gid));
  if (size > LARGEST_NUMBER) records += encodeRecord('size', String(size));
  if (!fitsHeader(modified)) records += encodeRecord('mtime', modified);
  for (const [keyword, value] of extended) records += encodeRecord(keyword, value);
  return records;
}

function fitsHeader(modified: string): boolean {
  return /^\d+$/.test(modified) && Number(modified) <= LARGEST_NUMBER;
}

function described(type: string, name: string, body: ByteString): Buffer[] {
  const bytes = bytesOf(body);
  const head = { path: name, type, linkTarget: '', mode: 0o644, uid: 0, gid: 0, size: bytes.length, modified: '0' };
  return [header(head), bytes, fillingFor(bytes.length)];
}

function header(member: Omit<WrittenMember, 'type' | 'extended'> & { readonly type: string }): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(member.path.slice(0, LONGEST_NAME), 0, 'latin1');
  writeOctal(block, 100, 8, member.mode);
  writeOctal(block, 108, 8, member.uid > LARGEST_ID ? 0 : member.uid);
  writeOctal(block, 116, 8, member.gid > LARGEST_ID ? 0 : member.gid);
  writeOctal(block, 124, 12, member.size > LARGEST_NUMBER ? 0 : member.size);
  writeOctal(block, 136, 12, fitsHeader(member.modified) ? Number(member.modified) : 0);
  block.write(member.type, 156, 'latin1');
  block.write(member.linkTarget.slice(0, LONGEST_NAME), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  writeOctal(block, 148, 8, checksumOf(block));
  return block;
}

function writeOctal(block: Buffer, at: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
}
