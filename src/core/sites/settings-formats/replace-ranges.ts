/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface Replacement extends ByteRange {
  readonly bytes: Buffer;
}

/**
 * The content with ranges replaced, everything else byte for byte.
 * @throws RangeError when ranges overlap or leave the content
 */
export function replaceRanges(content: Buffer, replacements: readonly Replacement[]): Buffer {
  const parts: Buffer[] = [];
  let position = 0;
  for (const { start, end, bytes } of replacements.toSorted((a, b) => a.start - b.start)) {
    if (start < position || end < start || end > content.length) throw new RangeError(`no range: ${start} to ${end}`);
    parts.push(content.subarray(position, start), bytes);
    position = end;
  }
  return Buffer.concat([...parts, content.subarray(position)]);
}
