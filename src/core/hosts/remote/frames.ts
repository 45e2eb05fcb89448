/**
 * What goes through a channel: frames, each a header of JSON and a piece of raw bytes, which may be empty.
 * `<bytes of the header, 32 bits><bytes of the piece, 32 bits><header><piece>`, numbers big-endian.
 */
export interface Frame {
  readonly header: unknown;
  /** What the header had on the way. */
  readonly headerBytes: number;
  readonly piece: Buffer;
}

/** The longest header: a command line may have two megabytes (man 2 execve), and each of its bytes two characters here. */
export const MAXIMUM_HEADER_BYTES = 4 * 1024 ** 2;
export const MAXIMUM_PIECE_BYTES = 64 * 1024;
const PREFIX_BYTES = 8;
const NOTHING = Buffer.alloc(0);

/** The other end did what none does that keeps to the protocol. Never holds what came: a secret may be in it. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** @throws ProtocolViolation for what the other end would not take */
export function encodeFrame(header: object, piece: Buffer = NOTHING): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  assertLengths(text.length, piece.length);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(text.length, 0);
  prefix.writeUInt32BE(piece.length, 4);
  return Buffer.concat([prefix, text, piece]);
}

/** Makes frames of the chunks in which they come. Keeps no more than one frame. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private lengths: { readonly header: number; readonly piece: number } | null = null;

  /** The frames that are whole with this chunk. @throws ProtocolViolation; whoever met it reads no further */
  *take(chunk: Buffer): Generator<Frame> {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    for (;;) {
      if (this.lengths === null) {
        if (this.bytes < PREFIX_BYTES) return;
        const prefix = this.first(PREFIX_BYTES);
        this.lengths = { header: prefix.readUInt32BE(0), piece: prefix.readUInt32BE(4) };
        assertLengths(this.lengths.header, this.lengths.piece);
      }
      const { header, piece } = this.lengths;
      if (this.bytes < header + piece) return;
      const text = this.first(header);
      this.lengths = null;
      yield { header: parsed(text), headerBytes: header, piece: this.first(piece) };
    }
  }

  private first(bytes: number): Buffer {
    if (bytes === 0) return NOTHING;
    const [chunk = NOTHING] = this.chunks;
    // Mostly a whole frame lies in one chunk.
    const whole = chunk.length >= bytes ? chunk : Buffer.concat(this.chunks);
    const rest = whole.subarray(bytes);
    const others = whole === chunk ? this.chunks.slice(1) : [];
    this.chunks = rest.length === 0 ? others : [rest, ...others];
    this.bytes -= bytes;
    return whole.subarray(0, bytes);
  }
}

function assertLengths(header: number, piece: number): void {
  if (header === 0 || header > MAXIMUM_HEADER_BYTES)
    throw new ProtocolViolation(`a header of ${header} bytes, where ${MAXIMUM_HEADER_BYTES} are the most`);
  if (piece > MAXIMUM_PIECE_BYTES)
    throw new ProtocolViolation(`a piece of ${piece} bytes, where ${MAXIMUM_PIECE_BYTES} are the most`);
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    throw new ProtocolViolation('a header that is no JSON');
  }
}
