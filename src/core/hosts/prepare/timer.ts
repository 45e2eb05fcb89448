import { ANY_EXIT_CODE, type AdminCommand, type AdminShell } from '../ssh/admin-shell';
import { PROGRAM_LAUNCHER } from '../ssh/program-file';
import { lookAtFile } from './program';
import { IS_SO, type Look, type Step } from './step';

const UNIT = 'kedge-host-overdue';
const UNITS = '/etc/systemd/system';
const CRONTAB = '/etc/cron.d/kedge-host';
const COMMAND = `${PROGRAM_LAUNCHER} --end-overdue`;
/** What it cannot do is told by `kedge doctor`, and later looks may do it. */
const FIRST_LOOK = `runuser -u "$1" -- ${COMMAND} || :`;
const WHAT_KEEPS_TIME = 'if [ -d /run/systemd/system ]; then echo systemd; elif [ -d /etc/cron.d ]; then echo cron; fi';

/**
 * What opens sites there whose maintenance is over, once a minute, whatever has become of their master: a timer of systemd, or else cron.
 */
export function timer(
  shell: AdminShell,
  { server, user, flags }: { readonly server: string; readonly user: string; readonly flags: string },
): Step {
  return {
    what: 'what opens sites whose master is lost',
    async look() {
      const { stdout } = await shell.run({ argv: ['sh', '-c', WHAT_KEEPS_TIME] });
      const keepsTime = stdout.trim();
      if (keepsTime === '')
        return { commands: [], left: `have something run \`${COMMAND}\` there once a minute, as ${user}` };
      const folder = await lookAtFolder(shell, user, flags);
      const { commands } =
        keepsTime === 'systemd' ? await lookAtUnits(shell, server, user) : await lookAtCrontab(shell, server, user);
      const all = [...folder, ...commands];
      // Sites may be shut there from now on: the first look is not waited for.
      return all.length === 0 ? IS_SO : { commands: [...all, { argv: ['sh', '-c', FIRST_LOOK, 'look', user] }] };
    },
  };
}

/** An account that is not root could not make the folder of flags. */
async function lookAtFolder(shell: AdminShell, user: string, flags: string): Promise<AdminCommand[]> {
  const { exitCode } = await shell.run({ argv: ['test', '-d', flags] }, [0, 1]);
  return exitCode === 0 ? [] : [{ argv: ['install', '-d', '-m', '755', '-o', user, '--', flags] }];
}

function lookAtCrontab(shell: AdminShell, server: string, user: string): Promise<Look> {
  const text = `# Of Kedge, written by \`kedge servers prepare ${server}\`.\n* * * * * ${user} ${COMMAND} >/dev/null\n`;
  return lookAtFile(shell, CRONTAB, '644', Buffer.from(text), { text });
}

async function lookAtUnits(shell: AdminShell, server: string, user: string): Promise<Look> {
  const head = `# Of Kedge, written by \`kedge servers prepare ${server}\`.\n[Unit]\nDescription=Open sites whose maintenance is over\n`;
  const texts = {
    service: `${head}\n[Service]\nType=oneshot\nUser=${user}\nExecStart=${COMMAND}\n`,
    timer: `${head}\n[Timer]\nOnBootSec=30s\nOnUnitActiveSec=1min\nAccuracySec=5s\n\n[Install]\nWantedBy=timers.target\n`,
  };
  const commands: AdminCommand[] = [];
  for (const [kind, text] of Object.entries(texts))
    commands.push(
      ...(await lookAtFile(shell, `${UNITS}/${UNIT}.${kind}`, '644', Buffer.from(text), { text })).commands,
    );
  const { exitCode } = await shell.run(
    {
      argv: [
        'sh',
        '-c',
        'systemctl is-enabled --quiet "$1" && systemctl is-active --quiet "$1"',
        'look',
        `${UNIT}.timer`,
      ],
    },
    ANY_EXIT_CODE,
  );
  if (commands.length === 0 && exitCode === 0) return IS_SO;
  return {
    commands: [
      ...commands,
      { argv: ['systemctl', 'daemon-reload'] },
      { argv: ['systemctl', 'enable', '--now', `${UNIT}.timer`] },
    ],
  };
}
