import { Writable } from 'node:stream';

/**
 * Takes what a program prints apart: fields that each end with a NUL, which no path holds, `count` a record. Fields are
 * bytes, as names are. What is no whole record at the end is dropped.
 *
 * @param see is given each record as it comes
 * @param settle is waited for after the records of a chunk: what they led to need not pile up
 * The stream fails with what `see` throws or `settle` rejects with, and for a field longer than 64 KiB: who prints paths of a bounded
 * length never gets there.
 */
export function nullRecords(
  count: number,
  see: (fields: readonly Buffer[]) => void,
  settle: () => Promise<void> = async () => undefined,
): Writable {
  let rest: Buffer = Buffer.alloc(0);
  let fields: Buffer[] = [];
  const take = (chunk: Buffer): void => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
      fields.push(bytes.subarray(start, end));
      start = end + 1;
      if (fields.length === count) {
        see(fields);
        fields = [];
      }
    }
    rest = bytes.subarray(start);
    if (rest.length > MAXIMUM_FIELD_BYTES) throw new Error('a field is longer than 64 KiB');
  };
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        take(chunk);
      } catch (error) {
        return done(error as Error);
      }
      settle().then(() => done(), done);
    },
  });
}

const MAXIMUM_FIELD_BYTES = 64 * 1024;
