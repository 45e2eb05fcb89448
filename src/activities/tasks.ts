import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { backupIdSchema, isSafetyBackup, isUnproven } from '../contract/backup-record';
import { KedgeError, isKedgeError } from '../contract/errors';
import { type TaskType, WORKFLOW_TYPES, siteWorkflowId } from '../contract/names';
import { MAXIMUM_MESSAGE_BYTES, MAXIMUM_TEXT_BYTES, jsonBytes, shortened } from '../contract/payload-bounds';
import {
  type BackupSummary,
  type Busy,
  type ListBackupsResult,
  type TaskOutcome,
  TASK_INPUT_SCHEMAS,
  listBackupsInputSchema,
} from '../contract/tasks';
import type { Request } from '../core/requests/request-authority';
import { siteUriSchema } from '../contract/target';
import { assertClosable, assertCommit } from '../core/tasks/authority';
import type { Journal } from '../core/tasks/journal';
import type { SiteState } from '../core/tasks/site-state';
import { isUnreadable } from '../core/tasks/state-file';
import type { ActivityDependencies } from './dependencies';
import { decodeInput } from './decode-input';
import { createdDatabase, loginAddressOf } from './journal-parts';
import { type LogPage, LogPages, logPageSchema } from './log-pages';
import { tellWhatStaysShut } from './stays-shut';
import { type TaskRef, assertMayEnd, callerOf, decodeTaskRef, finishingStep } from './step';

const closingSchema = z.strictObject({
  status: z.enum(['done', 'failed', 'cancelled', 'recovered']),
  code: z.string().nullable(),
  message: z.string().nullable(),
  warnings: z.array(z.string()),
});
export type Closing = z.infer<typeof closingSchema>;

/** What closing a task tells its workflow. */
export interface Closed {
  /** Of itself: that the site of a task that ended well stays shut. */
  warnings: string[];
  /** The run that closed it; absent in results of a Kedge before. */
  runId?: string;
}

const ofSite = z.object({ site: siteUriSchema });
const ofBackup = z.object({ site: siteUriSchema, backup: backupIdSchema });
const ofRequest = z.object({ site: siteUriSchema, requestKey: z.string().max(200) });

const ofEndedTask = z.object({ site: siteUriSchema, task: z.string().max(300), runId: z.string().max(300).nullable() });

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
  const { type, input } = decodeInput(z.object({ type: z.enum(WORKFLOW_TYPES), input: z.unknown() }), asked);
  return { type, input: decodeInput(TASK_INPUT_SCHEMAS[type], input) };
}

