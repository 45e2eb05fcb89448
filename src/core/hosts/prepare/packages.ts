import { ANY_EXIT_CODE, type AdminShell } from '../ssh/admin-shell';
import { IS_SO, type Step } from './step';

/** A program that is needed at a server, and the package of Debian and Ubuntu that has it. */
export interface NeededProgram {
  readonly program: string;
  readonly debian: string;
}

export const NEEDED: readonly NeededProgram[] = [
  { program: 'bwrap', debian: 'bubblewrap' },
  { program: 'tar', debian: 'tar' },
  { program: 'rsync', debian: 'rsync' },
  { program: 'find', debian: 'findutils' },
  { program: 'flock', debian: 'util-linux' },
  { program: 'setpriv', debian: 'util-linux' },
  { program: 'prlimit', debian: 'util-linux' },
  { program: 'lsattr', debian: 'e2fsprogs' },
];
/** Beside them, for sites. Clients of a database server run on the master. */
export const NEEDED_OF_WEB: readonly NeededProgram[] = [{ program: 'php', debian: 'php-cli' }];

const PACKAGES = 'packages';
const MISSING =
  'PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; for p; do command -v -- "$p" >/dev/null || echo "$p"; done';
/** Shown a file by its descriptor, as every sandbox of Kedge shows what a program works on; `$@` are further options. */
const CONFINE =
  'PATH=$PATH:/usr/sbin:/sbin; exec bwrap "$@" --unshare-pid --unshare-net --die-with-parent --ro-bind /usr /usr --ro-bind-try /lib /lib --ro-bind-try /lib64 /lib64 --ro-bind-try /bin /bin --ro-bind-fd 3 /mnt true 3< /usr';

/** The programs that are needed; installed where that was asked for. */
export function packages(shell: AdminShell, needed: readonly NeededProgram[], install: boolean): Step {
  return {
    what: PACKAGES,
    async look() {
      const { stdout } = await shell.run({
        argv: ['sh', '-c', MISSING, 'look', ...needed.map(({ program }) => program)],
      });
      const missing = stdout.split('\n').filter(Boolean);
      const names = needed.filter(({ program }) => missing.includes(program)).map(({ debian }) => debian);
      if (names.length === 0) return IS_SO;
      const wanted = [...new Set(names)].sort();
      const commands = [
        { argv: ['apt-get', 'update'] as const },
        {
          argv: [
            'env',
            'DEBIAN_FRONTEND=noninteractive',
            'apt-get',
            'install',
            '-y',
            '--no-install-recommends',
            ...wanted,
          ] as const,
        },
      ] satisfies { argv: readonly [string, ...string[]] }[];
      if (install) return { commands };
      return { commands, left: `install ${wanted.join(', ')} there (--install does it)` };
    },
  };
}

/** Programs can be confined: tried there, as the account that Kedge logs in with, which bubblewrap's version does not tell. */
export function confinement(shell: AdminShell, user: string): Step {
  return {
    what: 'sandboxes',
    needs: PACKAGES,
    async look() {
      const { exitCode, stderr } = await shell.run(
        {
          argv:
            user === 'root'
              ? ['sh', '-c', CONFINE, 'confine']
              : ['runuser', '-u', user, '--', 'sh', '-c', CONFINE, 'confine', '--unshare-user'],
        },
        ANY_EXIT_CODE,
      );
      if (exitCode === 0) return IS_SO;
      const said = stderr.trim().split('\n').at(-1) ?? '';
      return {
        commands: [],
        left: `have bubblewrap confine programs of ${user} there, which it does not (${said}): install one that knows --ro-bind-fd, and let the system make namespaces`,
      };
    },
  };
}
