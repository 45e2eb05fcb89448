import { randomBytes } from 'node:crypto';
import type { ByteString } from './byte-string';

const FIRST_SLOTS = 1024;
/** One slot in three stays free, so that searches are short. */
const LARGEST_LOAD = 2 / 3;
/** What a slot may hold. */
const LARGEST_VALUE = 0xfffe;

/**
 * A small number for each of millions of names, in about 20 bytes a name however long it is: of a name its hash of 64
 * bits is kept. Two names of one hash are taken for one; whoever has such a pair made has his own archive refused.
 */
export class NameTable {
  private slots = FIRST_SLOTS;
  private high = new Uint32Array(FIRST_SLOTS);
  private low = new Uint32Array(FIRST_SLOTS);
  /** One more than what is kept; 0 is a free slot. */
  private values = new Uint16Array(FIRST_SLOTS);
  private used = 0;
  private readonly seed = randomBytes(8);
  /** The name that was hashed last: it is mostly asked for and then entered. */
  private newest: { name: ByteString; high: number; low: number } = { name: '', ...this.hash('') };

  get(name: ByteString): number | undefined {
    const { high, low } = this.hashOf(name);
    const value = this.values[this.slotOf(high, low)] ?? 0;
    return value === 0 ? undefined : value - 1;
  }

  /** @param value from 0 to 65,534 */
  set(name: ByteString, value: number): void {
    if (value > LARGEST_VALUE) throw new RangeError(`${value} is too large for a table of names`);
    if (this.used > this.slots * LARGEST_LOAD) this.grow();
    const { high, low } = this.hashOf(name);
    const slot = this.slotOf(high, low);
    if (this.values[slot] === 0) this.used += 1;
    this.put(slot, high, low, value + 1);
  }

  private put(slot: number, high: number, low: number, value: number): void {
    this.high[slot] = high;
    this.low[slot] = low;
    this.values[slot] = value;
  }

  /** Where it is, or where it would go. */
  private slotOf(high: number, low: number): number {
    const mask = this.slots - 1;
    let slot = low & mask;
    while (this.values[slot] !== 0 && (this.high[slot] !== high || this.low[slot] !== low)) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { high, low, values, slots } = this;
    this.slots = 2 * slots;
    this.high = new Uint32Array(this.slots);
    this.low = new Uint32Array(this.slots);
    this.values = new Uint16Array(this.slots);
    for (let at = 0; at < slots; at += 1) {
      const [value = 0, h = 0, l = 0] = [values[at], high[at], low[at]];
      if (value !== 0) this.put(this.slotOf(h, l), h, l, value);
    }
  }

  private hashOf(name: ByteString): { high: number; low: number } {
    if (this.newest.name !== name) this.newest = { name, ...this.hash(name) };
    return this.newest;
  }

  /** Two lanes of multiplication and rotation, as in cyrb53; not for secrets. */
  private hash(name: ByteString): { high: number; low: number } {
    let a = this.seed.readUInt32LE(0);
    let b = this.seed.readUInt32LE(4);
    for (let at = 0; at < name.length; at += 1) {
      const byte = name.charCodeAt(at);
      a = Math.imul(a ^ byte, 0x9e3779b1);
      b = Math.imul(b ^ byte, 0x5f356495);
      a ^= a >>> 15;
      b = (b << 13) | (b >>> 19);
    }
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    return { high: a >>> 0, low: b >>> 0 };
  }
}
