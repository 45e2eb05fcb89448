import { Transform } from 'node:stream';
import { KedgeError } from '../../contract/errors';
import type { Origin } from './archive';
import { ArchiveFault } from './fault';
import { type Unpacked, Judge } from './judge';
import { type Member, TarReader } from './tar-reader';

/** What is done with an archive while it is read. Bytes of a body follow the member they are of. */
export interface ArchiveTaker {
  dump(size: number): void;
  dumpPart(part: Buffer): void;
  record(size: number): void;
  recordPart(part: Buffer): void;
  recordEnd(): void;
  /** A member of the site, behind the folders it implies. */
  site(member: Unpacked): void;
  sitePart(part: Buffer): void;
  siteEnd(member: Unpacked): void;
  /** All has been read and accepted. */
  end(): void;
  /** Bytes that the stream hands on, collected since it was asked last. */
  handOn(): readonly Buffer[];
  /** Until this is settled nothing more is read; null when there is nothing to wait for. */
  written(): Promise<void> | null;
}

/**
 * An uncompressed archive goes in, is read and judged, and what the taker makes of it comes out. Nothing of a member
 * gets to the taker before it was accepted. Fails with the KedgeError of the archive's fault.
 */
export class ArchiveReader extends Transform {
  readonly judge: Judge;
  private readonly tar: TarReader;
  private current: 'dump' | 'record' | 'left out' | Unpacked = 'left out';
  contentBytes = 0;
  /** Why it was given up; of all that fails when a stream does, this is the reason. */
  fault: Error | null = null;

  constructor(
    private readonly path: string,
    origin: Origin,
    private readonly taker: ArchiveTaker,
    /** Most bytes that its members may declare in all. */
    private readonly room = Infinity,
  ) {
    super({ readableHighWaterMark: 256 * 1024, writableHighWaterMark: 256 * 1024 });
    this.judge = new Judge(origin);
    this.tar = new TarReader({
      member: (member) => this.member(member),
      body: (part) => this.body(part),
      memberEnd: () => this.memberEnd(),
    });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.work(() => this.tar.push(chunk), done);
  }

  override _flush(done: (error?: Error | null) => void): void {
    this.work(() => {
      this.tar.end();
      this.taker.end();
    }, done);
  }

  private work(step: () => void, done: (error?: Error | null) => void): void {
    try {
      step();
      for (const bytes of this.taker.handOn()) this.push(bytes);
    } catch (error) {
      return done(this.failed(error));
    }
    const written = this.taker.written();
    if (written === null) return done();
    written.then(
      () => done(),
      (error: unknown) => done(this.failed(error)),
    );
  }

  private failed(error: unknown): Error {
    this.fault ??= error instanceof ArchiveFault ? error.of(this.path) : (error as Error);
    return this.fault;
  }

  private member(member: Member): void {
    const verdict = this.judge.judge(member);
    this.contentBytes += member.size;
    if (this.contentBytes > this.room) {
      throw new KedgeError(
        'DiskFull',
        `${this.path} declares to hold more than there is room for, ${this.room} bytes`,
        {
          state: 'the site is unchanged',
        },
      );
    }
    if (verdict.as === 'site') {
      for (const unpacked of verdict.members) {
        this.taker.site(unpacked);
        this.current = unpacked;
      }
    } else {
      this.current = verdict.as;
      if (verdict.as === 'dump') this.taker.dump(member.size);
      if (verdict.as === 'record') this.taker.record(member.size);
    }
  }

  private body(part: Buffer): void {
    if (this.current === 'dump') this.taker.dumpPart(part);
    else if (this.current === 'record') this.taker.recordPart(part);
    else if (this.current !== 'left out') this.taker.sitePart(part);
  }

  private memberEnd(): void {
    if (this.current === 'record') this.taker.recordEnd();
    else if (typeof this.current === 'object') this.taker.siteEnd(this.current);
  }
}
