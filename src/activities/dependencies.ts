import type { Delivery } from '../contract/notices';
import type { StepPause } from '../contract/step-pause';
import type { Target } from '../contract/target';
import type { BackupAllInput, PlannedBackups } from '../contract/fleet';
import type { Busy, RunState, TaskOutcome } from '../contract/tasks';
import type { Archives } from '../core/archive/archive';
import type { Catalog } from '../core/catalog/catalog';
import type { Delivered } from '../core/notices/deliver';
import type { Operation } from '../core/operation';
import type { RequestAuthority } from '../core/requests/request-authority';
import type { MasterHost } from '../core/hosts/master-host';
import type { KeepRule } from '../core/retention/retention';
import type { SiteAtWork } from '../core/sites/site-at-work';
import type { Mirrors } from '../core/sync/mirrors';
import type { Journals } from '../core/tasks/journals';
import type { Leases } from '../core/tasks/leases';
import type { Epochs } from '../core/tasks/epochs';
import type { Proofs } from '../core/proofs/proofs';
import type { SiteLocks } from '../core/tasks/site-locks';
import type { SiteStates } from '../core/tasks/site-state';
import type { TaskLogs } from '../core/tasks/task-log';
import type { Attempts } from './attempts';

/** Everything activities act through. Built in one place: src/worker.ts; tests build it with real or fake parts. */
export interface ActivityDependencies {
  readonly master: MasterHost;
  readonly journals: Journals;
  readonly states: SiteStates;
  readonly epochs: Epochs;
  readonly locks: SiteLocks;
  readonly leases: Leases;
  readonly requests: RequestAuthority;
  readonly logs: TaskLogs;
  readonly notices: {
    /** @throws KedgeError as `deliver` of core */
    deliver(delivery: Delivery, operation: Operation): Promise<Delivered>;
  };
  /** Those of this worker. */
  readonly attempts: Attempts;
  readonly archives: Archives;
  /** Of sites whose files are elsewhere. */
  readonly mirrors: Mirrors;
  /** The backups there are where the configuration has them now. */
  currentCatalog(): Promise<Catalog>;
  /** Where a task has them: what is changed in the configuration meanwhile holds for the next one. */
  catalogOf(target: Target): Catalog;
  /** `site`: whose text it is; null or left out where that cannot be told. */
  redact<T>(value: T, site?: string | null): T;
  /** Reads the configuration anew. @throws KedgeError ConfigurationInvalid, SiteUnknown */
  resolveTarget(site: string): Promise<Target>;
  siteAtWork(target: Target): SiteAtWork;
  /**
   * All that is to be backed up, by the configuration of the moment. `began`: the sites were told before, and those that are gone since are
   * left out. @throws KedgeError ConfigurationInvalid, ConfigurationChanged, SiteUnknown
   */
  backupRun(input: BackupAllInput, began: boolean): Promise<Omit<PlannedBackups, 'more'>>;
  /** What is kept of the backups of a site; null where nothing says. @throws KedgeError ConfigurationInvalid, SiteUnknown */
  keepRuleOf(site: string): Promise<KeepRule | null>;
  /** Looks, without being waited for, for what a closed task left. */
  afterTask(task: string): void;
  runStateOf(workflowId: string, runId: string): Promise<RunState>;
  /** How a run of a task on a site has ended; null while it goes on. */
  outcomeOf(site: string, runId: string): Promise<TaskOutcome | null>;
  /** Who paused an activity of a run; null where nobody did, or where that cannot be told now. */
  pauseOf(workflowId: string, runId: string, activityId: string): Promise<StepPause | null>;
  /** Who runs under a workflow ID now; null when nobody does. */
  whoRuns(workflowId: string): Promise<Busy | null>;
  /** What servers said to the definitions of backups; null where backups are not to be proved now. */
  proofs(): Promise<Proofs | null>;
  /** How long undo may fail before it asks for attention, ms. */
  readonly attentionAfterMs: number;
}
