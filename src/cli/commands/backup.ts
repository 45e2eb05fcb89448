import { type Command, Option } from 'commander';
import { hasWildcard } from '../../config/selection';
import { DEFAULT_DESCRIPTION } from '../../contract/names';
import { siteKindSchema } from '../../contract/target';
import { type Compression, compressionSchema } from '../../contract/tasks';
import { bytesText, durationText } from '../../contract/units';
import { askForBackups } from '../../operations/backup-all';
import type { CommandContext } from '../context';
import { reportBackupAll } from '../follow-backup-all';
import { reportTask } from '../follow-task';
import type { Registration } from '../registration';
import { usage } from '../usage';
import { type TaskOptions, submitOptions, withTaskOptions } from './task-options';

interface BackupOptions extends TaskOptions {
  message?: string;
  quiesce?: boolean;
  compression?: string;
  all?: boolean;
  kind?: string;
  server?: string;
  prune?: boolean;
}

/** What a backup is to be, of one site or of many. */
interface AskedBackup {
  readonly who: string;
  readonly compression: Compression;
  readonly description?: string;
  readonly quiesce?: true;
}

/** `kedge backup` */
export function registerBackup(program: Command, run: Registration): void {
  withTaskOptions(program.command('backup'))
    .alias('provision-backup')
    .description('back up a site, its folder and its database in one archive; or many sites')
    .argument('[site...]', 'URI of the site; of many sites their URIs, or names with * for any characters')
    .option('-m, --message <description>', `why the backup is made (default "${DEFAULT_DESCRIPTION}")`)
    .option('--quiesce', 'put the site into maintenance and fence its writes meanwhile')
    .option('--compression <kind>', 'zstd or gzip', 'zstd')
    .option('--all', 'back up all sites, or of all those that are named; past those that fail')
    .addOption(new Option('--kind <kind>', 'with --all: only sites of this kind').choices(siteKindSchema.options))
    .option('--server <server>', 'with --all: only sites of this web server')
    .option('--prune', 'of many sites: then delete of each what `keep` of the configuration does not keep')
    .addHelpText(
      'after',
      '\nMany sites are one run, which waits for sites that are busy, and ends with one report: exit code 1 when a site failed, ' +
        '3 with warnings.\n' +
        '\nExamples:\n  kedge backup example.com -m "before the update"\n  kedge backup example.com --wait-turn --json' +
        '\n  kedge backup --all --prune\n  kedge backup --all --kind wordpress -m "before 6.9"' +
        "\n  kedge backup 'blog*.example.com' shop.example.com",
    )
    .action(
      run<BackupOptions>(async (context, names, options) => {
        const asked = askedBackup(context, options);
        const [name = '', ...others] = names;
        if (options.all || others.length > 0 || hasWildcard(name)) return backUpMany(context, names, options, asked);
        if (name === '') throw usage('which site is to be backed up?', 'Name it, or say --all.');
        for (const option of ['kind', 'server', 'prune'] as const)
          if (options[option] !== undefined) throw usage(`--${option} is for backups of many sites`, 'Say --all.');
        await backUpOne(context, name, options, asked);
      }),
    );
}

function askedBackup(context: CommandContext, { message, quiesce, compression: kind }: BackupOptions): AskedBackup {
  const compression = compressionSchema.safeParse(kind);
  if (!compression.success) throw usage(`--compression is zstd or gzip, not ${JSON.stringify(kind)}`);
  return {
    who: context.who(),
    compression: compression.data,
    ...(message === undefined ? {} : { description: message }),
    ...(quiesce ? { quiesce: true } : {}),
  };
}

async function backUpOne(
  context: CommandContext,
  name: string,
  options: BackupOptions,
  asked: AskedBackup,
): Promise<void> {
  const site = await context.site(name);
  const client = await context.client();
  const input = { site, ...asked, ...(options.requestKey === undefined ? {} : { requestKey: options.requestKey }) };
  const submit = () => client.backup(input, submitOptions(options));
  await reportTask(context, submit, options.detach ?? false, ({ backup, durationMs }) => [
    `Backup ${backup.id}: ${bytesText(backup.bytes)} in ${durationText(durationMs)}`,
    backup.path,
  ]);
}

async function backUpMany(
  context: CommandContext,
  names: readonly string[],
  options: BackupOptions,
  asked: AskedBackup,
): Promise<void> {
  const { requestKey, server, prune, detach = false } = options;
  if (requestKey !== undefined) throw usage('--request-key is for a backup of one site');
  if (!options.all && (options.kind !== undefined || server !== undefined))
    throw usage('--kind and --server choose among all sites', 'Say --all; names may stand beside them.');
  if (names.length > MOST_NAMES)
    throw usage(
      `${names.length} sites are named, and at most ${MOST_NAMES} may be`,
      'Name them by wildcards, or say --all.',
    );
  const kind = siteKindSchema.optional().parse(options.kind);
  const { input, run } = askForBackups(await context.configuration(), {
    ...asked,
    ...{ names, server },
    ...(kind === undefined ? {} : { kind }),
    ...(prune ? { prune: true } : {}),
  });
  const since = Date.now();
  const client = await context.client();
  const started = await client.backupAll(input, { keepWithoutWorker: detach });
  await reportBackupAll(context, started, { detach, of: run.sites.length, since });
}

/** A selection has no more. */
const MOST_NAMES = 100;
