import type { Command } from 'commander';
import { type BackupRecord, isSafetyBackup, isUnproven } from '../../contract/backup-record';
import { SITE_FOLDER } from '../../contract/target';
import { describeKept } from '../../core/kept/let-go';
import { siteOfBackup } from '../../operations/backup-id';
import { deleteBackups, findBackups } from '../../operations/delete-backups';
import { listBackups } from '../../operations/list-backups';
import { confirmDeletion } from '../confirm';
import type { Registration } from '../registration';
import { backupLabel } from '../render/backup-label';
import { bytesText, timeText } from '../../contract/units';
import { commandOperation } from '../operation';
import { registerBackupsCheck } from './backups-check';

/** `kedge backups`, `backups show`, `backups check`, `backups delete` */
export function registerBackups(program: Command, run: Registration): void {
  const backups = program
    .command('backups')
    .description('list the backups of a site, or of all')
    .argument('[site]', 'URI of the site; without it those of all sites')
    .addHelpText('after', '\nExamples:\n  kedge backups example.com\n  kedge backups show example.com-20261124.031502')
    .action(
      run<object>(async (context, [name]) => {
        const sites =
          name === undefined ? Object.keys((await context.configuration()).sites) : [await context.site(name)];
        const { backups: found, strays } = await listBackups(await context.parts(), sites);
        for (const stray of strays) context.printer.warn(`${stray.file}: ${stray.problem}`);
        const lines =
          found.length === 0
            ? ['There are no valid backups available.']
            : context.printer.table(
                ['Backup', 'Date/time - Reason', 'Size', ''],
                found.map((record) => [record.id, backupLabel(record), bytesText(record.bytes), markOf(record)]),
              );
        context.printer.result({ backups: found.map(documentOf), strays }, lines);
      }),
    );

  backups
    .command('show')
    .description('all that is known of a backup')
    .argument('<backup>', 'id of the backup, as `kedge backups` lists it')
    .addHelpText('after', '\nExample:\n  kedge backups show example.com-20261124.031502 --json')
    .action(
      run<object>(async (context, [id = '']) => {
        const { catalog } = await context.parts();
        const record = await catalog.get(siteOfBackup(id), id);
        context.printer.result({ ...documentOf(record), path: catalog.pathOf(record) }, [
          backupLabel(record),
          ...context.printer.table(
            [],
            [
              ['site', record.site],
              ['archive', catalog.pathOf(record)],
              ['size', `${bytesText(record.bytes)}, ${record.members} members`],
              ...record.roots.map(({ name, path }) => ['folder', name === SITE_FOLDER ? path : `${name}, ${path}`]),
              ['sha256', record.sha256],
              ['by', `${record.who}, task ${record.task}${isSafetyBackup(record) ? ', a safety backup' : ''}`],
              ['made', timeText(record.created)],
              [
                'database',
                `${record.database.tables.length} tables, ${record.database.charset}, ${record.database.serverVersion}`,
              ],
              ['code', `${record.kind} ${record.codeVersion ?? ''}`],
              ...(record.incomplete ?? []).map((sentence) => ['incomplete', sentence]),
              ...describeKept(record).map((what) => ['kept', what]),
              ...record.warnings.map((warning) => ['warning', warning]),
            ],
          ),
        ]);
      }),
    );

  registerBackupsCheck(backups, run);

  backups
    .command('delete')
    .alias('provision-backup-delete')
    .description('delete backups: record, archive, and the originals that a safety backup keeps')
    .argument('<backup...>', 'ids of the backups, as `kedge backups` lists them')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  kedge backups delete example.com-20261124.031502 --yes')
    .action(
      run<{ yes?: boolean }>(async (context, ids, options) => {
        const parts = await context.parts();
        const records = await findBackups(parts, ids);
        const shown = records.flatMap((record) => [
          `${record.id}  ${backupLabel(record)}`,
          ...describeKept(record).map((what) => `  with what it keeps: ${what}`),
        ]);
        await confirmDeletion(context, { count: records.length, shown }, options.yes ?? false);
        const operation = commandOperation(context, 'backups-delete');
        await deleteBackups(parts, await context.configuration(), records, operation);
        context.printer.result(
          { deleted: ids },
          records.flatMap((record) => [
            `Deleted ${record.id}`,
            ...describeKept(record).map((what) => `  and what it kept: ${what}`),
          ]),
        );
      }),
    );
}

/** As --json prints it: nobody has to know the words of a warning. */
function documentOf(record: BackupRecord): BackupRecord & { unproven?: true } {
  return isUnproven(record) ? { ...record, unproven: true } : record;
}

/** What sets a backup of a list apart. */
function markOf(record: BackupRecord): string {
  if (!isSafetyBackup(record)) return '';
  if (!record.incomplete) return 'safety backup';
  return record.kept ? 'safety backup, incomplete; originals are kept' : 'safety backup, incomplete';
}
