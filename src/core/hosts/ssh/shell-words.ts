/**
 * A program and its arguments as one line that a POSIX shell takes apart into exactly them, whatever they hold: SSH hands a line to
 * the shell of the account. Nothing else here makes such lines. @throws TypeError for a NUL, which no argument can hold
 */
export function shellLine(argv: readonly string[]): string {
  return argv.map(quoted).join(' ');
}

function quoted(word: string): string {
  if (word.includes('\0')) throw new TypeError('an argument cannot hold a NUL');
  return /^[\w@%+=:,./-]+$/.test(word) && !word.includes('=') ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
