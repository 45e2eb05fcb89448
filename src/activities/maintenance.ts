import { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { findingsOf } from '../core/findings';
import type { Deadline } from '../core/flags/deadline';
import type { SiteAtWork } from '../core/sites/site-at-work';
import { raiseMaintenanceFile } from '../core/sites/maintenance-file';
import { checkFence } from '../core/preflight/fence';
import { assertFenceLifted, assertFinishing } from '../core/tasks/authority';
import type { Journal } from '../core/tasks/journal';
import {
  type TaskContext,
  type LockedTask,
  assertSwitchedBack,
  endMaintenance,
  unlockForGood,
} from '../core/recovery/give-back';
import { isLeftByTask } from '../core/recovery/left-maintenance';
import {
  type Maintenance,
  WATCHDOG_GRACE_MS,
  WORKFLOW_GRACE_MS,
  limitAfter,
  shutFor,
} from '../core/tasks/maintenance-limit';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { isShutElsewhere } from './journal-parts';
import { type TaskRef, type UndoStep, decodeTaskRef, finishingStep, forwardStep, undoStep } from './step';

/** A machine that loses its master opens the site a little later than the master would. */
function deadlineOf(maintenance: Maintenance, { kind, location }: SiteAtWork): Deadline {
  const leftMs = (shutFor({ maintenance }) ?? 0) + WATCHDOG_GRACE_MS;
  const { maintenanceFile: file } = kind;
  return { leftMs, ...(file === null ? {} : { application: { root: location.root, ...file } }) };
}

const fenceOptionsSchema = z.strictObject({ allowShared: z.boolean() });

/** Activities around the maintenance page and the write fence. */
export function createMaintenanceActivities(deps: ActivityDependencies) {
  /** The application shuts itself too, where it does so by a file. The page and the fence do not depend on it. */
  const shutApplication = async ({ site, operation }: Pick<TaskContext, 'site' | 'operation'>): Promise<void> => {
    const file = site.kind.maintenanceFile;
    if (!file) return;
    try {
      const raised = await raiseMaintenanceFile(site.folder, file, operation);
      if (!raised) operation.log.info(`${file.path} of ${site.uri} is there already and stays as it is`);
    } catch (error) {
      operation.signal.throwIfAborted();
      operation.log.info(`${file.path} of ${site.uri} cannot be written: ${String(error)}`);
    }
  };

  /** What a visitor began before the page came up is whole, and in the backup: nothing is answered and then lost. */
  const letRequestsEnd = async ({ site, operation }: Pick<TaskContext, 'site' | 'operation'>): Promise<void> => {
    const left = await site.webServer.awaitRequests(site.location, operation);
    if (left === 0) return;
    operation.log.warn(
      `PHP of ${site.uri} still worked on ${left} requests after ten seconds behind the maintenance page: what they write to files may be in no backup`,
    );
  };

  const lower = async (step: UndoStep, now: LockedTask): Promise<void> => {
    const { maintenance } = now.journal;
    if (!maintenance || maintenance.ended) return;
    await endMaintenance(now);
    await step.record({ maintenance: { ...maintenance, ended: new Date().toISOString() } });
  };

  return {
    /**
     * Puts the maintenance page up, sees it with a request of its own, and lets the requests end that passed before.
     * Remembers whether it was up before. What a task that is closed left up is nobody's, and becomes this one's.
     */
    async enterMaintenance(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { journal, site, operation, record, whileMine } = step;
        const { target, location, webServer: web } = site;
        const { uri, vhost, healthPath, unproven } = location;
        let maintenance = journal.maintenance ?? {
          foundOn: (await web.maintenanceIsOn(uri)) && !(await isLeftByTask(deps.journals, site)),
          ...limitAfter(target.maintenanceLimitMs),
          seen: null,
          ended: null,
        };
        await record({ maintenance });
        await whileMine(async () => {
          // The limit counts from the flag: nobody is kept waiting by what Kedge itself waited for until now. One that was
          // found, and is gone by now, is raised by this task, which takes it away again.
          if (!(await web.maintenanceIsOn(uri))) {
            maintenance = { ...maintenance, foundOn: false, ...limitAfter(target.maintenanceLimitMs) };
            await record({ maintenance });
          }
          const deadline = site.onMaster ? undefined : deadlineOf(maintenance, site);
          // What a task before this one left is this one's now, and for as long.
          if (deadline && !maintenance.foundOn) await web.renewMaintenance(uri, deadline, operation);
          await web.raiseMaintenance(uri, deadline);
          await shutApplication(step);
        });
        if (vhost === 'none') {
          operation.log.warn(`vhost of ${uri} is none: the web server shows no maintenance page`);
        } else if (unproven !== undefined) {
          operation.log.info(`the maintenance page of ${uri} was not asked for: ${unproven}`);
        } else {
          for (const { listen, answer } of await web.requestEverywhere(location, healthPath, operation)) {
            if (answer.status === 503 && answer.retryAfter !== null) continue;
            throw new KedgeError(
              'MaintenanceFailed',
              `${uri} answers ${answer.status} at ${listen.address}:${listen.port} although its maintenance flag is up`,
              {
                site: uri,
                server: target.web.name,
              },
            );
          }
        }
        await record({ maintenance: { ...maintenance, seen: maintenance.seen ?? new Date().toISOString() } });
        if (vhost !== 'none') await letRequestsEnd(step);
        return null;
      });
    },

    /**
     * How long the workflow may still let the steps of a task run with the site shut, by the clock of this machine, ms: 0
     * when they are to be ended. Null when the task keeps nobody out.
     */
    async maintenanceTimeLeft(ref: TaskRef): Promise<number | null> {
      const left = shutFor(await deps.journals.get(decodeTaskRef(ref).task));
      return left === null ? null : Math.max(0, left + WORKFLOW_GRACE_MS);
    },

    /** Undo of enterMaintenance: puts back what was found. */
    async leaveMaintenance(ref: TaskRef) {
      const isShut = ({ switched, maintenance }: Journal): boolean => switched || maintenance?.ended === null;
      return undoStep(deps, ref, isShut, async (step) => {
        await step.underLock(async (now) => {
          // Visitors are to find the site of before, and whole.
          await assertSwitchedBack(now);
          assertFenceLifted(now.journal);
          await lower(step, now);
        });
      });
    },

    /** After the commit point: the restored site is shown. Returns how long it was not, ms. */
    async endMaintenance(ref: TaskRef) {
      return finishingStep(deps, ref, { assert: assertFinishing, closed: 0 }, async (step) => {
        await step.underLock((now) => lower(step, now));
        const { maintenance } = await deps.journals.get(ref.task);
        if (!maintenance?.seen || !maintenance.ended) return 0;
        // The clock of the machine may have been set back meanwhile.
        return Math.max(0, new Date(maintenance.ended).getTime() - new Date(maintenance.seen).getTime());
      });
    },

    /** Locks the site's account, stops its events, ends its connections: no write falls between dump and switch. */
    async fenceWrites(ref: TaskRef, options: { allowShared: boolean }) {
      const asked = decodeInput(fenceOptionsSchema, options);
      return forwardStep(deps, ref, async ({ journal, site, operation, record, whileMine }) => {
        const { before, accepted } = journal;
        const allowShared = accepted ? accepted.noFence : asked.allowShared;
        if (!before) throw new KedgeError('SiteNotAdopted', `the database of ${site.uri} is not known`);
        // Visitors may be writing again.
        if (isShutElsewhere(journal, site)) await site.webServer.assertStillShut(site.uri);
        const server = await site.databaseServer(operation.signal);
        if (!(await checkFence(server, site.target, before, { allowShared }, operation))) return null;
        const fence = journal.fence ?? {
          ...mutable(await server.planFence(before.account, before.database)),
          lowered: false,
        };
        await record({ fence });
        await whileMine(async ({ signal, name }) => {
          await (await site.databaseServer(signal, name)).raiseFence(fence);
        });
        const others = await server.otherWriters(before.account, before.database);
        const unfenced = findingsOf(
          operation.log,
          `other accounts that may write to ${before.database}, and are not fenced`,
          others,
        );
        if (unfenced !== null) operation.log.warn(unfenced);
        return null;
      });
    },

    /** Undo of fenceWrites. */
    async liftFence(ref: TaskRef) {
      // Account and events are those of the database server.
      return undoStep(
        deps,
        ref,
        () => false,
        async (step) => {
          await step.underLock(async (now) => {
            await unlockForGood(deps.journals, now);
          });
        },
      );
    },
  };
}

function mutable(fence: {
  account: { user: string; hosts: readonly string[] };
  database: string;
  lockedBefore: readonly string[];
  eventPrivilegeAt: readonly string[];
}) {
  return {
    account: { user: fence.account.user, hosts: [...fence.account.hosts] },
    database: fence.database,
    lockedBefore: [...fence.lockedBefore],
    eventPrivilegeAt: [...fence.eventPrivilegeAt],
  };
}
