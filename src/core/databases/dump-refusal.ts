/** A place of a dump where something stands that no dump may hold. */
export interface Refusal {
  /** What it is, in a few words. */
  readonly what: string;
  /** The first characters of the statement, in latin1. */
  readonly statement: string;
  /** Bytes of the dump before the statement. */
  readonly offset: number;
}

/** A refusal in the words of an error: what, with the beginning of the statement, and where. */
export function describeRefusal({ what, statement, offset }: Refusal): string {
  // As far as there is no value in it.
  const shown = printable(statement.split(/[\r\n'"]/)[0] ?? '').trim();
  return `${what} at byte ${offset}: ${shown}`;
}

/** Text of a dump in the characters that any terminal shows as they are. */
export function printable(text: string): string {
  return text.replace(/[^ -~]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
