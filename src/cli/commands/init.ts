import { dirname, join, resolve } from 'node:path';
import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import { findConfiguration, parseConfiguration } from '../../config/load';
import { doctorReportSchema } from '../../contract/findings';
import type { InitReport } from '../../contract/documents';
import { printable } from '../../contract/printable';
import { APACHE_VHOSTS } from '../../core/discovery/apache-vhosts';
import { type DiscoveredSite, type Discovery, besideFolder, discover } from '../../core/discovery/discover';
import { fpmConfigurations } from '../../core/discovery/fpm-pools';
import { makeSigningKey } from '../../core/requests/signing-key';
import { createLocalHost } from '../../core/hosts/local-host';
import { assertTrusted, isRoot } from '../../trust/trusted-path';
import { confirm } from '../confirm';
import { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { findingLines } from '../render/findings';
import { type FirstChoices, firstConfiguration } from '../render/first-configuration';
import { usage } from '../usage';
import { examineAll } from './doctor';

interface InitOptions {
  yes?: boolean;
  output?: string;
  master?: string;
  data: string;
  nginxConfig?: string;
  fpmConfig?: string[];
  apacheVhosts?: string[];
  databaseSocket?: string;
}

const DATABASE_SOCKETS = ['/run/mysqld/mysqld.sock', '/var/lib/mysql/mysql.sock', '/tmp/mysql.sock'];
const MASTER_NAME = /^[a-z0-9][a-z0-9.-]*$/;

/** `kedge init` */
export function registerInit(program: Command, run: Registration): void {
  program
    .command('init')
    .description('look at this machine and write a first configuration for what is found, with comments')
    .option('--output <path>', 'where it is written (default as --config, $KEDGE_CONFIG, /etc/kedge/kedge.yaml)')
    .option('-y, --yes', 'do not ask: all sites that were understood, and the defaults')
    .option('--master <name>', 'name of this master (default: the name of the machine)')
    .option('--data <folder>', 'where backups and state are kept', '/var/lib/kedge')
    .option('--nginx-config <path>', 'configuration file of nginx, where it is not the default one')
    .option('--fpm-config <path...>', 'configuration files of PHP-FPM, where they are not those of the packages')
    .option('--apache-vhosts <folder...>', 'folders of the vhosts of Apache, where they are not those of the packages')
    .option('--database-socket <path>', 'socket of the database server, where it is not a usual one')
    .addHelpText(
      'after',
      '\nWrites nothing but the one file and, beside it, the key that requests are signed with; never over another without asking. Then says what `kedge doctor` says.\n' +
        '\nExit codes: 0 written and all is well, 2 not written, 3 written and something is left to do.\n' +
        '\nExamples:\n  kedge init\n  kedge init --yes --output /etc/kedge/kedge.yaml',
    )
    .action(
      run<InitOptions>(async (context, _args, options) => {
        const asks = options.yes !== true;
        if (asks && !context.io.isTerminal) throw usage('there is no terminal to ask on', 'Say --yes.');
        const path = outputOf(context, options);
        const host = createLocalHost({ name: 'master' });
        await assertMayWrite(context, path, (await host.status(path)) !== undefined, asks);
        const account = userInfo().username;
        const [databaseSocket = ''] = DATABASE_SOCKETS;
        context.printer.running('looking at this machine');
        const discovery = await discover(
          {
            host,
            nginxConfiguration: absolute(context, options.nginxConfig),
            fpmConfigurations: options.fpmConfig ?? (await fpmConfigurations(host)),
            apacheFolders: options.apacheVhosts ?? APACHE_VHOSTS,
            databaseSockets: options.databaseSocket === undefined ? DATABASE_SOCKETS : [options.databaseSocket],
            databaseAccount: account,
          },
          commandOperation(context, 'init'),
        );
        context.printer.idle();
        tell(context, discovery);
        const choices = await choose(
          context,
          {
            master: options.master ?? machineName(),
            data: resolve(context.io.workingFolder, options.data),
            signingKey: join(dirname(path), 'signing.key'),
            sites: usable(discovery).map(({ uri }) => uri),
            databaseAccount: account,
            databaseSocket: options.databaseSocket ?? databaseSocket,
          },
          discovery,
          asks,
        );
        const settled = besideFolder(discovery, choices.data);
        const text = firstConfiguration(settled, choices);
        parseConfiguration(text, path);
        await host.makeFolder(dirname(path), { mode: 0o755 });
        if (await makeSigningKey(host, choices.signingKey))
          context.printer.note(`${choices.signingKey} is made: requests are signed with it`);
        await host.writeFile(path, text, { mode: 0o644 });
        context.printer.note(`${path} is written: look through it`);
        await report(context, path, settled, choices);
      }),
    );
}

function outputOf(context: CommandContext, { output }: InitOptions): string {
  const { environment, workingFolder } = context.io;
  const named = output ?? context.options.config ?? environment['KEDGE_CONFIG'] ?? '/etc/kedge/kedge.yaml';
  return findConfiguration({ path: named, environment, workingFolder, isRoot: isRoot() });
}

async function assertMayWrite(context: CommandContext, path: string, exists: boolean, asks: boolean): Promise<void> {
  // What others can change is not read later either.
  assertTrusted(exists ? path : dirname(path));
  if (!exists) return;
  if (!asks) throw usage(`${path} is there already`, 'Move it away, or name another by --output.');
  context.printer.idle();
  await confirm(
    context,
    {
      message: `${path} is there already. Write over it?`,
      otherwise: `${path} is there already`,
      ...{ refused: 'nothing was written', state: `${path} is unchanged` },
    },
    false,
  );
}

/** A name the configuration takes, from that of the machine. */
function machineName(): string {
  const name =
    hostname()
      .toLowerCase()
      .split('.')[0]
      ?.replace(/[^a-z0-9-]/g, '-') ?? '';
  return MASTER_NAME.test(name) ? name : 'master';
}

function usable({ sites }: Discovery): DiscoveredSite[] {
  return sites.filter(({ problems }) => problems.length === 0);
}

function tell({ printer }: CommandContext, discovery: Discovery): void {
  const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
  printer.note(
    [
      count(usable(discovery).length, 'site'),
      count(discovery.sites.length - usable(discovery).length, 'undecided site'),
      count(discovery.database?.databases.length ?? 0, 'database'),
      count(discovery.apache.length, 'vhost') + ' of Apache, which is not supported yet',
    ].join(', '),
  );
  for (const note of discovery.notes) printer.note(note);
}

async function choose(
  { prompts }: CommandContext,
  defaults: FirstChoices,
  discovery: Discovery,
  asks: boolean,
): Promise<FirstChoices> {
  if (!asks) return defaults;
  const found = usable(discovery);
  const { checkbox, input } = await import('@inquirer/prompts');
  const master = await input(
    {
      message: 'Name of this master',
      default: defaults.master,
      validate: (name) => MASTER_NAME.test(name) || 'lower case letters, digits, dots and dashes',
    },
    prompts,
  );
  const data = await input(
    {
      message: 'Folder for backups and state',
      default: defaults.data,
      validate: (path) => /^\/[^\0]*[^/\0]$/.test(path) || 'an absolute path without a slash at its end',
    },
    prompts,
  );
  const sites =
    found.length === 0
      ? []
      : await checkbox(
          {
            message: 'Sites to take up',
            choices: found.map(({ uri, kind, root }) => ({
              name: printable(`${uri}  ${kind}, ${root}`),
              value: uri,
              checked: true,
            })),
          },
          prompts,
        );
  return { ...defaults, master, data, sites };
}

/** Ends as `kedge doctor` does, on the file that was written. */
async function report(
  context: CommandContext,
  path: string,
  discovery: Discovery,
  choices: FirstChoices,
): Promise<void> {
  const fresh = new CommandContext(context.io, { ...context.options, config: path });
  try {
    const sites = usable(discovery)
      .map(({ uri }) => uri)
      .filter((uri) => choices.sites.includes(uri));
    context.printer.running('checking');
    const findings = await examineAll(fresh, commandOperation(fresh, 'doctor'));
    const document: InitReport = {
      path,
      sites,
      undecided: discovery.sites
        .filter(({ problems }) => problems.length > 0)
        .map(({ uri, problems }) => ({ site: uri, problems: [...problems] })),
      unsupported: discovery.apache.map(({ name, file }) => ({ name, file })),
      notes: [...discovery.notes],
      doctor: doctorReportSchema.parse({ ok: findings.every(({ level }) => level === 'note'), findings }),
    };
    if (findings.some(({ level }) => level !== 'note')) context.exitCode = EXIT.warnings;
    const { colors } = context.printer;
    context.printer.colouredResult(document, [
      ...findingLines(findings, { grouped: context.io.isTerminal, colors }),
      ...(sites.length === 0 ? [] : [`Next: ${sites.map((uri) => `kedge sites adopt ${uri}`).join('; ')}`]),
    ]);
  } finally {
    await fresh.close();
  }
}

function absolute(context: CommandContext, path: string | undefined): string | null {
  return path === undefined ? null : resolve(context.io.workingFolder, path);
}
