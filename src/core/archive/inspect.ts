import { MAXIMUM_RECORD_BYTES, PACKED_RECORD, type PackedRecord } from '../../contract/backup-record';
import { readDocument } from '../../contract/documents-on-disk';
import { isKedgeError } from '../../contract/errors';
import { SITE_FOLDER } from '../../contract/target';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';
import type { Inspection, Origin, OwnedContent } from './archive';
import { ArchiveReader, type ArchiveTaker } from './archive-reader';
import { DumpInspector } from './dump-inspection';
import type { Unpacked } from './judge';
import { reading } from './reading';

/** `Archives.inspect`; its contract is there. */
export async function inspect(
  master: MasterHost,
  path: string,
  origin: Origin,
  operation: Operation,
  room = Infinity,
): Promise<Inspection> {
  const looker = new Looker((record) => (reader.judge.roots = record.roots));
  const reader: ArchiveReader = new ArchiveReader(path, origin, looker, room);
  reader.resume();
  const digest = await reading(master, path, operation, (decompress) => decompress(reader));
  const { judge, contentBytes } = reader;
  return {
    ...digest,
    members: judge.members,
    contentBytes,
    roots: looker.counted(),
    dump: looker.dumpFound?.result() ?? null,
    record: looker.recordFound,
    leavingLinks: judge.leavingLinks,
    warnings: judge.warnings(),
    leftOut: judge.leftOutWarnings(),
  };
}

interface Counts {
  bytes: number;
  members: number;
  readonly owners: Map<string, OwnedContent>;
}

/** Accounts with groups; a site has a few. */
const OWNERS_KEPT = 1000;
/** What file systems give files of. */
const BLOCK_BYTES = 4096;

/** Counts what an archive holds, looks its dump through, keeps its record, and hands nothing on. */
class Looker implements ArchiveTaker {
  dumpFound: DumpInspector | null = null;
  recordFound: PackedRecord | null = null;
  private recordParts: Buffer[] | null = null;
  private readonly roots = new Map<string, Counts>([[SITE_FOLDER, { bytes: 0, members: 0, owners: new Map() }]]);

  constructor(private readonly tellRecord: (record: PackedRecord) => void) {}

  counted(): Inspection['roots'] {
    return [...this.roots].map(([name, { bytes, members, owners }]) => ({
      name,
      bytes,
      members,
      owners: [...owners.values()],
    }));
  }

  dump(size: number): void {
    this.count(SITE_FOLDER, size);
    this.dumpFound = new DumpInspector();
  }

  dumpPart(part: Buffer): void {
    this.dumpFound?.write(part);
  }

  record(size: number): void {
    this.count(SITE_FOLDER, size);
    this.recordParts = size <= MAXIMUM_RECORD_BYTES ? [] : null;
  }

  recordPart(part: Buffer): void {
    // A chunk is kept as a whole by its part.
    this.recordParts?.push(Buffer.from(part));
  }

  recordEnd(): void {
    if (this.recordParts === null) return;
    this.recordFound = decodeRecord(Buffer.concat(this.recordParts).toString('utf8'));
    this.recordParts = null;
    if (this.recordFound) this.tellRecord(this.recordFound);
  }

  site({ root, size, uid, gid }: Unpacked): void {
    this.count(root, size);
    const { owners } = this.countsOf(root);
    const key = `${uid} ${gid}`;
    const { bytes, files } = owners.get(key) ?? { bytes: 0, files: 0 };
    // An archive may name as many as it has members.
    if (owners.size >= OWNERS_KEPT && !owners.has(key)) return;
    owners.set(key, { uid, gid, bytes: bytes + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES, files: files + 1 });
  }

  sitePart(): void {}

  siteEnd(): void {}

  end(): void {
    this.dumpFound?.end();
  }

  handOn(): readonly Buffer[] {
    return [];
  }

  written(): Promise<void> | null {
    return null;
  }

  private count(root: string, size: number): void {
    const counts = this.countsOf(root);
    counts.bytes += size;
    counts.members += 1;
  }

  private countsOf(root: string): Counts {
    const counts = this.roots.get(root) ?? { bytes: 0, members: 0, owners: new Map() };
    this.roots.set(root, counts);
    return counts;
  }
}

/** A record that cannot be read is none: the archive may be a foreign one. @throws KedgeError NewerVersion */
function decodeRecord(text: string): PackedRecord | null {
  try {
    return readDocument(PACKED_RECORD, JSON.parse(text), 'the archive');
  } catch (error) {
    if (isKedgeError(error)) throw error;
    return null;
  }
}
