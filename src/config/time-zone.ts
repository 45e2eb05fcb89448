import { nearest } from './nearest';

/** Not an offset, which some Node take too: Temporal knows names alone. */
const NAME = /^[A-Za-z][A-Za-z0-9+_-]*(\/[A-Za-z0-9+_-]+)*$/;

/**
 * Reads the name of a time zone, as the IANA has it. Returns it with its capitals, which Temporal demands; or what is wrong with it, the end
 * of a sentence.
 */
export function readTimeZone(text: string): { readonly timeZone: string } | { readonly problem: string } {
  const known = NAME.test(text) ? knownAs(text) : null;
  if (known !== null) return { timeZone: known.toLowerCase() === text.toLowerCase() ? known : text };
  const near = nearest(text, Intl.supportedValuesOf('timeZone'));
  const meant = near === null ? '' : `; did you mean ${near}?`;
  return { problem: `the name of a time zone such as Europe/Berlin, not ${JSON.stringify(text)}${meant}` };
}

/** Another name of the same zone is one of the zone itself; null where there is no such zone. */
function knownAs(name: string): string | null {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}
