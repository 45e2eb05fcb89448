import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Header, type HeaderData } from 'tar';
import { type BackupRecord, backupRecordSchema, packedRecordSchema } from '../../src/contract/backup-record';
import type { Lab } from './e2e';

/** What lies in the catalogue as a backup that Kedge never made. */
export interface FalseBackup {
  readonly archive: Buffer;
  /** What the record says otherwise than the archive and the backup it is modelled on. */
  readonly record?: Partial<Record<keyof BackupRecord, unknown>>;
  /** In the place of a record. */
  readonly recordText?: string;
}

/** Lays an archive into the catalogue with a record whose checksum is right, so that only a look inside tells. */
export async function layInCatalogue(lab: Lab, model: BackupRecord, id: string, backup: FalseBackup): Promise<string> {
  const folder = join(lab.backups, model.site);
  const archive = `${id}${suffixOf(backup.archive)}`;
  const record = {
    ...model,
    id,
    archive,
    bytes: Math.max(1, backup.archive.length),
    sha256: createHash('sha256').update(backup.archive).digest('hex'),
    ...backup.record,
  };
  await writeFile(join(folder, archive), backup.archive, { mode: 0o600 });
  await writeFile(join(folder, `${id}.json`), backup.recordText ?? JSON.stringify(record), { mode: 0o600 });
  return id;
}

function suffixOf(archive: Buffer): string {
  return archive.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) ? '.tar.zst' : '.tar';
}

/** The record of a backup in the catalogue. */
export function recordOf(lab: Lab, site: string, id: string): BackupRecord {
  return backupRecordSchema.parse(JSON.parse(readFileSync(join(lab.backups, site, `${id}.json`), 'utf8')));
}

/** Members of a backup as they stand in its archive, without its end. */
export function membersOfBackup(lab: Lab, record: BackupRecord): Buffer {
  return Buffer.concat([...membersOf(tarOfBackup(lab, record))].map(({ bytes }) => bytes));
}

/** The members of a backup as if it had been made of another site, with SQL put before the trailer of its dump. */
export function membersWith(sound: Buffer, { site, sql }: { site: string; sql: Buffer }): Buffer {
  const parts: Buffer[] = [];
  for (const member of membersOf(sound)) {
    if (member.path === './.kedge/backup.json') {
      const record = packedRecordSchema.parse(JSON.parse(member.content.toString('utf8')));
      const id = `${site}${record.id.slice(record.site.length)}`;
      parts.push(...fileMember(member.path, Buffer.from(JSON.stringify({ ...record, site, id }))));
    } else if (member.path === './database.sql') parts.push(...dumpMember(member.content, sql));
    else parts.push(member.bytes);
  }
  return Buffer.concat(parts);
}

function tarOfBackup(lab: Lab, record: BackupRecord): Buffer {
  return execFileSync('zstd', ['-dc', join(lab.backups, record.site, record.archive)], { maxBuffer: 1024 ** 3 });
}

export interface Forgery {
  /** SQL put before the trailer of the dump. */
  readonly sql?: string;
  /** Members put at the end. */
  readonly members?: readonly HeaderData[];
  /** Takes members of the original away, by their path. */
  readonly without?: readonly string[];
}

const BLOCK = 512;
let forged = 0;

/**
 * Puts a backup into the catalogue that claims to be one of Kedge's own, as whoever can write to the backups could:
 * an original with other contents, and a record that fits. Returns its id.
 */
export async function forgeBackup(lab: Lab, site: string, original: string, forgery: Forgery): Promise<string> {
  const record = recordOf(lab, site, original);
  const tar = tarOfBackup(lab, record);
  const parts: Buffer[] = [];
  for (const member of membersOf(tar)) {
    if (forgery.without?.includes(member.path)) continue;
    if (member.path !== './database.sql' || forgery.sql === undefined) parts.push(member.bytes);
    else parts.push(...dumpMember(member.content, Buffer.from(`${forgery.sql}\n`)));
  }
  for (const data of forgery.members ?? []) parts.push(headerOf({ size: 0, mode: 0o644, ...data }));
  parts.push(Buffer.alloc(2 * BLOCK));
  const archive = execFileSync('zstd', ['-1', '-c'], { input: Buffer.concat(parts), maxBuffer: 1024 ** 3 });

  forged += 1;
  const id = `${site}-20250101.${String(forged).padStart(6, '0')}`;
  return layInCatalogue(lab, record, id, { archive });
}

interface RawMember {
  readonly path: string;
  /** Headers and padding included. */
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/** Members of a tar as they stand, each with the extended header before it. */
function* membersOf(tar: Buffer): Generator<RawMember> {
  let start = 0;
  for (let at = 0; at < tar.length;) {
    const header = new Header(tar, at);
    if (header.nullBlock) return;
    const content = tar.subarray(at + BLOCK, at + BLOCK + (header.size ?? 0));
    at += BLOCK + Math.ceil(content.length / BLOCK) * BLOCK;
    if (header.type === 'ExtendedHeader') continue;
    yield { path: header.path ?? '', bytes: tar.subarray(start, at), content };
    start = at;
  }
}

function dumpMember(dump: Buffer, sql: Buffer): Buffer[] {
  const trailer = dump.lastIndexOf('-- Dump completed');
  return fileMember('./database.sql', Buffer.concat([dump.subarray(0, trailer), sql, dump.subarray(trailer)]));
}

function fileMember(path: string, content: Buffer): Buffer[] {
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return [headerOf({ path, type: 'File', mode: 0o600, size: content.length, mtime: new Date(0) }), content, padding];
}

function headerOf(data: HeaderData): Buffer {
  const block = Buffer.alloc(BLOCK);
  new Header({ uid: 0, gid: 0, mtime: new Date(0), ...data }).encode(block, 0);
  return block;
}
