import { z } from 'zod';
import { KedgeError } from '../contract/errors';
import { type TaskType, WORKFLOW_TYPES, siteWorkflowId } from '../contract/names';
import { type Busy, type ListBackupsResult, TASK_INPUT_SCHEMAS, listBackupsInputSchema } from '../contract/tasks';
import type { Request } from '../core/requests/request-authority';
import type { Journal } from '../core/tasks/journal';
import type { SiteState } from '../core/tasks/site-state';
import type { ActivityDependencies } from './dependencies';
import { decodeInput } from './preflight';
import { createdDatabase, loginAddressOf } from './journal-parts';
import { type TaskRef, assertMine, finishingStep } from './step';

export interface Closing {
  status: 'done' | 'failed' | 'cancelled' | 'recovered';
  code: string | null;
  message: string | null;
  warnings: string[];
}

/** What decides how a task that did not end well is ended. */
export interface JournalSummary {
  /** It was begun and not closed. Of a closed one nothing is left to do, or its workflow was reset after it had ended. */
  open: boolean;
  /** It passed its commit point: there is only forward. */
  committed: boolean;
  /** The safety backup of a restore, once it is published. */
  safetyBackup: string | null;
}

/** A task that is asked for, as it came. */
export interface AskedRequest {
  type: TaskType;
  input: unknown;
}

/** @throws KedgeError InputInvalid */
function decodeRequest(asked: AskedRequest): Request {
  const type = decodeInput(z.enum(WORKFLOW_TYPES), asked.type);
  return { type, input: decodeInput(TASK_INPUT_SCHEMAS[type], asked.input) };
}

/** Activities about tasks themselves. */
export function createTaskActivities(deps: ActivityDependencies) {
  return {
    /**
     * The commit point of a restore: from here there is only forward. The site's state names the new database.
     * @throws KedgeError TaskWasReset, TaskSuperseded as long as nothing is committed
     */
    async commitSwitch(ref: TaskRef) {
      return finishingStep(deps, ref, async ({ journal, operation, record }) => {
        const { target, created } = journal;
        // The site has gone on since the task was closed.
        if (journal.outcome !== null) return null;
        if (!created || !target)
          throw new KedgeError('Internal', `${journal.task} has nothing to commit`, { site: journal.site });
        if (!journal.committed) {
          await deps.locks.hold(journal.site, operation, async () => {
            await assertMine(deps, ref);
            await record({ committed: true });
          });
        }
        const state = await deps.states.find(journal.site);
        const database = createdDatabase(created);
        if (state?.current.database === database) return null;
        const { account, password } = created;
        await deps.states.save({
          version: 1,
          site: journal.site,
          current: { database, account, password, address: loginAddressOf(journal, target), madeByKedge: true },
          kept: state === undefined ? [] : keptBy(state),
        });
        return null;
      });
    },

    /** The last thing of every task: its outcome is written, and it is open no more. */
    async closeTask(ref: TaskRef, closing: Closing): Promise<null> {
      const journal = await deps.journals.find(ref.task);
      if (!journal) return null;
      await deps.journals.close(ref.task, {
        ...closing,
        message: deps.redact(closing.message),
        ended: new Date().toISOString(),
      });
      const log = deps.logs.of(ref.task, 'closeTask', 1);
      if (closing.message === null) log.info(closing.status, { event: 'closed' });
      else log.error(`${closing.status}: ${closing.message}`);
      await log.settled();
      return null;
    },

    /** What the journal of a task says, that its workflow may not know. A task that never came to have one did nothing. */
    async readJournal(ref: TaskRef): Promise<JournalSummary> {
      const journal = await deps.journals.find(ref.task);
      return {
        open: journal !== undefined && journal.outcome === null,
        committed: journal?.committed ?? false,
        safetyBackup: journal ? safetyBackupOf(journal) : null,
      };
    },

    /** Journals left open for a site, for recovery. */
    async listOpenTasks(request: { site: string }): Promise<string[]> {
      return (await deps.journals.open(request.site)).map((journal) => journal.task);
    },

    /** The task that a request key made before; null for a new key. */
    async findTaskOfRequest(request: { site: string; requestKey: string }): Promise<string | null> {
      for (const task of (await deps.journals.all()).reverse()) {
        if (!task.startsWith(`${request.site}-`)) continue;
        const journal = await deps.journals.find(task);
        if (journal?.requestKey === request.requestKey && journal.site === request.site) return task;
      }
      return null;
    },

    /**
     * Keeps that a request which waits for its turn was submitted in time.
     * @throws KedgeError RequestUnsigned, SignatureInvalid, RequestExpired, RequestReplayed
     */
    async acceptTurn(request: AskedRequest): Promise<null> {
      await deps.requests.accept(decodeRequest(request));
      return null;
    },

    /** Uses up a signed request that comes to nothing. */
    async withdrawRequest(request: AskedRequest): Promise<null> {
      await deps.requests.withdraw(decodeRequest(request));
      return null;
    },

    /** Who holds a site that was found busy. */
    async whoHoldsSite(request: { site: string }): Promise<Busy | null> {
      const workflowId = siteWorkflowId(request.site);
      const running = await deps.whoRuns(workflowId);
      if (!running) return null;
      const open = (await deps.journals.open(request.site)).at(-1);
      return open ? { task: open.task, type: open.type, who: open.who, since: open.started } : running;
    },

    /** A page of a site's backups, newest first. */
    async listBackups(input: unknown): Promise<ListBackupsResult> {
      const request = decodeInput(listBackupsInputSchema, input);
      const { backups } = await deps.catalog.list(request.site);
      const offset = request.offset ?? 0;
      return {
        total: backups.length,
        backups: backups.slice(offset, offset + (request.limit ?? 100)).map((record) => ({
          id: record.id,
          path: deps.catalog.pathOf(record),
          bytes: record.bytes,
          sha256: record.sha256,
          created: record.created,
          description: record.description,
        })),
      };
    },

    /** Lines of a task's log from an offset on. */
    async readTaskLog(request: {
      task: string;
      offset: number;
    }): Promise<{ lines: object[]; next: number; ended: boolean }> {
      const journal = await deps.journals.get(request.task);
      const { lines, next } = await deps.logs.read(request.task, request.offset);
      return { lines, next, ended: journal.outcome !== null };
    },
  };
}

/** What of a replaced database is remembered: nothing when Kedge made it, for it is dropped. */
function keptBy({ current, kept }: SiteState): SiteState['kept'] {
  const { database, account, address, madeByKedge } = current;
  return madeByKedge ? kept : [...kept, { database, account, address }];
}

function safetyBackupOf(journal: Journal): string | null {
  return journal.type === 'restore' && journal.backup?.published ? journal.backup.id : null;
}
