import { Writable } from 'node:stream';

/** What programs say in a line are a few names, and each byte of one may be shown as five. */
const MAXIMUM_LINE = 64 * 1024;

/** What a line is to whoever reads it: names of files are bytes, a character each in latin1. */
export type LineEncoding = 'latin1' | 'utf8';

/**
 * Takes what a program writes apart into lines, as it comes: a chunk may end anywhere, within a letter too. Of a line that is longer than
 * 64 KiB the beginning is kept.
 */
export class LineReader {
  /** The line so far, a byte a character. */
  private line = '';

  /** @param see is given each line without its end */
  constructor(
    private readonly encoding: LineEncoding,
    private readonly see: (line: string) => void,
  ) {}

  /** A piece of what is written. @throws what `see` throws */
  take(chunk: Buffer): void {
    const [first = '', ...others] = chunk.toString('latin1').split('\n');
    this.goOn(first);
    for (const begun of others) {
      this.tell();
      this.goOn(begun);
    }
  }

  /** The program has ended: what stands behind the last end of a line is one too. @throws what `see` throws */
  end(): void {
    if (this.line !== '') this.tell();
  }

  private goOn(more: string): void {
    this.line += more.slice(0, MAXIMUM_LINE - this.line.length);
  }

  private tell(): void {
    const { line } = this;
    this.line = '';
    this.see(this.encoding === 'latin1' ? line : Buffer.from(line, 'latin1').toString('utf8'));
  }
}

/** As {@link LineReader}, for a program's standard output. What `see` throws is the error of the stream. */
export function linesInto(encoding: LineEncoding, see: (line: string) => void): Writable {
  const lines = new LineReader(encoding, see);
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      attempt(() => lines.take(chunk), done);
    },
    final(done) {
      attempt(() => lines.end(), done);
    },
  });
}

function attempt(work: () => void, done: (error?: Error | null) => void): void {
  try {
    work();
  } catch (error) {
    return done(error as Error);
  }
  done();
}
