import type { Command } from 'commander';
import { type BackupRecord, isSafetyBackup } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { printable } from '../../contract/printable';
import { findLatest } from '../../core/catalog/publication';
import type { Operation } from '../../core/operation';
import { planRestore } from '../../operations/plan-restore';
import { confirm } from '../confirm';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { reportTask } from '../follow-task';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { backupLabel } from '../render/backup-label';
import { restorePlanLines } from '../render/restore-plan';
import { durationText, progressText } from '../../contract/units';
import { usage } from '../usage';
import { REPLACE_TEXT, type TaskOptions, submitOptions, withTaskOptions } from './task-options';

interface RestoreOptions extends TaskOptions {
  yes?: boolean;
  dryRun?: boolean;
  /** Commander's form of --no-fence. */
  fence: boolean;
  replaceText?: boolean;
}

/** `kedge restore` */
export function registerRestore(program: Command, run: Registration): void {
  withTaskOptions(program.command('restore'))
    .alias('provision-restore')
    .description('bring a site back to a backup; the state it is in is backed up first')
    .argument('<site>', 'URI of the site')
    .argument(
      '[backup]',
      'id of the backup, or `latest`, the newest good one that was asked for; without it a list to choose from',
    )
    .option('-y, --yes', 'do not ask; go on although files besides the settings hold the login, which changes')
    .option(
      '--dry-run',
      'check everything a restore checks first, and whether the database server takes the backup; say what it would do; changes nothing of the site',
    )
    .option('--no-fence', 'go on although the database account is shared and its writes cannot be fenced')
    .option(...REPLACE_TEXT)
    .addHelpText(
      'after',
      '\nExamples:\n  kedge restore example.com\n  kedge restore example.com example.com-20261124.031502\n' +
        '  kedge restore example.com latest --yes\n  kedge restore example.com latest --dry-run',
    )
    .action(
      run<RestoreOptions>(async (context, [name = '', wanted], options) => {
        const site = await context.site(name);
        if (!options.dryRun) await context.assertMayAsk('restore');
        const record = await chooseBackup(context, site, wanted);
        if (options.dryRun) return tellRestore(context, record, options);
        await confirm(
          context,
          {
            message: `Replace ${record.site} by its state of ${backupLabel(record)}? A new backup is made first.`,
            otherwise: `restoring ${record.site} replaces what it holds now`,
            ...{ refused: 'nothing was done', state: 'the site is unchanged' },
          },
          options.yes ?? false,
        );
        const client = await context.client();
        const input = {
          site,
          backup: record.id,
          who: context.who(),
          ...(options.fence ? {} : { noFence: true }),
          ...(options.yes ? { leaveLogins: true } : {}),
          ...(options.replaceText ? { replaceText: true } : {}),
          ...(options.requestKey === undefined ? {} : { requestKey: options.requestKey }),
        };
        await reportTask(
          context,
          () => client.restore(input, submitOptions(options)),
          options.detach ?? false,
          ({ restored, safetyBackup, downtimeMs, durationMs, kept = [], logins = [] }) => [
            `Restored ${site} to ${restored} in ${durationText(durationMs)}, ${durationText(downtimeMs)} of it in maintenance`,
            `Safety backup: ${safetyBackup}`,
            ...[...kept, ...logins].map((sentence) => `Note: ${printable(sentence)}`),
          ],
        );
      }),
    );
}

/** Ends as the restore would where it would fail. */
async function tellRestore(
  context: CommandContext,
  record: BackupRecord,
  { fence, yes = false, waitTurn = false, replaceText = false }: RestoreOptions,
): Promise<void> {
  const { printer } = context;
  const client = await context.client();
  const parts = await context.parts();
  const operation: Operation = {
    ...commandOperation(context, `dry-run-${record.site}`),
    progress: (progress) => printer.running(`checking ${progressText(progress)}`.trimEnd()),
  };
  const plan = await planRestore(parts, client, record, { fence, leaveLogins: yes, waitTurn, replaceText }, operation);
  for (const warning of plan.warnings) printer.warn(warning);
  if (plan.warnings.length > 0) context.exitCode = EXIT.warnings;
  printer.result(plan, restorePlanLines(printer, plan, record));
}

async function chooseBackup(context: CommandContext, site: string, wanted: string | undefined): Promise<BackupRecord> {
  const { catalog, master } = await context.parts();
  if (wanted !== undefined && wanted !== 'latest') return catalog.get(site, wanted);
  const { backups } = await catalog.list(site);
  if (backups.length === 0) throw new KedgeError('BackupUnknown', 'There are no valid backups available.', { site });
  if (wanted === 'latest') {
    const { record, passedOver } = await findLatest(catalog, master, site);
    for (const sentence of passedOver) context.printer.warn(sentence);
    if (record) return record;
    const good = passedOver.length === 0 ? '' : 'good ';
    throw new KedgeError('BackupUnknown', `there is no ${good}backup of ${site} that somebody asked for`, {
      site,
      hint: `Any other, a safety backup too, is restored by its id alone; see \`kedge backups ${site}\`.`,
    });
  }
  if (!context.io.isTerminal)
    throw usage(`which backup of ${site}? Name its id, or latest`, `See \`kedge backups ${site}\`.`);
  const { Separator, select } = await import('@inquirer/prompts');
  const choices = (some: readonly BackupRecord[]) =>
    some.map((record) => ({ name: printable(backupLabel(record)), value: record }));
  const safety = backups.filter(isSafetyBackup);
  return select(
    {
      message: `Restore ${site} to`,
      choices: [
        ...choices(backups.filter((record) => !isSafetyBackup(record))),
        ...(safety.length === 0 ? [] : [new Separator('safety backups, of states that were replaced:')]),
        ...choices(safety),
      ],
    },
    context.prompts,
  );
}
