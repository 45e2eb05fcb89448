import { isUtf8 } from 'node:buffer';
import { spellingsOf } from './spellings';
import { isCommonWord, STRONG_LENGTH } from './weak-password';

export const REDACTED = '[redacted]';

/** Of shorter ones encodings are not looked for: they would be anywhere. */
const MINIMUM_ENCODED_LENGTH = 4;
/** The longest unused are forgotten: a worker that runs for years meets a new password with each restore. */
const MAXIMUM_SECRETS = 4096;
/** A longer one (a key file) is looked for piece by piece. */
const PIECE_LENGTH = 1024;
const MAXIMUM_DEPTH = 32;

interface Spelling {
  readonly text: string;
  /** It is short, or a word: it counts only where a password would stand. */
  readonly needsContext: boolean;
}

interface Secret {
  readonly spellings: readonly Spelling[];
  /** Whose texts it is looked for in; null: everybody's. */
  readonly sites: Set<string> | null;
}

/**
 * Takes secrets out of texts that leave the worker: messages, warnings, what programs said. Of what has a structure the
 * structure stays: keys, times, names of steps are the writer's own.
 */
export class Redactor {
  /** In order of last registration. */
  private readonly secrets = new Map<string, Secret>();

  /**
   * From now on the secret is looked for: in the texts of `site`, for what a site chose itself, since a site could choose a
   * word of others' logs; in all texts with null. Registering it again keeps it from being forgotten.
   */
  register(secret: string, site: string | null): void {
    if (secret === '') return;
    const known = this.secrets.get(secret);
    const sites = site === null || known?.sites === null ? null : new Set([...(known?.sites ?? []), site]);
    this.secrets.delete(secret);
    this.secrets.set(secret, { spellings: known?.spellings ?? allSpellings(secret), sites });
    if (this.secrets.size <= MAXIMUM_SECRETS) return;
    for (const oldest of this.secrets.keys()) {
      this.secrets.delete(oldest);
      return;
    }
  }

  /**
   * The text without any spelling of a secret, wherever it stands; a short one or a word where it stands as a password does
   * (quoted, behind `=`, in a URL). Where spellings overlap or touch, all of what they cover becomes one `[redacted]`.
   * @param site whose text it is; null or left out where that cannot be told: then every secret is looked for
   */
  text(text: string, site: string | null = null): string {
    const found: [start: number, end: number][] = [];
    for (const { spellings, sites } of this.secrets.values()) {
      if (site !== null && sites !== null && !sites.has(site)) continue;
      for (const { text: spelling, needsContext } of spellings) {
        for (let at = text.indexOf(spelling); at !== -1; at = text.indexOf(spelling, at + 1)) {
          const end = at + spelling.length;
          if (!needsContext || standsAsPassword(text, at, end)) found.push([at, end]);
        }
      }
    }
    return found.length === 0 ? text : blankOut(text, found);
  }

  /** A copy whose texts are without secrets, however deep. Keys, and what is no text, stay. `site` as for {@link text}. */
  value<T>(value: T, site: string | null = null): T {
    return this.copy(value, site, new Map(), 0) as T;
  }

  private copy(value: unknown, site: string | null, seen: Map<object, unknown>, depth: number): unknown {
    if (typeof value === 'string') return this.text(value, site);
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    const known = seen.get(value);
    if (known !== undefined) return known;
    if (depth >= MAXIMUM_DEPTH) return REDACTED;
    const inner = (part: unknown): unknown => this.copy(part, site, seen, depth + 1);
    const into = <C extends object>(copy: C): C => {
      seen.set(value, copy);
      return copy;
    };

    if (Array.isArray(value)) {
      const copy: unknown[] = into([]);
      for (const part of value) copy.push(inner(part));
      return copy;
    }
    if (value instanceof Uint8Array) return this.bytes(value, site);
    if (value instanceof Map) {
      const copy = into(new Map<unknown, unknown>());
      for (const [key, part] of value) copy.set(key, inner(part));
      return copy;
    }
    if (value instanceof Set) {
      const copy = into(new Set<unknown>());
      for (const part of value) copy.add(inner(part));
      return copy;
    }
    if ('toJSON' in value && typeof value.toJSON === 'function') return inner(Reflect.apply(value.toJSON, value, []));
    return fields(value, into(Object.create(Object.getPrototypeOf(value) as object | null) as object), inner);
  }

  private bytes(bytes: Uint8Array, site: string | null): Uint8Array {
    const buffer = Buffer.from(bytes);
    // What is text is read as such; a secret among other bytes is found by its own.
    const encoding = isUtf8(buffer) ? 'utf8' : 'latin1';
    const text = buffer.toString(encoding);
    const redacted = this.text(text, site);
    return redacted === text ? bytes : Buffer.from(redacted, encoding);
  }
}

/** The text without some secrets, as {@link Redactor.text}: for a message that is made where they are at hand. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const redactor = new Redactor();
  for (const secret of secrets) redactor.register(secret, null);
  return redactor.text(text);
}

/** Own fields, hidden ones of errors (message, stack, cause) too. Getters are read once. The name of a class is ours. */
function fields(value: object, copy: object, inner: (part: unknown) => unknown): object {
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    const part: unknown = Reflect.get(value, key);
    const isOwn = value instanceof Error && (key === 'name' || key === 'code');
    Reflect.defineProperty(copy, key, {
      value: isOwn ? part : inner(part),
      enumerable: descriptor?.enumerable ?? true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

function allSpellings(secret: string): Spelling[] {
  if (secret.length < MINIMUM_ENCODED_LENGTH) return [{ text: secret, needsContext: true }];
  const texts = new Set<string>();
  for (let from = 0; from < secret.length; from += PIECE_LENGTH) {
    const piece = secret.slice(from, from + PIECE_LENGTH);
    // The rest of a long one would be a word by itself.
    const start = piece.length < STRONG_LENGTH && from > 0 ? secret.length - PIECE_LENGTH : from;
    for (const text of spellingsOf(secret.slice(start, from + PIECE_LENGTH), MINIMUM_ENCODED_LENGTH)) texts.add(text);
  }
  return [...texts].map((text) => ({ text, needsContext: text.length < STRONG_LENGTH || isCommonWord(text) }));
}

/** `'a'`, `password=a`, `--password a`, `user:a@host`. */
function standsAsPassword(text: string, at: number, end: number): boolean {
  const before = text.slice(Math.max(0, at - 24), at);
  const after = text.slice(end, end + 2);
  const quote = /\\?["'`]$/.exec(before)?.[0];
  if (quote !== undefined && after.startsWith(quote)) return true;
  if (!/^(?:[\s"'`&;,@)\]}<\\]|$)/.test(after)) return false;
  return (
    /=$|(?:pass\w*|pwd|secret|identified by)\W{0,4}$/i.test(before) || (before.endsWith(':') && after.startsWith('@'))
  );
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
