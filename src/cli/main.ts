#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 node --min-semi-space-size=4 --no-memory-reducer
// The worker's memory stays as it is while it idles, and small while it works: docs/decisions/0022, 0060.
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { KedgeError } from '../contract/errors';
import { printableLines } from '../contract/printable';
import { closeInheritedDescriptors } from '../core/hosts/inherited-descriptors';
import { version } from '../../package.json';
import { registerBackup } from './commands/backup';
import { registerBackups } from './commands/backups';
import { registerCompletion } from './commands/completion';
import { registerConfig } from './commands/config';
import { registerDoctor } from './commands/doctor';
import { registerDeploy } from './commands/deploy';
import { registerInit } from './commands/init';
import { registerNotify } from './commands/notify';
import { registerPrune } from './commands/prune';
import { registerRestore } from './commands/restore';
import { registerSchedules } from './commands/schedules';
import { registerSchema } from './commands/schema';
import { registerServers } from './commands/servers';
import { registerSites } from './commands/sites';
import { registerAbandon, registerTasks } from './commands/tasks';
import { registerVerify } from './commands/verify';
import { registerWorker } from './commands/worker';
import { CommandContext, type GlobalOptions, type Io } from './context';
import { EXIT, exitCodeOf } from './exit-codes';
import { Printer } from './render/printer';
import type { Register, Registration } from './registration';

const COMMANDS: Register[] = [
  registerInit,
  registerBackup,
  registerRestore,
  registerDeploy,
  registerVerify,
  registerBackups,
  registerPrune,
  registerNotify,
  registerSchedules,
  registerTasks,
  registerAbandon,
  registerSites,
  registerServers,
  registerConfig,
  registerSchema,
  registerDoctor,
  registerWorker,
  registerCompletion,
];

/** Runs one command and returns its exit code. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = new Command('kedge')
    .description('Backs up and restores web sites as durable Temporal workflows.')
    .version(version)
    .option(
      '--config <path>',
      'configuration file (default $KEDGE_CONFIG, ./kedge.yaml unless you are root, /etc/kedge/kedge.yaml)',
    )
    .option('--json', 'one JSON document on standard output, all else on standard error')
    .option('-q, --quiet', 'say less')
    .option('-v, --verbose', 'say more')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge doctor\n  kedge backup example.com -m "before the update"\n  kedge restore example.com' +
        '\n\n`kedge <command> --help` says more, with examples.',
    )
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(printableLines(text).join('\n')),
    })
    .exitOverride();

  const run: Registration =
    (body) =>
    async (...all) => {
      const command = all.at(-1);
      if (!(command instanceof Command))
        throw new KedgeError('Internal', 'commander called an action without its command');
      const context = new CommandContext(io, command.optsWithGlobals<GlobalOptions>());
      try {
        await body(context, command.args, command.opts<never>());
        exitCode = context.exitCode;
      } catch (thrown) {
        const error = isInterruptedQuestion(thrown) ? new KedgeError('Cancelled', 'nothing was done') : thrown;
        context.printer.failure(context.redacted(error));
        exitCode = exitCodeOf(error);
      } finally {
        await context.close();
      }
    };
  for (const register of COMMANDS) register(program, run);
  shareOptions(program);

  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    if (argv.includes('--json')) new Printer(io, { json: true }).failure(new KedgeError('UsageInvalid', error.message));
    return EXIT.usage;
  }
}

/** Ctrl-C at a question of ours, before anything was begun. */
function isInterruptedQuestion(error: unknown): boolean {
  return error instanceof Error && error.name === 'ExitPromptError';
}

/** Global options may stand behind the command too, where people type them; subcommands end and speak as the program does. */
function shareOptions(program: Command): void {
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    for (const option of program.options) {
      if (option.long !== '--version' && !command.options.some((own) => own.long === option.long))
        command.addOption(option);
    }
    shareOptions(command);
  }
}

if (require.main === module) {
  closeInheritedDescriptors();
  // Not `isTTY`, which is missing where there is no terminal: colours would take that as leave to ask the environment.
  const isTerminal = isatty(0) && isatty(2);
  const { stdin, stdout, stderr, env } = process;
  // `kedge backups | head`: nobody reads on, and nothing is wrong.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  main(process.argv.slice(2), {
    stdin,
    stdout,
    stderr,
    environment: env,
    workingFolder: process.cwd(),
    isTerminal,
  }).then(
    (exitCode) => {
      process.exitCode = exitCode;
    },
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${printableLines(text).join('\n')}\n`);
      process.exitCode = EXIT.failed;
    },
  );
}
