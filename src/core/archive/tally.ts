import { refused } from './fault';

/** What of a file decides who may do what with it. */
export interface Attributes {
  /** Name of the folder of the site. */
  readonly root: string;
  readonly type: 'file' | 'symbolic link' | 'folder';
  readonly uid: number;
  readonly gid: number;
  /** Setuid, setgid and sticky bit. */
  readonly special: number;
}

export const SPECIAL_BITS = 0o7000;
const LARGEST_KINDS = 60_000;

/** How many there are of each combination of attributes: small, however many files there are. */
export class Tally {
  private readonly numbers = new Map<string, number>();
  private readonly kinds: { readonly attributes: Attributes; count: number }[] = [];

  /** Counts one and returns the number of its kind. @throws ArchiveFault when there are too many kinds */
  add(attributes: Attributes): number {
    const key = keyOf(attributes);
    const number = this.numbers.get(key) ?? this.kinds.length;
    if (number >= LARGEST_KINDS) throw refused(`it has files of more than ${LARGEST_KINDS} owners`);
    if (number === this.kinds.length) {
      this.numbers.set(key, number);
      this.kinds.push({ attributes, count: 0 });
    }
    this.again(number);
    return number;
  }

  /** Counts one more of a kind. */
  again(number: number): void {
    const kind = this.kinds[number];
    if (kind) kind.count += 1;
  }

  /** Takes one back. */
  remove(number: number): void {
    const kind = this.kinds[number];
    if (kind) kind.count -= 1;
  }

  at(number: number): Attributes | undefined {
    return this.kinds[number]?.attributes;
  }

  /** The same files, as if all were of one owner and group, 0. */
  withoutOwners(): Tally {
    const tally = new Tally();
    for (const { attributes, count } of this.kinds) {
      const number = tally.add({ ...attributes, uid: 0, gid: 0 });
      const kind = tally.kinds[number];
      if (kind) kind.count += count - 1;
    }
    return tally;
  }

  /** The first kind of which the other has more or fewer; null when they are the same. */
  differenceTo(other: Tally): { attributes: Attributes; here: number; there: number } | null {
    for (const { attributes } of [...this.kinds, ...other.kinds]) {
      const [here, there] = [this.countOf(attributes), other.countOf(attributes)];
      if (here !== there) return { attributes, here, there };
    }
    return null;
  }

  private countOf(attributes: Attributes): number {
    const number = this.numbers.get(keyOf(attributes));
    return (number === undefined ? undefined : this.kinds[number]?.count) ?? 0;
  }
}

function keyOf({ root, type, uid, gid, special }: Attributes): string {
  return `${root}/${type}/${uid}/${gid}/${special}`;
}
