import type { Command } from 'commander';
import { compressionSchema } from '../../contract/tasks';
import { DEFAULT_DESCRIPTION } from '../../contract/names';
import type { Registration } from '../registration';
import { reportTask } from '../follow-task';
import { bytesText, durationText } from '../../contract/units';
import { usage } from '../usage';
import { type TaskOptions, submitOptions, withTaskOptions } from './task-options';

interface BackupOptions extends TaskOptions {
  message?: string;
  quiesce?: boolean;
  compression?: string;
}

/** `kedge backup` */
export function registerBackup(program: Command, run: Registration): void {
  withTaskOptions(program.command('backup'))
    .alias('provision-backup')
    .description('back up a site: its folder and its database in one archive')
    .argument('<site>', 'URI of the site')
    .option('-m, --message <description>', `why the backup is made (default "${DEFAULT_DESCRIPTION}")`)
    .option('--quiesce', 'put the site into maintenance and fence its writes meanwhile')
    .option('--compression <kind>', 'zstd or gzip', 'zstd')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge backup example.com -m "before the update"\n  kedge backup example.com --wait-turn --json',
    )
    .action(
      run<BackupOptions>(async (context, [name = ''], options) => {
        const compression = compressionSchema.safeParse(options.compression);
        if (!compression.success)
          throw usage(`--compression is zstd or gzip, not ${JSON.stringify(options.compression)}`);
        const site = await context.site(name);
        const client = await context.client();
        const handle = await client.backup(
          {
            site,
            who: context.who(),
            compression: compression.data,
            ...(options.message === undefined ? {} : { description: options.message }),
            ...(options.quiesce ? { quiesce: true } : {}),
            ...(options.requestKey === undefined ? {} : { requestKey: options.requestKey }),
          },
          submitOptions(options),
        );
        await reportTask(context, handle, options.detach ?? false, ({ backup, durationMs }) => [
          `Backup ${backup.id}: ${bytesText(backup.bytes)} in ${durationText(durationMs)}`,
          backup.path,
        ]);
      }),
    );
}
