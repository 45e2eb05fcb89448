import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Header } from 'tar';
import type { BackupRecord } from '../../src/contract/backup-record';
import type { Lab } from './e2e';

/** A member as an archive may claim it to be; no program that packs would write some of these. */
export interface ForgedMember {
  readonly path: string;
  readonly type?: 'File' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  readonly mode?: number;
  readonly linkpath?: string;
  readonly content?: string;
}

/** An uncompressed archive of these members. */
export function tarOf(members: readonly ForgedMember[]): Buffer {
  const blocks = members.flatMap(({ path, type = 'File', mode = 0o644, linkpath, content = '' }) => {
    const body = Buffer.from(content);
    const head = Buffer.alloc(512);
    new Header({
      path,
      type,
      mode,
      size: body.length,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
      ...(linkpath === undefined ? {} : { linkpath }),
      ...(type === 'CharacterDevice' ? { devmaj: 1, devmin: 3 } : {}),
    }).encode(head, 0);
    return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export interface Forgery {
  readonly archive: Buffer;
  /** What the record says otherwise than the archive and the backup it is modelled on. */
  readonly record?: Partial<Record<keyof BackupRecord, unknown>>;
  /** In the place of a record. */
  readonly recordText?: string;
}

/** Lays an archive into the catalogue with a record whose checksum is right, so that only a look inside tells. */
export async function forgeBackup(lab: Lab, model: BackupRecord, id: string, forgery: Forgery): Promise<string> {
  const folder = join(lab.backups, model.site);
  const record = {
    ...model,
    id,
    archive: `${id}.tar`,
    bytes: Math.max(1, forgery.archive.length),
    sha256: createHash('sha256').update(forgery.archive).digest('hex'),
    ...forgery.record,
  };
  await writeFile(join(folder, `${id}.tar`), forgery.archive, { mode: 0o600 });
  await writeFile(join(folder, `${id}.json`), forgery.recordText ?? JSON.stringify(record), { mode: 0o600 });
  return id;
}

/** The record of a backup in the catalogue. */
export function recordOf(lab: Lab, site: string, id: string): BackupRecord {
  return JSON.parse(readFileSync(join(lab.backups, site, `${id}.json`), 'utf8')) as BackupRecord;
}
