import { Writable } from 'node:stream';
import { Parser, type ReadEntry } from 'tar';
import { packedRecordSchema, type PackedRecord } from '../../contract/backup-record';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { SITE_FOLDER } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Inspection, Origin } from './archive';
import { DumpInspector } from './dump-inspection';
import { Judge } from './judge';
import { DUMP_MEMBER, RECORD_MEMBER } from './layout';
import { reading } from './reading';

const MAXIMUM_RECORD_BYTES = 16 * 1024 * 1024;

/** `Archives.inspect`; its contract is there. */
export async function inspect(master: Host, path: string, _origin: Origin, operation: Operation): Promise<Inspection> {
  const reader = new ArchiveReader(path);
  const digest = await reading(path, operation, (file, [program, ...args]) =>
    master.run({ argv: [program, ...args], sandbox: {}, inputFile: file, output: reader, operation }),
  );
  return { ...reader.result(), ...digest };
}

/** A tar that is read member by member: judged, counted, its dump looked through, its record kept. */
class ArchiveReader extends Writable {
  private readonly judge: Judge;
  private readonly parser: Parser;
  private dump: DumpInspector | null = null;
  private record: PackedRecord | null = null;
  private readonly roots = new Map([[SITE_FOLDER, { bytes: 0, members: 0 }]]);
  private failure: Error | null = null;
  private finished = false;

  constructor(private readonly path: string) {
    super({ highWaterMark: 256 * 1024 });
    this.judge = new Judge(path);
    this.parser = new Parser({ strict: true, maxMetaEntrySize: 1024 * 1024 });
    this.parser.on('entry', (entry: ReadEntry) => this.guarded(() => this.take(entry)));
    this.parser.on('ignoredEntry', (entry: ReadEntry) =>
      this.guarded(() => this.judge.refuseIgnored(entry.path, entry.type)),
    );
    this.parser.on('meta', (text: string) => this.guarded(() => this.judge.meta(text)));
    this.parser.on('eof', () => this.judge.end());
    this.parser.on('error', (error: unknown) => this.fail(this.invalid(error)));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.guarded(() => {
      const ready = this.parser.write(chunk);
      if (this.failure) return done(this.failure);
      if (ready) return done();
      this.parser.once('drain', () => done(this.failure));
    }, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.parser.once('end', () => {
      this.finished = true;
      done(this.failure ?? (this.judge.members === 0 ? this.invalid(new Error('it holds no members')) : null));
    });
    this.guarded(() => this.parser.end(), done);
    if (this.failure && !this.finished) done(this.failure);
  }

  result(): Omit<Inspection, 'bytes' | 'sha256'> {
    return {
      members: this.judge.members,
      roots: [...this.roots].map(([name, counted]) => ({ name, ...counted })),
      dump: this.dump?.result() ?? null,
      record: this.record,
      leavingLinks: this.judge.leavingLinks,
      contentBytes: [...this.roots.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      warnings: [],
    };
  }

  private take(entry: ReadEntry): void {
    const root = this.judge.judge({
      path: entry.path,
      type: entry.type,
      linkpath: entry.linkpath,
      mode: entry.mode ?? 0,
    });
    const { bytes, members } = this.roots.get(root) ?? { bytes: 0, members: 0 };
    this.roots.set(root, { bytes: bytes + entry.size, members: members + 1 });
    if (entry.path === DUMP_MEMBER) {
      if (this.dump) throw new KedgeError('ArchiveRefused', `${this.path}: ${DUMP_MEMBER} stands in it twice`);
      const dump = new DumpInspector();
      this.dump = dump;
      entry.on('data', (chunk: Buffer) => void dump.write(chunk));
      entry.on('end', () => dump.end());
    } else if (entry.path === RECORD_MEMBER && entry.size <= MAXIMUM_RECORD_BYTES) {
      const chunks: Buffer[] = [];
      entry.on('data', (chunk: Buffer) => void chunks.push(chunk));
      entry.on('end', () => {
        this.record = decodeRecord(Buffer.concat(chunks).toString('utf8'));
        this.judge.roots = this.record?.roots ?? [];
      });
    } else {
      entry.resume();
    }
  }

  private guarded(work: () => void, done?: (error: Error) => void): void {
    try {
      work();
    } catch (error) {
      const failure = isKedgeError(error) ? error : this.invalid(error);
      if (done) done(failure);
      else this.fail(failure);
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.destroy(this.failure);
  }

  private invalid(cause: unknown): KedgeError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new KedgeError('ArchiveInvalid', `${this.path} is cut short or corrupt: ${why}`, { cause });
  }
}

/** A record that cannot be read is none: the archive may be a foreign one. */
function decodeRecord(text: string): PackedRecord | null {
  try {
    return packedRecordSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
