import { TOLD } from '../contract/payload-bounds';
import type { Log } from './operation';

/** How many names a sentence holds. */
const NAMED = TOLD;
/** Characters of a name in a sentence. */
const NAME_LENGTH = 200;
/** A line of the log holds about so many characters of names. */
const LINE_LENGTH = 4 * 1024;
/** Who owns the files decides how many they are and how long their names: the log takes so many characters of them. */
const LISTED_LENGTH = 16 * 1024 * 1024;

/**
 * Files or tables of a site about which one thing is to be said. A sentence names the first twenty and counts all; where there are
 * more, the log of the task gets the whole list. Memory and sentence stay small, however many there are.
 */
export class Findings {
  count = 0;
  private readonly first: string[] = [];
  private line: string[] = [];
  private lineLength = 0;
  private listed = 0;

  /** @param what names the files and what comes of them: `pipes of /srv/www, which are in no backup` */
  constructor(
    private readonly log: Log,
    private readonly what: string,
  ) {}

  add(name: string): void {
    this.count += 1;
    const shown = name === '' ? '.' : name.replace(/\p{Cc}/gu, '?');
    if (this.first.length < NAMED)
      this.first.push(shown.length > NAME_LENGTH ? `${shown.slice(0, NAME_LENGTH)}…` : shown);
    if (this.listed > LISTED_LENGTH) return;
    this.listed += shown.length;
    this.line.push(shown);
    this.lineLength += shown.length;
    if (this.listed > LISTED_LENGTH) this.line.push('… (there are more, which are not listed)');
    if (this.count > NAMED && this.lineLength > LINE_LENGTH) this.writeLine();
  }

  /** The sentence, and the rest of the list to the log. Null where nothing was found. */
  conclude(): string | null {
    if (this.count === 0) return null;
    if (this.count > NAMED && this.line.length > 0) this.writeLine();
    const more = this.count > NAMED ? ` and ${this.count - NAMED} more` : '';
    return `${this.what} (${this.count}): ${this.first.join(', ')}${more}`;
  }

  private writeLine(): void {
    this.log.info(`${this.what}: ${this.line.join(', ')}`);
    this.line = [];
    this.lineLength = 0;
  }
}

/** What is to be said of these names, as {@link Findings} say it; null where there are none. */
export function findingsOf(log: Log, what: string, names: Iterable<string>): string | null {
  const findings = new Findings(log, what);
  for (const name of names) findings.add(name);
  return findings.conclude();
}

/** The first names of a list that may be long, and how many more there are: for an error. */
export function firstOf(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return names.slice(0, NAMED).join(', ') + more;
}
