import type { Operation } from '../../operation';
import { readSiteFile } from '../site-files';
import { namedBy } from './php-literal';
import { type PhpToken, tokenizePhp } from './php-tokens';
import type { SettingsFile } from './settings-format';

/** The variables of the environment that a settings file itself names, by the first line that does. */
export async function environmentReads(file: SettingsFile, operation: Operation): Promise<Map<string, number>> {
  const tokens = await tokenizePhp(file, await readSiteFile(file, operation), operation);
  const found = new Map<string, number>();
  tokens.forEach((token, at) => {
    const key = tokens[at + 2];
    if (key?.name !== 'T_CONSTANT_ENCAPSED_STRING' || !opensKey(token, tokens[at + 1])) return;
    const name = namedBy(key.text);
    if (!found.has(name)) found.set(name, token.line);
  });
  return found;
}

/** True for `getenv(`, `$_ENV[` and `$_SERVER[`. */
function opensKey({ name, text }: PhpToken, next: PhpToken | undefined): boolean {
  if (name === 'T_VARIABLE') return (text === '$_ENV' || text === '$_SERVER') && next?.name === '[';
  return /^\\?getenv$/i.test(text) && next?.name === '(';
}
