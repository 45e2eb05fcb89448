import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Prepared, prepareServer } from '../../operations/prepare-server';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';

/** `kedge servers prepare` */
export function registerPrepare(servers: Command, run: Registration): void {
  servers
    .command('prepare')
    .description(
      'put on a server that is another machine what Kedge needs there, over your own login: the program kedge-host, Node where none will do, what the master may touch, its key',
    )
    .argument('<server>', 'its name in the configuration')
    .option('--login <destination>', 'as your ssh takes it, such as admin@web1; default: the host of the configuration')
    .option('--ssh-config <path>', 'a configuration of ssh in the place of your own')
    .option('--install', 'install packages that are missing, by apt-get')
    .option('--print', 'print what would be done, as lines of a shell on this machine, and do nothing')
    .addHelpText(
      'after',
      '\nYour login is used as `ssh` finds it, without a question: with your keys, your agent and the servers you know. It is root, or becomes it by\n' +
        'sudo without a password. The server is a Debian or Ubuntu, or has the programs already. Twice does nothing.\n' +
        '\nExit codes: 0 it is ready, 1 something is left to be done.\n' +
        '\nExamples:\n  kedge servers prepare web1 --login root@web1.example.com --install\n  kedge servers prepare web1 --print',
    )
    .action(
      run<{ login?: string; sshConfig?: string; install?: boolean; print?: boolean }>(
        async (context, [name = ''], options) => {
          const { install = false, print = false, login = null } = options;
          const sshConfig =
            options.sshConfig === undefined ? null : resolve(context.io.workingFolder, options.sshConfig);
          const { printer } = context;
          const [parts, configuration] = [await context.parts(), await context.configuration()];
          printer.running(`looking at ${name}`);
          const prepared = await prepareServer(
            parts,
            configuration,
            name,
            { login, sshConfig, install, print, environment: context.io.environment },
            commandOperation(context, `prepare-${name}`),
            (what) => (print ? undefined : printer.running(`${name}: ${what}`)),
          );
          printer.idle();
          const { left, problem } = prepared;
          for (const what of left) printer.warn(`${name} is not ready: ${what}`);
          if (problem !== null) {
            printer.failed(`${problem.message} (${problem.code})`);
            printer.note(`  hint: ${problem.hint}`);
          }
          if (left.length > 0 || problem !== null) context.exitCode = EXIT.failed;
          printer.result(prepared, print ? shellLinesOf(prepared) : summaryOf(prepared));
        },
      ),
    );
}

/** A script of the shell. */
function shellLinesOf({ server, steps }: Prepared): string[] {
  if (steps.length === 0) return [`# ${server}: nothing is to be done`];
  return steps.flatMap(({ what, commands }) => [
    `# ${server}: ${what}`,
    ...commands.flatMap((line) => line.split('\n')),
  ]);
}

function summaryOf({ server, steps, left, problem }: Prepared): string[] {
  const done = steps.map(({ what }) => `${server}: ${what}: done`);
  if (left.length > 0 || problem !== null) return done;
  return [...done, steps.length === 0 ? `${server} is ready; nothing was changed` : `${server} is ready`];
}
