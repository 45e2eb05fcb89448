import { isUtf8 } from 'node:buffer';
import { spellingsOf } from './spellings';

export const REDACTED = '[redacted]';

/** Shorter ones would blank out ordinary words, and are no secrets. */
const MINIMUM_LENGTH = 4;
/** The longest unused are forgotten: a worker that runs for years meets a new password with each restore. */
const MAXIMUM_SECRETS = 4096;
/** Of a longer one (a key file) the beginning is looked for. */
const MAXIMUM_SECRET_LENGTH = 1024;
const MAXIMUM_DEPTH = 32;

/** Takes secrets out of whatever leaves the worker: log lines, errors, failures. */
export class Redactor {
  /** Spellings of each secret, in order of last registration. */
  private readonly secrets = new Map<string, readonly string[]>();

  /** From now on the secret is looked for. Registering it again keeps it from being forgotten. Shorter than 4: ignored. */
  register(secret: string): void {
    if (secret.length < MINIMUM_LENGTH) return;
    const key = secret.slice(0, MAXIMUM_SECRET_LENGTH);
    const spellings = this.secrets.get(key) ?? spellingsOf(key, MINIMUM_LENGTH);
    this.secrets.delete(key);
    this.secrets.set(key, spellings);
    if (this.secrets.size <= MAXIMUM_SECRETS) return;
    for (const oldest of this.secrets.keys()) {
      this.secrets.delete(oldest);
      return;
    }
  }

  /**
   * The text without any spelling of a secret, wherever it stands. Where spellings overlap or touch, all of what they
   * cover becomes one `[redacted]`.
   */
  text(text: string): string {
    const found: [start: number, end: number][] = [];
    for (const spellings of this.secrets.values()) {
      for (const spelling of spellings) {
        for (let at = text.indexOf(spelling); at !== -1; at = text.indexOf(spelling, at + 1)) {
          found.push([at, at + spelling.length]);
        }
      }
    }
    return found.length === 0 ? text : blankOut(text, found);
  }

  /**
   * A copy without secrets: strings, keys, arrays, objects, maps, sets, bytes and errors with their messages, stacks,
   * causes and own fields. What is not made of these (numbers, dates, functions) stays.
   */
  value<T>(value: T): T {
    return this.copy(value, new Map(), 0) as T;
  }

  private copy(value: unknown, seen: Map<object, unknown>, depth: number): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    const known = seen.get(value);
    if (known !== undefined) return known;
    if (depth >= MAXIMUM_DEPTH) return REDACTED;
    const inner = (part: unknown): unknown => this.copy(part, seen, depth + 1);
    const into = <C extends object>(copy: C): C => {
      seen.set(value, copy);
      return copy;
    };

    if (Array.isArray(value)) {
      const copy: unknown[] = into([]);
      for (const part of value) copy.push(inner(part));
      return copy;
    }
    if (value instanceof Uint8Array) return this.bytes(value);
    if (value instanceof Map) {
      const copy = into(new Map<unknown, unknown>());
      for (const [key, part] of value) copy.set(inner(key), inner(part));
      return copy;
    }
    if (value instanceof Set) {
      const copy = into(new Set<unknown>());
      for (const part of value) copy.add(inner(part));
      return copy;
    }
    if ('toJSON' in value && typeof value.toJSON === 'function') return inner(Reflect.apply(value.toJSON, value, []));
    return this.fields(value, into(Object.create(Object.getPrototypeOf(value) as object | null) as object), inner);
  }

  /** Own fields, hidden ones of errors (message, stack, cause) too. Getters are read once. */
  private fields(value: object, copy: object, inner: (part: unknown) => unknown): object {
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
      const name = typeof key === 'string' ? this.text(key) : key;
      Reflect.defineProperty(copy, name, {
        value: inner(Reflect.get(value, key)),
        enumerable: descriptor?.enumerable ?? true,
        writable: true,
        configurable: true,
      });
    }
    return copy;
  }

  private bytes(bytes: Uint8Array): Uint8Array {
    const buffer = Buffer.from(bytes);
    // What is text is read as such; a secret among other bytes is found by its own.
    const encoding = isUtf8(buffer) ? 'utf8' : 'latin1';
    const text = buffer.toString(encoding);
    const redacted = this.text(text);
    return redacted === text ? bytes : Buffer.from(redacted, encoding);
  }
}

function blankOut(text: string, found: [start: number, end: number][]): string {
  found.sort(([a], [b]) => a - b);
  let result = '';
  let end = -1;
  for (const [from, to] of found) {
    if (from > end) result += text.slice(Math.max(end, 0), from) + REDACTED;
    end = Math.max(end, to);
  }
  return result + text.slice(end);
}
