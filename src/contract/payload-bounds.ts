/**
 * How much crosses Temporal. It keeps all of it as history, and ends a workflow whose result is larger than two million bytes
 * without letting it undo. So nothing there grows with a site: what is many is the first twenty and a count, what is long is cut,
 * and the task's log has the rest. Free of zod, for workflow code imports it.
 */

/** Bytes of one input, result, failure or heartbeat, in JSON. */
export const MAXIMUM_PAYLOAD_BYTES = 100_000;
/** Bytes of the message of a failure, in JSON; a failure holds it several times. */
export const MAXIMUM_MESSAGE_BYTES = 12_000;
/** Bytes of any other text, in JSON: a warning, a hint. */
export const MAXIMUM_TEXT_BYTES = 4_000;
/** How many of a list are told. */
export const TOLD = 20;

/** Bytes of a value in JSON. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value) ?? '').length;
}

/** A text of at most so many bytes in JSON; one that was cut says how many characters were. */
export function shortened(text: string, maximumBytes: number): string {
  if (text.length * LONGEST_CHARACTER <= maximumBytes) return text;
  let bytes = QUOTES;
  /** Where it is cut if there is more than fits. */
  let cut = 0;
  for (let at = 0; at < text.length;) {
    const code = text.codePointAt(at) ?? 0;
    bytes += bytesInJson(code);
    if (bytes > maximumBytes) return `${text.slice(0, cut)}… (${text.length - cut} more characters)`;
    at += code > 0xffff ? 2 : 1;
    if (bytes <= maximumBytes - LENGTH_OF_CUT) cut = at;
  }
  return text;
}

/** Warnings as they cross Temporal: the first of them, and how many more there were. */
export class ToldWarnings {
  readonly warnings: string[] = [];
  more = 0;

  add(warning: string): void {
    if (this.warnings.length < TOLD) this.warnings.push(shortened(warning, MAXIMUM_TEXT_BYTES));
    else this.more += 1;
  }

  /** Those that were told of one step. */
  addAll({
    warnings,
    moreWarnings = 0,
  }: {
    readonly warnings: readonly string[];
    readonly moreWarnings?: number;
  }): void {
    for (const warning of warnings) this.add(warning);
    this.more += moreWarnings;
  }

  /** All that is told, with the count of what is not. */
  sentences(task: string): string[] {
    if (this.more === 0) return [...this.warnings];
    const rest = this.more === 1 ? 'one more warning' : `${this.more} more warnings`;
    return [...this.warnings, `${rest}: see \`kedge log ${task}\``];
  }
}

const QUOTES = 2;
const LENGTH_OF_CUT = 60;
/** `\u2028` and the like, which some writers escape. */
const LONGEST_CHARACTER = 6;

function bytesInJson(code: number): number {
  if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff)) return LONGEST_CHARACTER;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}
