import type { Argument, Command, Option } from 'commander';

/** A word that may stand at the cursor. */
export interface Candidate {
  readonly value: string;
  /** What it is, where the shell shows that. */
  readonly description: string;
}

/** What only the machine knows. */
export interface Names {
  sites(): Promise<readonly Candidate[]>;
  /** Of one site, or of all. */
  backups(site: string | null): Promise<readonly Candidate[]>;
  tasks(): Promise<readonly Candidate[]>;
  /** Those with a web server. */
  servers(): Promise<readonly Candidate[]>;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Paths of files may stand there: the shell knows them. */
  readonly files: boolean;
}

const NOTHING: Completion = { candidates: [], files: false };

/**
 * What may stand in the place of the last of `words`, by the program's own tree of commands: commands, options, values of
 * options and arguments. `words` are those behind the name of the program, the last one begun or empty.
 */
export async function complete(program: Command, words: readonly string[], names: Names): Promise<Completion> {
  const current = words.at(-1) ?? '';
  let command = program;
  let given: string[] = [];
  let option: Option | undefined;
  let optionsEnded = false;
  for (const word of words.slice(0, -1)) {
    if (option !== undefined && !(option.variadic && word.startsWith('-'))) {
      if (!option.variadic) option = undefined;
      continue;
    }
    option = undefined;
    if (word === '--' && !optionsEnded) optionsEnded = true;
    else if (!optionsEnded && word.startsWith('-'))
      option = takesValue(optionOf(command, word)) && !word.includes('=') ? optionOf(command, word) : undefined;
    else {
      const sub = given.length === 0 ? commandOf(command, word) : undefined;
      if (sub === undefined) given.push(word);
      else [command, given] = [sub, []];
    }
  }
  if (option !== undefined && !(option.variadic && current.startsWith('-')))
    return startingWith(current, await valuesOf(option.name(), option.argChoices, option.flags, given, names));
  const [, long, begun] = /^(--[\w-]+)=(.*)$/.exec(current) ?? [];
  if (!optionsEnded && long !== undefined && begun !== undefined) {
    const named = optionOf(command, long);
    if (named === undefined) return NOTHING;
    const values = startingWith(begun, await valuesOf(named.name(), named.argChoices, named.flags, given, names));
    return { ...values, candidates: values.candidates.map((value) => ({ ...value, value: `${long}=${value.value}` })) };
  }
  if (!optionsEnded && current.startsWith('-'))
    return startingWith(current, { candidates: optionsOf(command), files: false });
  const commands = given.length === 0 ? commandsOf(command) : [];
  const argument = argumentAt(command, given.length);
  const values = argument ? await valuesOf(argument.name(), argument.argChoices, '', given, names) : NOTHING;
  return startingWith(current, { candidates: [...commands, ...values.candidates], files: values.files });
}

function startingWith(begun: string, { candidates, files }: Completion): Completion {
  return { candidates: candidates.filter(({ value }) => value.startsWith(begun)), files };
}

/** By what arguments and options are called throughout. */
async function valuesOf(
  name: string,
  choices: readonly string[] | undefined,
  flags: string,
  given: readonly string[],
  names: Names,
): Promise<Completion> {
  if (choices) return { candidates: choices.map((value) => ({ value, description: '' })), files: false };
  const placeholder = /[<[]([^>\].]+)/.exec(flags)?.[1] ?? name;
  switch (placeholder) {
    case 'site':
    case 'uri':
      return { candidates: await names.sites(), files: false };
    case 'task|site':
      return { candidates: [...(await names.sites()), ...(await names.tasks())], files: false };
    case 'task':
      return { candidates: await names.tasks(), files: false };
    case 'server':
      return { candidates: await names.servers(), files: false };
    case 'backup': {
      // Behind a site: one of its own, or the newest.
      const [site] = given;
      const ofSite = site !== undefined && !/-\d{8}\.\d{6}(_\d+)?$/.test(site);
      const latest = ofSite ? [{ value: 'latest', description: 'the newest good backup that was asked for' }] : [];
      return { candidates: [...latest, ...(await names.backups(ofSite ? site : null))], files: false };
    }
    case 'path':
    case 'folder':
    case 'archive':
      return { candidates: [], files: true };
    default:
      return NOTHING;
  }
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const last = command.registeredArguments.at(-1);
  return command.registeredArguments[index] ?? (last?.variadic ? last : undefined);
}

function optionOf(command: Command, word: string): Option | undefined {
  const flag = word.split('=')[0];
  return command.options.find(({ long, short }) => flag === long || flag === short);
}

function takesValue(option: Option | undefined): boolean {
  return option !== undefined && (option.required || option.optional);
}

function optionsOf(command: Command): Candidate[] {
  const own = command.options.filter(({ hidden }) => !hidden);
  return [
    ...own.map(({ long, short, description }) => ({ value: long ?? short ?? '', description })),
    { value: '--help', description: 'display help for command' },
  ];
}

function commandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((sub) => ({ value: sub.name(), description: sub.description() }));
}

function commandOf(command: Command, name: string): Command | undefined {
  return command.commands.find((sub) => sub.name() === name || sub.aliases().includes(name));
}
