import type { Command } from '../host';
import type { HostRules } from './host-rules';

/** As `quotasOf` of the preflight asks for the quota of an account or a group. */
const QUOTA =
  /^quota\0--(?:user|group)\0--no-wrap\0--raw-grace\0--show-mntpoint\0--hide-device\0--local-only\0--verbose\0--\0\d{1,10}$/;

/** What runs with the rights of kedge-host: commands of the rules, to the letter, and two questions that every Kedge asks. */
export function mayRunUnconfined({ web, commands }: HostRules, { argv, environment = {} }: Command): boolean {
  // Whatever else is in the environment may name files that a program loads.
  const isPlain = Object.entries(environment).every(([name, value]) => name === 'LC_ALL' && value === 'C');
  if (!isPlain) return false;
  const allowed = [...commands, ...(web ? [web.test, dumping(web.test), web.reload] : [])];
  if (allowed.some((command) => isSame(command, argv))) return true;
  const isInstalled = ['sh', '-c', 'command -v -- "$1"', 'sh', web?.reload[0] ?? ''];
  return isSame(isInstalled, argv) || (!argv.some((word) => word.includes('\0')) && QUOTA.test(argv.join('\0')));
}

/** Programs and files of the commands of the rules. */
export function commandsOf({ web, commands }: HostRules): readonly (readonly string[])[] {
  return [...commands, ...(web ? [web.test, web.reload] : [])];
}

/** The test, as it tells the configuration. */
function dumping(test: readonly string[]): string[] {
  return test.map((word) => (word === '-t' ? '-T' : word));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((word, at) => word === other[at]);
}
