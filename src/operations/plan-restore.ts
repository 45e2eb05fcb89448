import type { KedgeClient } from '../client';
import type { BackupRecord } from '../contract/backup-record';
import type { RestorePlan } from '../contract/documents';
import { KedgeError } from '../contract/errors';
import { siteWorkflowId } from '../contract/names';
import { hooksSchema } from '../contract/target';
import type { Operation } from '../core/operation';
import { checkRestore } from '../core/preflight/check-restore';
import type { PreflightParts } from '../core/preflight/parts';
import { checkFence } from '../core/preflight/fence';
import { readDurations } from '../core/queries/durations';
import { type ProvingParts, proveBackup } from '../core/proofs/prove-backup';
import { planRestore as planSteps } from '../core/queries/restore-plan';
import type { Parts } from './parts';

/** What the plan needs besides the parts of a preflight. */
type PlanningParts = 'catalog' | 'journals' | 'logs' | 'proofs' | 'redact' | 'resolveTarget';

/** As the restore itself would be asked for. */
export interface RestoreChoices {
  /** The writes of an account that other sites share are to be fenced all the same, or nothing is done. */
  readonly fence: boolean;
  /** Files besides the settings may hold the login. */
  readonly leaveLogins: boolean;
  readonly waitTurn: boolean;
  readonly replaceText: boolean;
}

/**
 * Makes the checks of a restore's preflight here, without a worker, and says what the restore would do. Fails as the
 * restore would: busy site, Temporal away, damaged backup, no room. What is warned of stands in the plan.
 * @throws KedgeError for whatever would stop the restore; the site is unchanged
 */
export async function planRestore(
  parts: Pick<Parts, keyof PreflightParts | keyof ProvingParts | PlanningParts>,
  client: KedgeClient,
  record: BackupRecord,
  { fence, leaveLogins, waitTurn, replaceText }: RestoreChoices,
  plain: Operation,
): Promise<RestorePlan> {
  const { site, id } = record;
  const warnings: string[] = [];
  const { whoRuns } = await import('../temporal/running.js');
  const busy = await client.temporal.withAbortSignal(plain.signal, () =>
    whoRuns(client.temporal, siteWorkflowId(site)),
  );
  if (busy !== null) {
    const who = `${site} is busy: ${busy.task} by ${busy.who} since ${busy.since}`;
    if (!waitTurn) throw new KedgeError('SiteBusy', who, { site });
    warnings.push(`${who}; the restore would wait for its turn`);
  }
  const operation: Operation = {
    ...plain,
    log: { ...plain.log, warn: (message) => void warnings.push(parts.redact(message, site)) },
  };
  const resolved = await parts.resolveTarget(site);
  const asked = { backup: id, noFence: !fence, leaveLogins, replaceText };
  const checked = await checkRestore(parts, resolved, asked, operation, () => Promise.resolve());
  const { target, bytes, source, needs, setAside } = checked;
  const atWork = parts.siteAtWork(target);
  const { current } = await parts.states.get(site);
  if (!fence) {
    const server = await atWork.databaseServer(operation.signal);
    await checkFence(server, target, current, { allowShared: true }, operation);
  }
  const proofs = await parts.proofs();
  if (proofs) {
    const backup = { record, path: source.source.path, dump: source };
    const notTried = await proveBackup(parts, proofs, atWork, current, backup, operation);
    if (notTried !== null) operation.log.warn(notTried);
  }

  const newest = (await parts.catalog.list(site)).backups[0] ?? record;
  const durations = await readDurations(parts.logs, await parts.journals.all(), site, 'restore');
  return {
    site,
    backup: id,
    dryRun: true,
    ...planSteps(
      {
        archive: record.bytes,
        dump: source.dumpBytes,
        safetyArchive: setAside.files === null ? newest.bytes : 0,
        safetyDump: setAside.database !== null ? 0 : newest.dumpBytes === 0 ? bytes.database : newest.dumpBytes,
      },
      durations,
    ),
    hooks: hooksSchema.keyof().options.filter((name) => target.hooks[name] !== undefined),
    space: needs.map(({ place, path, bytes }) => ({ place, path, bytes })),
    warnings,
  };
}
