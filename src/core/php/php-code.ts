import { readFileSync } from 'node:fs';

const OPENING_TAG = '<?php\n';

/**
 * A PHP program of Kedge's own, from its file beside the code that has it run; the build copies them.
 * @throws Error where the file is missing or does not begin with an opening tag: an incomplete installation
 */
export function readPhpCode(path: string): string {
  const code = readFileSync(path, 'utf8');
  if (!code.startsWith(OPENING_TAG)) throw new Error(`${path} is no PHP program of Kedge's`);
  return code;
}

/** Programs one behind the other, as `php -r` takes them. */
export function forCommandLine(programs: readonly string[]): string {
  return programs.map((code) => code.slice(OPENING_TAG.length)).join('');
}
