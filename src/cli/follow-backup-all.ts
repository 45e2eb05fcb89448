import type { BackupAllRun } from '../client';
import type { BackedUpSite, BackupAllReport } from '../contract/documents';
import { bytesText, durationText } from '../contract/units';
import { followBackupAll } from '../operations/backup-all';
import type { CommandContext } from './context';
import { EXIT } from './exit-codes';
import { listenToSignals } from './interrupts';

/** Names of sites that a line shows. */
const SITES_SHOWN = 4;

/**
 * Shows backups of many sites as they end, and prints one report: exit code 1 when a site failed, 3 with warnings. `of`: how many sites
 * are meant. `since`: a moment before they were started, ms since 1970.
 * @throws KedgeError of what kept all of them from being backed up; Cancelled
 */
export async function reportBackupAll(
  context: CommandContext,
  run: BackupAllRun,
  { detach, of, since }: { readonly detach: boolean; readonly of: number; readonly since: number },
): Promise<void> {
  const { printer } = context;
  const { workflowId } = run;
  const left = (): void =>
    printer.result({ workflowId, sites: of, detached: true }, [
      `${workflowId} goes on; \`kedge tasks\` lists what it does, \`kedge cancel ${workflowId}\` stops it`,
    ]);
  if (detach) return left();
  const leave = new AbortController();
  const stopListening = listenToSignals(context, {
    name: workflowId,
    cancelling: `cancelling ${workflowId}; what runs undoes first`,
    cancel: () => run.cancel(),
    leave: () => leave.abort(),
  });
  printer.note(`${workflowId}: ${of} ${of === 1 ? 'site' : 'sites'}`);
  try {
    for await (const event of followBackupAll(await context.parts(), run, since, leave.signal)) {
      switch (event.kind) {
        case 'site-ended':
          showSite(context, event.site);
          break;
        case 'running':
          printer.running(progressText(event, of));
          break;
        case 'ended':
          printReport(context, event.report);
          break;
        case 'left':
          left();
      }
    }
  } finally {
    printer.idle();
    stopListening();
  }
}

function progressText({ sites, ended }: { sites: readonly string[]; ended: number }, of: number): string {
  const more = sites.length > SITES_SHOWN ? [`${sites.length - SITES_SHOWN} more`] : [];
  const running = [...sites.slice(0, SITES_SHOWN), ...more].join(', ');
  return [`${ended} of ${of} sites`, ...(running === '' ? [] : [running])].join(' · ');
}

function showSite({ printer }: CommandContext, { site, outcome, bytes, durationMs, error }: BackedUpSite): void {
  if (outcome === 'done') printer.done(`${site.padEnd(24)} ${durationText(durationMs ?? 0)}  ${bytesText(bytes ?? 0)}`);
  else printer.failed(`${site.padEnd(24)} ${error?.message ?? outcome}`);
}

function printReport(context: CommandContext, report: BackupAllReport): void {
  const { printer } = context;
  const { sites, done, warned, failed, pruned, durationMs } = report;
  for (const { site, warnings } of sites) for (const warning of warnings) printer.warn(`${site}: ${warning}`);
  if (warned > 0) context.exitCode = EXIT.warnings;
  if (failed > 0) context.exitCode = EXIT.failed;
  const rows = sites.map(({ site, outcome, backup, bytes, durationMs: tookMs, warnings, error }) => [
    site,
    outcome,
    backup ?? '',
    bytes === null ? '' : bytesText(bytes),
    tookMs === null ? '' : durationText(tookMs),
    warnings.length === 0 ? '' : String(warnings.length),
    error === null ? '' : `${error.code}: ${error.message}`,
  ]);
  const counts = [
    `${done} backed up`,
    `${warned} of them with warnings or not pruned`,
    `${failed} failed`,
    `${pruned} old ones deleted`,
  ];
  printer.result(report, [
    ...printer.table(['Site', 'Outcome', 'Backup', 'Size', 'Time', 'Warnings', 'Error'], rows),
    `${counts.join(', ')}, in ${durationText(durationMs)}`,
  ]);
}
