import type { Duplex } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { fpmAddressOf } from './fpm-socket';

/** Record types of FastCGI 1.0, section 8. */
const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;

const RESPONDER = 1;
const REQUEST_ID = 1;
const HEADER_BYTES = 8;
const MAXIMUM_CONTENT = 0xffff;

export interface FastCgiRequest {
  /** Where PHP runs. */
  readonly host: Host;
  /** Who is asked: the path of a Unix socket, or a loopback address and a port. */
  readonly socket: string;
  /** Sees to it that who listens there may be asked: before the connection is made, and before anything is sent by it. */
  readonly assertListener: () => Promise<void>;
  readonly parameters: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** More bytes of answer than this are an error. */
  readonly maximumBytes: number;
  readonly signal: AbortSignal;
}

/**
 * One request without a body to a FastCGI responder. Returns its standard output: headers, an empty line, the body.
 * @throws KedgeError ProbeFailed when no whole answer comes within the limits; HostUnreachable; what `assertListener` throws; the signal's
 *   reason
 */
export async function askFastCgi(request: FastCgiRequest): Promise<Buffer> {
  const { host, socket: path, assertListener, timeoutMs, maximumBytes, signal } = request;
  signal.throwIfAborted();
  await assertListener();
  const timeLimit = AbortSignal.timeout(timeoutMs);
  let socket: Duplex | undefined;
  try {
    socket = await host.connectTo(fpmAddressOf(path), AbortSignal.any([signal, timeLimit]));
    // Who took the port since the look before is seen now.
    await assertListener();
    socket.write(encodeRequest(request.parameters));
    return await readAnswer(socket, maximumBytes);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (isKedgeError(cause)) throw cause;
    const message = isNativeError(cause) ? cause.message : String(cause);
    const why = timeLimit.aborted ? `no answer within ${timeoutMs} ms` : message;
    throw new KedgeError('ProbeFailed', `PHP does not answer at ${path}: ${why}`, { server: host.name, cause });
  } finally {
    socket?.destroy();
  }
}

/** A request as bytes on the wire. */
export function encodeRequest(parameters: Readonly<Record<string, string>>): Buffer {
  const begin = Buffer.alloc(8);
  begin.writeUInt16BE(RESPONDER, 0);
  const pairs = Buffer.concat(Object.entries(parameters).map(([name, value]) => encodePair(name, value)));
  return Buffer.concat([record(BEGIN_REQUEST, begin), ...stream(PARAMS, pairs), ...stream(STDIN, Buffer.alloc(0))]);
}

/** A stream is cut into records; an empty one ends it. */
function stream(type: number, content: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let start = 0; start < content.length; start += MAXIMUM_CONTENT)
    records.push(record(type, content.subarray(start, start + MAXIMUM_CONTENT)));
  return [...records, record(type, Buffer.alloc(0))];
}

function record(type: number, content: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(1, 0);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(REQUEST_ID, 2);
  header.writeUInt16BE(content.length, 4);
  return Buffer.concat([header, content]);
}

function encodePair(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
  return Buffer.concat([length(nameBytes), length(valueBytes), nameBytes, valueBytes]);
}

/** Always the form of four bytes, which is right for short lengths too. */
function length(bytes: Buffer): Buffer {
  const encoded = Buffer.alloc(4);
  encoded.writeUInt32BE((bytes.length | 0x80000000) >>> 0);
  return encoded;
}

async function readAnswer(bytes: AsyncIterable<unknown>, maximumBytes: number): Promise<Buffer> {
  const output: Buffer[] = [];
  let total = 0;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (!Buffer.isBuffer(chunk)) continue;
    total += chunk.length;
    if (total > maximumBytes) throw new Error(`its answer is larger than ${maximumBytes} bytes`);
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (let size = recordSize(pending); size !== null; size = recordSize(pending)) {
      const type = pending.readUInt8(1);
      if (type === END_REQUEST) return Buffer.concat(output);
      if (type === STDOUT) output.push(pending.subarray(HEADER_BYTES, HEADER_BYTES + pending.readUInt16BE(4)));
      pending = pending.subarray(size);
    }
  }
  throw new Error('it ended in the middle of its answer');
}

/** Bytes of the first record with its padding, once all of them are there. */
function recordSize(pending: Buffer): number | null {
  if (pending.length < HEADER_BYTES) return null;
  const size = HEADER_BYTES + pending.readUInt16BE(4) + pending.readUInt8(6);
  return pending.length < size ? null : size;
}

/** One whose queue is full lets nobody in. */
const LISTENING_LIMIT_MS = 5_000;

/**
 * True when somebody takes connections at FPM's socket; a server that died leaves that of Unix behind.
 * @throws KedgeError HostUnreachable; the signal's reason
 */
export async function isListening(host: Host, path: string, signal: AbortSignal): Promise<boolean> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(LISTENING_LIMIT_MS)]);
  try {
    const socket = await host.connectTo(fpmAddressOf(path), within);
    socket.destroy();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (isKedgeError(error)) throw error;
    return false;
  }
}
