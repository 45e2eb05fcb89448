import type { Command } from 'commander';
import { version } from '../../../package.json';
import type { ListedServer } from '../../contract/documents';
import { listServers } from '../../operations/list-servers';
import { type KeyOffer, offerKey } from '../../operations/trust-server';
import { confirm } from '../confirm';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { usage } from '../usage';
import { registerPrepare } from './servers-prepare';

/** `kedge servers`, `servers trust`, `servers prepare` */
export function registerServers(program: Command, run: Registration): void {
  const servers = program
    .command('servers')
    .description('list the servers of the configuration, and try to reach those that are other machines')
    .addHelpText(
      'after',
      '\nExit codes: 0 all were reached, 1 one at least was not.\n' +
        '\nExamples:\n  kedge servers\n  kedge servers trust web1',
    )
    .action(
      run<object>(async (context) => {
        const { printer } = context;
        const [parts, configuration] = [await context.parts(), await context.configuration()];
        printer.running('reaching the servers');
        const listed = await listServers(parts, configuration, version, commandOperation(context, 'servers'));
        printer.idle();
        for (const { problem } of listed) {
          if (problem === null) continue;
          printer.failed(`${problem.message} (${problem.code})`);
          printer.note(`  hint: ${problem.hint}`);
          context.exitCode = EXIT.failed;
        }
        printer.result(
          { servers: listed },
          printer.table(['Server', 'Where', 'Serves', 'Reached', 'Version', 'Since'], listed.map(rowOf)),
        );
      }),
    );

  servers
    .command('trust')
    .description('show the key of a server that is another machine, ask, and remember it')
    .argument('<server>', 'its name in the configuration')
    .option('--fingerprint <fingerprint>', 'the key has to be the one of this fingerprint, SHA256:…, seen elsewhere')
    .option('--replace', 'in the place of the keys that are known: the server was installed anew')
    .option('-y, --yes', 'do not ask; only with --fingerprint')
    .addHelpText(
      'after',
      '\nWhat a server shows may come from whoever stands in between: compare the fingerprint with what\n' +
        '`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints at the server itself.\n' +
        '\nExamples:\n  kedge servers trust web1\n' +
        '  kedge servers trust web1 --yes --fingerprint SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s',
    )
    .action(run<TrustOptions>(trust));

  registerPrepare(servers, run);
}

interface TrustOptions {
  fingerprint?: string;
  replace?: boolean;
  yes?: boolean;
}

/** As OpenSSH prints it; some programs leave the padding. */
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;

async function trust(context: CommandContext, [name = '']: string[], options: TrustOptions): Promise<void> {
  const { replace = false, yes = false } = options;
  if (options.fingerprint === undefined && (yes || replace))
    throw usage(
      `${yes ? '--yes' : '--replace'} without --fingerprint would trust whoever answers`,
      'Say --fingerprint SHA256:…, as `ssh-keygen -lf` prints it at the server itself.',
    );
  if (options.fingerprint !== undefined && !FINGERPRINT.test(options.fingerprint))
    throw usage(
      `${JSON.stringify(options.fingerprint)} is no fingerprint`,
      'It begins with SHA256: and has 43 characters more.',
    );
  const fingerprint = options.fingerprint?.replace(/=$/, '') ?? null;
  const [parts, configuration] = [await context.parts(), await context.configuration()];
  context.printer.running('asking for the key');
  const operation = commandOperation(context, `trust-${name}`);
  const offer = await offerKey(parts, configuration, name, { fingerprint, replace }, operation);
  context.printer.idle();
  const changed = offer.standing !== 'known';
  if (changed) {
    await confirm(context, questionOf(offer), yes);
    await offer.accept();
  }
  const { server, type, knownHosts } = offer;
  context.printer.result({ server, type, fingerprint: offer.fingerprint, knownHosts, changed }, [
    changed
      ? `${server} is trusted by its key ${offer.fingerprint}, in ${knownHosts}`
      : `${server} is trusted already by its key ${offer.fingerprint}; nothing was changed`,
  ]);
}

function questionOf({ server, host, port, family, fingerprint, known, standing, commandAtServer }: KeyOffer) {
  return {
    shown: [
      `${server} (${host} port ${port}) shows a key that is not known.`,
      `${family} key fingerprint is ${fingerprint}.`,
      ...(standing === 'changed' ? [`It replaces ${known.join(' and ')}.`] : []),
      `At the server itself, \`${commandAtServer}\` prints it.`,
    ],
    message: `Trust this key?`,
    otherwise: 'a key is trusted by somebody who compared it',
    hint: 'Say --yes --fingerprint SHA256:…, as `ssh-keygen -lf` prints it at the server itself.',
    refused: 'no key was trusted',
  };
}

function rowOf({ server, where, serves, reached, version: of, since }: ListedServer): string[] {
  return [
    server,
    where === null ? 'this machine' : `${where.user}@${where.host}${where.port === 22 ? '' : ` port ${where.port}`}`,
    serves.join(', ') || '-',
    reached ? 'yes' : 'no',
    of ?? '-',
    since ?? '-',
  ];
}
