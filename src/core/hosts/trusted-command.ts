import { KedgeError } from '../../contract/errors';
import type { Host } from './host';

/**
 * A command of the configuration that runs with the worker's own rights, as the argument of `Host.run`: nobody but root and
 * the worker can have written its program, or a file that an argument names.
 * @throws KedgeError OwnerRefused; ConfigurationInvalid for a program that is looked for from the current folder
 */
export async function trustedCommand(host: Host, argv: readonly string[]): Promise<[string, ...string[]]> {
  const [program = '', ...rest] = argv;
  if (program.includes('/') && !program.startsWith('/')) {
    throw new KedgeError('ConfigurationInvalid', `the program ${program} is looked for from the current folder`, {
      server: host.name,
      hint: 'Name it by its whole path, or by its name alone.',
    });
  }
  for (const path of filesOfCommand(argv)) await host.assertTrusted(path);
  return [program, ...rest];
}

/**
 * What of a command may be a file: each argument that is an absolute path, alone or behind `--option=`. What stands within
 * a shell's `-c` is not seen.
 */
export function filesOfCommand(argv: readonly string[]): string[] {
  return argv.flatMap((argument) => /^(?:-[^=/]*=)?(\/.*)$/s.exec(argument)?.[1] ?? []);
}
