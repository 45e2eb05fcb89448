import type { Command } from 'commander';
import { bytesText } from '../../contract/units';
import { type PrunePlan, prune } from '../../core/retention/prune';
import { planPruning } from '../../operations/prune-backups';
import { confirmDeletion } from '../confirm';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { backupLabel } from '../render/backup-label';

interface PruneOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `kedge prune` */
export function registerPrune(program: Command, run: Registration): void {
  program
    .command('prune')
    .description('delete the backups that `keep` of the configuration does not keep, and say why of each')
    .argument('[site...]', 'URIs of sites; default: all')
    .option('--dry-run', 'decide and print, delete nothing')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  kedge prune --dry-run\n  kedge prune example.com --yes')
    .action(
      run<PruneOptions>(async (context, names, { dryRun = false, yes = false }) => {
        const configuration = await context.configuration();
        const asked: string[] = [];
        for (const name of names) asked.push(await context.site(name));
        const parts = await context.parts();
        const now = Date.now();
        const plans = await planPruning(parts, configuration, asked, now);
        for (const { site, waits, strays } of plans) {
          for (const stray of strays) context.printer.warn(stray);
          if (waits !== null) context.printer.warn(`nothing of ${site} is pruned: ${waits}`);
        }
        if (plans.some(({ waits, strays }) => waits !== null || strays.length > 0)) context.exitCode = EXIT.warnings;
        const going = plans.filter(({ waits }) => waits === null);
        const count = going.flatMap(({ backups }) => backups).filter(({ keep }) => !keep).length;
        if (!dryRun && count > 0) {
          const shown = linesOf(context, going);
          await confirmDeletion(context, { count, shown, hint: 'Say --yes, or --dry-run.' }, yes);
        }
        const deleted: string[] = [];
        for (const plan of dryRun ? [] : going) {
          const done = await prune(parts, plan, now, commandOperation(context, 'prune'));
          deleted.push(...done.deleted);
          if (done.waits === null) continue;
          context.printer.warn(`not all of ${plan.site} is pruned: ${done.waits}`);
          context.exitCode = EXIT.warnings;
        }
        context.printer.result(documentOf(plans, deleted), [
          ...(dryRun || count === 0 || yes ? linesOf(context, plans) : []),
          dryRun ? `Would delete ${count}` : `Deleted ${deleted.length}`,
        ]);
      }),
    );
}

function documentOf(plans: readonly PrunePlan[], deleted: readonly string[]): object {
  return {
    sites: plans.map(({ site, backups, strays, waits }) => ({
      site,
      waits,
      strays,
      backups: backups.map(({ id, keep, reasons, record: { bytes } }) => ({ id, keep, reasons, bytes })),
    })),
    deleted,
  };
}

function linesOf(context: CommandContext, plans: readonly PrunePlan[]): string[] {
  const rows = plans.flatMap(({ backups }) =>
    backups.map(({ id, keep, reasons, record }) => [
      id,
      backupLabel(record),
      bytesText(record.bytes),
      keep ? 'keep' : 'delete',
      reasons.join('; '),
    ]),
  );
  return rows.length === 0 ? [] : context.printer.table(['Backup', 'Date/time - Reason', 'Size', '', 'Why'], rows);
}
