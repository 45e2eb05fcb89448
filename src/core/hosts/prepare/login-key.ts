import { KedgeError } from '../../../contract/errors';
import type { AdminShell } from '../ssh/admin-shell';
import { PROGRAM_LAUNCHER } from '../ssh/program-file';
import { IS_SO, type Step } from './step';

const READ = 'cd && [ ! -e .ssh/authorized_keys ] || cat .ssh/authorized_keys';
const WRITE = [
  'set -e',
  'umask 077',
  'cd',
  'mkdir -p .ssh',
  'cat > .ssh/authorized_keys.new',
  'sync .ssh/authorized_keys.new',
  'mv -f .ssh/authorized_keys.new .ssh/authorized_keys',
  'sync .ssh',
].join('; ');

/**
 * Keys of the master let in as an account, for the program of servers and nothing else. What else lets the account in stays; a line that lets one of
 * these keys in otherwise is replaced. @throws KedgeError HostLoginRefused where there is no such account
 */
export function loginKeys(
  shell: AdminShell,
  { server, user, master }: { readonly server: string; readonly user: string; readonly master: string },
  publicKeys: readonly string[],
): Step {
  // The account's own folder: root writes nothing there.
  const as = (script: string): [string, ...string[]] => [
    'runuser',
    '-u',
    user,
    '--',
    'sh',
    '-c',
    `HOME=$(getent passwd "$1" | cut -d: -f6); export HOME; ${script}`,
    'key',
    user,
  ];
  return {
    what: 'the key of the master',
    async look() {
      const { exitCode } = await shell.run({ argv: ['id', '-u', '--', user] }, [0, 1]);
      if (exitCode !== 0)
        throw new KedgeError('HostLoginRefused', `there is no account ${user} on ${server}`, {
          server,
          hint: `Make it there, or correct servers.${server}.ssh.user in the configuration.`,
        });
      const { stdout } = await shell.run({ argv: as(READ) });
      const lines = stdout === '' ? [] : stdout.replace(/\n$/, '').split('\n');
      const wanted = publicKeys.map((key) => `restrict,command="${PROGRAM_LAUNCHER}" ${key} kedge@${master}`);
      const kept = lines.filter(
        (line) => wanted.includes(line) || line.startsWith('#') || !publicKeys.some((key) => line.includes(key)),
      );
      const missing = wanted.filter((line) => !lines.includes(line));
      if (missing.length === 0 && kept.length === lines.length) return IS_SO;
      return { commands: [{ argv: as(WRITE), input: { text: `${[...kept, ...missing].join('\n')}\n` } }] };
    },
  };
}
