import type { BackupRecord } from '../../contract/backup-record';
import type { RestorePlan } from '../../contract/documents';
import { KedgeError } from '../../contract/errors';
import { siteWorkflowId } from '../../contract/names';
import { hooksSchema } from '../../contract/target';
import type { Progress } from '../../contract/tasks';
import {
  examineBackup,
  examineFence,
  examineLogins,
  examineMaintenance,
  examineSite,
  seenSite,
  withAddresses,
  withUnproven,
} from '../../core/tasks/examination';
import { examineAccounts } from '../../core/tasks/examine-accounts';
import { readDurations } from '../../core/tasks/durations';
import { proveBackup } from '../../core/tasks/prove-backup';
import { planRestore } from '../../core/tasks/restore-plan';
import { checkQuotas } from '../../core/tasks/quota';
import { roomForSafetyBackup, sentencesOf } from '../../core/tasks/safety-room';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import { backupLabel } from '../render/backup-label';
import { bytesText, durationText, progressText } from '../render/units';

/**
 * Makes the checks of a restore's preflight here, without a worker, and says what the restore would do. Ends as the
 * restore would where it would fail: busy site, Temporal away, damaged backup, no room.
 */
export async function tellRestore(
  context: CommandContext,
  record: BackupRecord,
  {
    fence,
    yes = false,
    waitTurn = false,
    replaceText = false,
  }: { fence: boolean; yes?: boolean; waitTurn?: boolean; replaceText?: boolean },
): Promise<void> {
  const { printer } = context;
  const { site, id } = record;
  const warnings: string[] = [];
  const client = await context.client();
  const { whoRuns } = await import('../../temporal/running.js');
  const busy = await whoRuns(client.temporal, siteWorkflowId(site));
  if (busy !== null) {
    const who = `${site} is busy: ${busy.task} by ${busy.who} since ${busy.since}`;
    if (!waitTurn) throw new KedgeError('SiteBusy', who, { site });
    warnings.push(`${who}; the restore would wait for its turn`);
  }
  const master = await context.master();
  const plain = commandOperation(context, `dry-run-${site}`);
  const operation = {
    ...plain,
    progress: (progress: Progress) => printer.running(`checking ${progressText(progress)}`.trimEnd()),
    log: {
      ...plain.log,
      warn: (message: string) => void warnings.push(master.redact(message, record.site)),
    },
  };
  const state = await master.states.get(site);
  const served = await withUnproven(master, await master.resolveTarget(site), operation);
  const target = await withAddresses(master, served, operation);
  const { bytes } = await examineSite(master, target, state.current, { isSafety: true }, operation);
  await seenSite(master, target, operation);
  await examineMaintenance(master, target, operation);
  await examineLogins(master, target, state.current, { leave: yes }, operation);
  const examined = await examineBackup(master, target, id, operation, { mayBeReplaced: replaceText });
  const { needs: space, setAside } = await roomForSafetyBackup(master.master, target, bytes, examined.needs);
  for (const sentence of sentencesOf(setAside)) operation.log.warn(sentence);
  await checkQuotas(master.webHost(), space, site, operation);
  const server = await master.databaseServer(target.database, operation.signal);
  await examineFence(server, target, state.current, { allowShared: !fence }, operation);
  await examineAccounts(server, target, state.current, examined.elsewhere, operation);

  const proofs = await master.proofs();
  if (proofs) {
    const backup = { record, path: examined.source.path, dump: examined };
    const notTried = await proveBackup(master, proofs, target, state.current, backup, operation);
    if (notTried !== null) operation.log.warn(notTried);
  }

  const newest = (await master.catalog.list(site)).backups[0] ?? record;
  const durations = await readDurations(master.logs, await master.journals.all(), site, 'restore');
  const plan: RestorePlan = {
    site,
    backup: id,
    dryRun: true,
    ...planRestore(
      {
        archive: record.bytes,
        dump: examined.dumpBytes,
        safetyArchive: setAside.files === null ? newest.bytes : 0,
        safetyDump: setAside.database !== null ? 0 : newest.dumpBytes === 0 ? bytes.database : newest.dumpBytes,
      },
      durations,
    ),
    hooks: hooksSchema.keyof().options.filter((name) => target.hooks[name] !== undefined),
    space: space.map(({ place, path, bytes }) => ({ place, path, bytes })),
    warnings,
  };
  for (const warning of warnings) printer.warn(warning);
  if (warnings.length > 0) context.exitCode = EXIT.warnings;
  printer.result(plan, linesOf(context, plan, record));
}

function linesOf({ printer }: CommandContext, plan: RestorePlan, record: BackupRecord): string[] {
  const rough = plan.steps.filter(({ basis }) => basis === 'rough').length;
  const basis =
    rough === 0
      ? 'Times are expected from what earlier restores took.'
      : rough === plan.steps.length
        ? 'Times are rough: no earlier restore tells more.'
        : 'Times are expected from what earlier restores took; those with ~ are rough.';
  return [
    `Dry run: ${plan.site} would be restored to ${backupLabel(record)}. Nothing was changed.`,
    ...printer.table(
      ['Step', 'Size', 'Expected'],
      plan.steps.map(({ step, bytes, expectedMs, basis: from }) => [
        step,
        bytes === null ? '' : bytesText(bytes),
        `${from === 'rough' ? '~ ' : ''}${durationText(expectedMs)}`,
      ]),
    ),
    ...printer.table(
      ['Place', 'Needs', 'Folder'],
      plan.space.map(({ place, bytes, path }) => [place, bytesText(bytes), path]),
    ),
    ...(plan.hooks.length === 0 ? [] : [`Hooks that run too: ${plan.hooks.join(', ')}`]),
    `About ${durationText(plan.expectedMs)}, ${durationText(plan.expectedDowntimeMs)} of it in maintenance. ${basis}`,
  ];
}
