import { Argument, type Command } from 'commander';
import { printable } from '../../contract/printable';
import type { CommandContext } from '../context';
import { type Names, complete } from '../completion/candidates';
import { COMPLETION_SCRIPTS, type Shell } from '../completion/scripts';
import type { Registration } from '../registration';
import { backupLabel } from '../render/backup-label';

/** `kedge completion`, and what its scripts ask */
export function registerCompletion(program: Command, run: Registration): void {
  program
    .command('completion')
    .description('print a script that completes commands, options, sites and backups in your shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(COMPLETION_SCRIPTS)))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(kedge completion bash)\n  source <(kedge completion zsh)\n' +
        '  kedge completion fish > ~/.config/fish/completions/kedge.fish',
    )
    .action(
      run<object>(async (context, [shell = '']) => {
        if (!isShell(shell)) return;
        const script = COMPLETION_SCRIPTS[shell];
        context.printer.result({ shell, script }, script.trimEnd().split('\n'));
      }),
    );

  program
    .command('complete', { hidden: true })
    .description('what may stand at the cursor; for the scripts of `kedge completion`')
    .argument('[words...]', 'the words up to the cursor, behind --')
    .addHelpText('after', '\nExample:\n  kedge complete -- restore exa')
    .action(
      run<object>(async (context, words) => {
        const found = await complete(program, words, namesOf(context, configNamed(words)));
        const { files } = found;
        // The shell puts them on its line, where `$(…)` would be run.
        const candidates = found.candidates.filter(({ value }) => PLAIN_WORD.test(value));
        const lines = candidates.map(
          ({ value, description }) => `${value}\t${printable(description.replace(/[\s\p{Cc}]+/gu, ' '))}`,
        );
        context.printer.colouredResult({ candidates, files }, files ? [...lines, ':files'] : lines);
      }),
    );
}

/** Means nothing but itself to any shell. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

function isShell(name: string): name is Shell {
  return Object.hasOwn(COMPLETION_SCRIPTS, name);
}

/** The configuration named on the line that is being typed. */
function configNamed(words: readonly string[]): string | undefined {
  const at = words.indexOf('--config');
  return at >= 0 && at < words.length - 2 ? words[at + 1] : undefined;
}

/** Without a configuration, or the right to read it, there are no names, and no error in the middle of a line. */
function namesOf(context: CommandContext, config: string | undefined): Names {
  if (config !== undefined) context.options.config = config;
  const quietly = async <T>(work: () => Promise<readonly T[]>): Promise<readonly T[]> => work().catch(() => []);
  const sites = async (): Promise<string[]> => Object.keys((await context.configuration()).sites);
  return {
    sites: () =>
      quietly(async () =>
        Object.entries((await context.configuration()).sites).map(([value, { kind, root }]) => ({
          value,
          description: `${kind} in ${root}`,
        })),
      ),
    backups: (site) =>
      quietly(async () => {
        const { catalog } = await context.parts();
        const listings = await Promise.all((site === null ? await sites() : [site]).map((uri) => catalog.list(uri)));
        return listings.flatMap(({ backups }) =>
          backups.map((record) => ({ value: record.id, description: backupLabel(record) })),
        );
      }),
    tasks: () =>
      quietly(async () => {
        const { journals } = await context.parts();
        return (await journals.all()).map((value) => ({ value, description: 'task' }));
      }),
    servers: () =>
      quietly(async () =>
        Object.entries((await context.configuration()).servers).flatMap(([value, { web }]) =>
          web ? [{ value, description: web.kind }] : [],
        ),
      ),
  };
}
