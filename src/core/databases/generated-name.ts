import { randomBytes } from 'node:crypto';

/** Longest account name MySQL takes. */
const LONGEST = 32;

/**
 * A name for a database or account of Kedge's making: letters and digits of the site's URI without `www.`, at most 16
 * of them, then those of the token. `[a-z0-9]` only, since `_` is a wildcard in a grant; at most 32 characters.
 */
export function generatedName(uri: string, token: string): string {
  const mark = lettersAndDigits(token).slice(-LONGEST);
  const site = lettersAndDigits(uri.replace(/^www\./i, ''));
  return site.slice(0, Math.min(16, LONGEST - mark.length)) + mark;
}

/** A random password: 192 bits, of characters that need no quoting anywhere. */
export function generatedPassword(): string {
  return randomBytes(24).toString('hex');
}

function lettersAndDigits(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}