/** Activities about tasks themselves. */
export function createTaskActivities(deps: ActivityDependencies) {
  const logPages = new LogPages(deps);

  return {
    /**
     * The commit point of a restore: from here there is only forward. The site's state names the new database.
     * @throws KedgeError TaskWasReset, TaskSuperseded, StepRefused as long as nothing is committed
     */
    async commitSwitch(ref: TaskRef) {
      const caller = callerOf();
      const mayCommit = (journal: Journal): void => assertCommit(journal, caller);
      return finishingStep(deps, ref, { assert: mayCommit, closed: null }, async ({ underLock }) => {
        await underLock(async ({ journal, site }) => {
          const { created, before } = journal;
          if (!created)
            throw new KedgeError('Internal', `${journal.task} has nothing to commit`, { site: journal.site });
          if (!journal.committed) {
            await deps.epochs.assertCurrent(journal);
            await deps.journals.commit(journal.task, caller);
          }
          const state = await deps.states.find(journal.site);
          const database = createdDatabase(created);
          if (state?.current.database === database) return;
          // The attempt that committed died before it saved this; what was adopted by hand since then stays.
          if (journal.committed && state !== undefined && state.current.database !== before?.database) return;
          const { account, password } = created;
          await deps.states.save({
            version: 1,
            site: journal.site,
            current: { database, account, password, address: loginAddressOf(journal, site.target), madeByKedge: true },
            kept: state === undefined ? [] : keptBy(state),
          });
        });
        return null;
      });
    },

    /**
     * The last thing of every task: its outcome is written, and it is open no more. Null for one that was closed before, or
     * never begun.
     * @throws KedgeError StepRefused as long as something of it is neither done nor undone
     */
    async closeTask(given: TaskRef, closing: Closing): Promise<Closed | null> {
      const { task } = decodeTaskRef(given);
      const { status, code, message, warnings } = decodeInput(closingSchema, closing);
      const journal = await deps.journals.find(task);
      if (!journal) return null;
      await assertMayEnd(deps, journal);
      if (journal.outcome !== null) return null;
      // Of a task that may not be closed yet the page and the fence are its own.
      assertClosable(journal, status);
      const shut = status === 'done' ? await tellWhatStaysShut(deps, journal) : [];
      const outcome = {
        status,
        code,
        message: message === null ? null : shortened(deps.redact(message, journal.site), MAXIMUM_MESSAGE_BYTES),
        warnings: [...warnings, ...shut],
        ended: new Date().toISOString(),
      };
      await deps.journals.close(task, outcome, (current) => assertClosable(current, status));
      const log = deps.logs.of(task, 'closeTask', 1);
      for (const warning of shut) log.warn(warning);
      if (message === null) log.info(status, { event: 'closed' });
      else log.error(`${status}: ${message}`);
      await log.settled();
      deps.afterTask(task);
      return { warnings: deps.redact(shut, journal.site), runId: callerOf().runId };
    },

    /** What the journal of a task says, that its workflow may not know. A task that never came to have one did nothing. */
    async readJournal(ref: TaskRef): Promise<JournalSummary> {
      const journal = await deps.journals.find(decodeTaskRef(ref).task);
      return {
        open: journal !== undefined && journal.outcome === null,
        committed: journal?.committed ?? false,
        safetyBackup: journal ? safetyBackupOf(journal) : null,
      };
    },

    /** Journals left open for a site, for recovery. */
    async listOpenTasks(request: { site: string }): Promise<string[]> {
      const { site } = decodeInput(ofSite, request);
      return (await deps.journals.open(site)).map((journal) => journal.task);
    },

    /** The task that a request key made before; null for a new key. */
    async findTaskOfRequest(request: { site: string; requestKey: string }): Promise<string | null> {
      const { site, requestKey } = decodeInput(ofRequest, request);
      for (const task of (await deps.journals.all()).reverse()) {
        if (!task.startsWith(`${site}-`)) continue;
        const journal = await deps.journals.find(task);
        if (journal?.requestKey === requestKey && journal.site === site) return task;
      }
      return null;
    },

    /** The newest of a site's tasks, by its id; null for a site that has none. */
    async findNewestTask(request: { site: string }): Promise<string | null> {
      const { site } = decodeInput(ofSite, request);
      return deps.journals.newestTask(site);
    },

    /** What a backup was made for, as its record says; null for one that is not there, or cannot be read. */
    async describeBackup(request: { site: string; backup: string }): Promise<string | null> {
      const { site, backup } = decodeInput(ofBackup, request);
      const catalog = await deps.currentCatalog();
      const record = await catalog.get(site, backup).catch((error: unknown) => {
        if (!isKedgeError(error)) throw error;
        return null;
      });
      return record === null ? null : shortened(record.description, MAXIMUM_TEXT_BYTES);
    },

    /**
     * How a task has ended; null while it goes on, or where nothing is known of it yet. `runId`: of its workflow, where that is known;
     * else its journal knows.
     */
    async findOutcome(request: { site: string; task: string; runId: string | null }): Promise<TaskOutcome | null> {
      const { site, task, runId } = decodeInput(ofEndedTask, request);
      const run = runId ?? (await deps.journals.find(task).catch(noneIfUnreadable))?.runId;
      return run === undefined ? null : deps.outcomeOf(site, run);
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
      const { site } = decodeInput(ofSite, request);
      const workflowId = siteWorkflowId(site);
      const running = await deps.whoRuns(workflowId);
      if (!running) return null;
      const open = (await readableOrNone(deps.journals.open(site))).at(-1);
      return open ? { task: open.task, type: open.type, who: open.who, since: open.started } : running;
    },

    /** A page of a site's backups, newest first: as many as were asked for, or as fit. */
    async listBackups(input: unknown): Promise<ListBackupsResult> {
      const request = decodeInput(listBackupsInputSchema, input);
      const catalog = await deps.currentCatalog();
      const { backups } = await catalog.list(request.site);
      const offset = request.offset ?? 0;
      const page: BackupSummary[] = [];
      let room = PAGE_BYTES;
      for (const record of backups.slice(offset, offset + (request.limit ?? 100))) {
        const { id, bytes, sha256, created, description } = record;
        const path = catalog.pathOf(record);
        const summary = {
          ...{ id, path, bytes, sha256, created, safety: isSafetyBackup(record) },
          ...(isUnproven(record) ? { unproven: true } : {}),
          description: shortened(description, MAXIMUM_TEXT_BYTES),
        };
        room -= jsonBytes(summary);
        if (room < 0) break;
        page.push(summary);
      }
      return { total: backups.length, backups: page };
    },

    /** Lines of a task's log from an offset on; waits for some where it is asked to. */
    async readTaskLog(request: { task: string; offset: number; waitMs?: number }): Promise<LogPage> {
      return logPages.read(decodeInput(logPageSchema, request), Context.current().cancellationSignal);
    },
  };
}

/** Of a site with a journal that cannot be read Temporal alone says who holds it. */
async function readableOrNone(journals: Promise<Journal[]>): Promise<Journal[]> {
  return journals.catch((error: unknown) => {
    if (!isUnreadable(error)) throw error;
    return [];
  });
}

function noneIfUnreadable(error: unknown): undefined {
  if (!isUnreadable(error)) throw error;
}

/** Bytes of a page of backups. */
const PAGE_BYTES = 64 * 1024;

/** What of a replaced database is remembered: nothing when Kedge made it, for it is dropped. */
function keptBy({ current, kept }: SiteState): SiteState['kept'] {
  const { database, account, address, madeByKedge } = current;
  return madeByKedge ? kept : [...kept, { database, account, address, since: new Date().toISOString() }];
}

function safetyBackupOf(journal: Journal): string | null {
  return journal.type === 'restore' && journal.backup?.published ? journal.backup.id : null;
}
