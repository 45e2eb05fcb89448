import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { type PlannedBackups, backupAllInputSchema } from '../contract/fleet';
import { siteUriSchema } from '../contract/target';
import type { Operation } from '../core/operation';
import { planPrune, prune } from '../core/retention/prune';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { runningActivity } from './running-activity';

/** What crosses Temporal in one answer: a name has up to 253 bytes. */
const LARGEST_PAGE = 1000;

const planRequestSchema = z.strictObject({
  input: backupAllInputSchema,
  /** The last of the sites that were told before. */
  after: siteUriSchema.nullable(),
  limit: z.int().min(1).max(LARGEST_PAGE),
});
export type PlanRequest = z.infer<typeof planRequestSchema>;

const ofSite = z.strictObject({ site: siteUriSchema });

/** What became of pruning a site. */
export interface PrunedBackups {
  /** How many backups this attempt deleted. */
  deleted: number;
  /** Why others stay for now that no rule keeps; null where none does. */
  waits: string | null;
}

/** Activities of work on many sites. */
export function createFleetActivities(deps: ActivityDependencies) {
  return {
    /**
     * The next sites, and how they are backed up, as the configuration says it now.
     * @throws KedgeError ConfigurationInvalid, ConfigurationChanged, SiteUnknown where no site is meant
     */
    async planBackups(request: PlanRequest): Promise<PlannedBackups> {
      const { input, after, limit } = decodeInput(planRequestSchema, request);
      const { sites, ...how } = await deps.backupRun(input, after !== null);
      const coming = after === null ? sites : sites.filter((site) => site > after);
      return { ...how, sites: coming.slice(0, limit), more: coming.length > limit };
    },

    /**
     * Deletes the backups of a site that the rule of the configuration does not keep; without a rule none.
     * @throws KedgeError SiteUnknown, ConfigurationInvalid, RecordInvalid; those deleted before are gone
     */
    async pruneSite(request: { site: string }): Promise<PrunedBackups> {
      const { site } = decodeInput(ofSite, request);
      return whileBeating(`prune/${runningActivity()}`, async (operation) => {
        const rule = await deps.keepRuleOf(site);
        if (rule === null) return { deleted: 0, waits: null };
        const parts = { ...deps, catalog: await deps.currentCatalog() };
        const now = Date.now();
        const plan = await planPrune(parts, { site, rule }, now);
        if (plan.waits !== null) return { deleted: 0, waits: plan.waits };
        operation.signal.throwIfAborted();
        const { deleted, waits } = await prune(parts, plan, now, operation);
        return { deleted: deleted.length, waits };
      });
    },
  };
}

const HEARTBEAT_INTERVAL_MS = 1000;

/** Does work that belongs to no task and has no log; heartbeats until it is told to end. */
async function whileBeating<T>(mark: string, work: (operation: Operation) => Promise<T>): Promise<T> {
  const context = Context.current();
  const signal = context.cancellationSignal;
  const heartbeats = setInterval(() => {
    if (!signal.aborted) context.heartbeat();
  }, HEARTBEAT_INTERVAL_MS);
  const nowhere = (): void => undefined;
  try {
    return await work({ signal, mark, progress: nowhere, log: { info: nowhere, warn: nowhere } });
  } finally {
    clearInterval(heartbeats);
  }
}
