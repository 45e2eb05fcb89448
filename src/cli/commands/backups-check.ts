import type { Command } from 'commander';
import type { BackupsCheck } from '../../contract/documents';
import type { Operation } from '../../core/operation';
import { type ReadBack, checkBackups } from '../../operations/check-backups';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { bytesText, durationText, progressText } from '../../contract/units';
import { usage } from '../usage';

/** `kedge backups check` */
export function registerBackupsCheck(backups: Command, run: Registration): void {
  backups
    .command('check')
    .description(
      'read backups back, every byte; hold them against their records, and their dumps against what a restore and the database server take',
    )
    .argument('[backup...]', 'ids of backups; without them those of --site, or all there are')
    .option('--site <uri>', 'all backups of this site')
    .addHelpText(
      'after',
      '\nExit codes: 0 all are as their records say, and can be restored; 1 one at least is not; 3 a database server could not be asked.\n' +
        '\nExamples:\n  kedge backups check\n  kedge backups check --site example.com\n  kedge backups check example.com-20261124.031502',
    )
    .action(
      run<{ site?: string }>(async (context, ids, { site }) => {
        if (ids.length > 0 && site !== undefined) throw usage('name backups, or a site, not both');
        const parts = await context.parts();
        const configuration = await context.configuration();
        const { printer } = context;
        let before = '';
        const operation: Operation = {
          ...commandOperation(context, 'check'),
          progress: (progress) => printer.running(`${before}  ${progressText(progress)}`),
        };
        const wanted = ids.length > 0 ? { ids } : site === undefined ? 'all' : { site };
        const checked: ReadBack[] = [];
        for await (const event of checkBackups(parts, configuration, wanted, operation)) {
          if (event.kind === 'begun') {
            before = `${event.position} of ${event.count}: ${event.backup}`;
            continue;
          }
          const result = event.checked;
          const size = `${bytesText(result.bytes)}  ${durationText(result.durationMs)}`;
          if (result.problem === null) printer.done(`${result.backup}  ${size}`);
          else printer.failed(`${result.backup}  ${result.problem.message}`);
          if (result.notTried !== null) printer.warn(`${result.backup}: ${result.notTried}`);
          checked.push(result);
        }
        const damaged = checked.filter(({ problem }) => problem !== null);
        if (damaged.length > 0) context.exitCode = EXIT.failed;
        else if (checked.some(({ notTried }) => notTried !== null)) context.exitCode = EXIT.warnings;
        context.printer.result(documentOf(checked), [
          checked.length === 0
            ? 'There are no backups to check.'
            : damaged.length === 0
              ? `All ${checked.length} are as their records say.`
              : `${damaged.length} of ${checked.length} cannot be relied on: ${damaged.map(({ backup }) => backup).join(', ')}`,
        ]);
      }),
    );
}

function documentOf(checked: readonly ReadBack[]): BackupsCheck {
  return {
    ok: checked.every(({ problem }) => problem === null),
    backups: checked.map(({ backup, site, archive, bytes, durationMs, problem, notTried }) => ({
      backup,
      site,
      archive,
      ok: problem === null,
      bytes,
      durationMs,
      problem: problem === null ? null : { code: problem.code, message: problem.message, hint: problem.hint },
      ...(notTried === null ? {} : { notTried }),
    })),
  };
}
