import { createHash } from 'node:crypto';

/** Draws that are the same for the same seed, on every machine. */
export class Draw {
  private state: number;

  /** @param seed whatever tells one row of draws from another: a number, and which part of the work it is for */
  constructor(...seed: readonly (string | number)[]) {
    this.state = createHash('sha256').update(JSON.stringify(seed)).digest().readUInt32LE() || 1;
  }

  /** A whole number from 0 up to, and without, `below`. */
  below(below: number): number {
    // xorshift32
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % below;
  }

  /** A whole number of a range, both ends included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True so many times of a hundred. */
  percent(often: number): boolean {
    return this.below(100) < often;
  }

  /** One of a list that is not empty. */
  of<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to draw from');
    return list[this.below(list.length)] as T;
  }

  /** So many different ones of a list, or all of it, in an order that is drawn too. */
  several<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    const drawn: T[] = [];
    while (drawn.length < count && left.length > 0) drawn.push(...left.splice(this.below(left.length), 1));
    return drawn;
  }
}
