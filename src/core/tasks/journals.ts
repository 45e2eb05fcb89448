import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { siteOfTask, taskTime } from '../../contract/names';
import type { Host } from '../hosts/host';
import { type Journal, journalSchema, newJournal } from './journal';
import { decode } from './state-file';

/** What begins a task. */
export type NewTask = Pick<
  Journal,
  'task' | 'site' | 'type' | 'who' | 'description' | 'requestKey' | 'workflowId' | 'runId' | 'epoch'
> &
  Partial<Pick<Journal, 'nonce'>>;

/**
 * The journals in `<state>/tasks/`. Every change is read, made and written as one, in turn within this process, durably.
 * A task that is not closed has an empty file in `<state>/open/`, so that finding the open ones does not read them all.
 */
export class Journals {
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly tasksFolder: string,
    private readonly openFolder: string,
    private readonly host: Host,
    private readonly onSecret: (secret: string) => void,
  ) {}

  /**
   * Begins the journal of a task; a repeated call of the same run finds its own.
   * @throws KedgeError TaskWasReset when another run has begun it
   */
  async begin(task: NewTask): Promise<Journal> {
    return this.inTurn(task.task, async () => {
      const existing = await this.find(task.task);
      if (existing) {
        assertRun(existing, task.runId);
        return existing;
      }
      await this.host.makeFolder(this.tasksFolder, { mode: 0o700 });
      await this.host.makeFolder(this.openFolder, { mode: 0o700 });
      await this.host.writeFile(join(this.openFolder, task.task), '', { mode: 0o600 });
      const journal = newJournal({ ...task, token: newToken(), started: new Date().toISOString() });
      await this.write(journal);
      return journal;
    });
  }

  async find(task: string): Promise<Journal | undefined> {
    const path = this.pathOf(task);
    if ((await this.host.status(path)) === undefined) return undefined;
    const journal = decode(
      journalSchema,
      (await this.host.readFile(path, MAXIMUM_JOURNAL_BYTES)).toString('utf8'),
      path,
    );
    for (const secret of [journal.before?.password, journal.created?.password]) if (secret) this.onSecret(secret);
    return journal;
  }

  /** @throws KedgeError TaskUnknown */
  async get(task: string): Promise<Journal> {
    const journal = await this.find(task);
    if (!journal) throw new KedgeError('TaskUnknown', `there is no task ${task}`);
    return journal;
  }

  /**
   * Changes a journal on behalf of a forward step.
   * @throws KedgeError TaskWasReset when another run has taken over, TaskSuperseded when undo has begun
   */
  async record(
    task: string,
    runId: string,
    change: Partial<Journal> | ((journal: Journal) => Partial<Journal>),
  ): Promise<Journal> {
    return this.change(task, change, (journal) => {
      assertRun(journal, runId);
      assertForward(journal);
    });
  }

  /** Changes a journal on behalf of an undo or of closing it, which nothing stops. */
  async recordUndo(
    task: string,
    change: Partial<Journal> | ((journal: Journal) => Partial<Journal>),
  ): Promise<Journal> {
    return this.change(task, change, () => undefined);
  }

  /** Writes the outcome; the task is no longer open. A closed journal keeps its outcome, and no password. */
  async close(task: string, outcome: NonNullable<Journal['outcome']>): Promise<void> {
    await this.change(
      task,
      ({ outcome: known, before, created }) => ({
        outcome: known ?? outcome,
        before: before && { ...before, password: '' },
        created: created && { ...created, password: '' },
      }),
      () => undefined,
    );
    await this.host.removeFile(join(this.openFolder, task));
  }

  /**
   * Tasks that were begun and not closed, oldest name first; of one site or of all. Of all, those whose journal cannot be
   * read are passed over, so that one stops nothing on other sites; the sweeper and doctor
   * name them.
   * @throws KedgeError StateInvalid for a journal of the one site that cannot be read
   */
  async open(site?: string): Promise<Journal[]> {
    const journals: Journal[] = [];
    for (const task of (await this.host.list(this.openFolder)).filter(isTaskName)) {
      if (site !== undefined && !mayBeOf(task, site)) continue;
      const journal = await this.find(task).catch((error: unknown) => {
        if (site !== undefined || !isUnreadable(error)) throw error;
        return null;
      });
      if (journal === null) continue;
      if (!journal) await this.removeLeftMarker(task);
      // A crash between the outcome and the removal of the marker.
      else if (journal.outcome !== null) await this.host.removeFile(join(this.openFolder, task));
      else if (site === undefined || journal.site === site) journals.push(journal);
    }
    return journals;
  }

  /**
   * The marker is written first: a crash in between leaves one without a journal, and nothing was done under it. A fresh
   * one may be that of a task which another process begins at this moment.
   */
  private async removeLeftMarker(task: string): Promise<void> {
    const marker = join(this.openFolder, task);
    const status = await this.host.status(marker);
    if (status && status.modifiedMs < Date.now() - LEFT_BEHIND_MS) await this.host.removeFile(marker);
  }

  /** Ids of every task of this master, oldest first. */
  async all(): Promise<string[]> {
    const names = await this.host.list(this.tasksFolder);
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .filter(isTaskName);
  }

  /**
   * Journals of the tasks submitted last, newest first; of one site or of all. Reads no more than these; those that cannot
   * be read are passed over.
   */
  async newest(limit: number, site?: string): Promise<Journal[]> {
    const ids = (await this.all()).filter((task) => site === undefined || siteOfTask(task) === site);
    const journals: Journal[] = [];
    for (const task of ids.sort(byTime).reverse()) {
      if (journals.length === limit) break;
      const journal = await this.find(task).catch((error: unknown) => {
        if (!isUnreadable(error)) throw error;
        return null;
      });
      if (journal && (site === undefined || journal.site === site)) journals.push(journal);
    }
    return journals;
  }

  /** Forgets a task that is closed. @throws KedgeError Internal for an open one */
  async remove(task: string): Promise<void> {
    await this.inTurn(task, async () => {
      const journal = await this.find(task);
      if (!journal) return;
      if (journal.outcome === null) throw new KedgeError('Internal', `task ${task} is open and cannot be forgotten`);
      await this.host.removeFile(this.pathOf(task));
    });
  }

  private async change(
    task: string,
    change: Partial<Journal> | ((journal: Journal) => Partial<Journal>),
    assert: (journal: Journal) => void,
  ): Promise<Journal> {
    return this.inTurn(task, async () => {
      const journal = await this.get(task);
      assert(journal);
      const next = { ...journal, ...(typeof change === 'function' ? change(journal) : change) };
      await this.write(next);
      return next;
    });
  }

  private async write(journal: Journal): Promise<void> {
    await this.host.writeFile(this.pathOf(journal.task), `${JSON.stringify(journal, null, 2)}\n`, { mode: 0o600 });
  }

  /** Parallel steps of one task change its journal one after the other. */
  private async inTurn<T>(task: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(task) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => undefined);
    this.turns.set(task, settled);
    void settled.then(() => {
      if (this.turns.get(task) === settled) this.turns.delete(task);
    });
    return mine;
  }

  private pathOf(task: string): string {
    if (!isTaskName(task)) throw new KedgeError('TaskUnknown', `${JSON.stringify(task)} is no task id`);
    return join(this.tasksFolder, `${task}.json`);
  }
}

/** Beside journals and markers lie unfinished files of a crash. */
function isTaskName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*$/.test(name);
}

/** By its name: what it says itself is known once it was read. */
function mayBeOf(task: string, site: string): boolean {
  return task.startsWith(`${site}-`) && (siteOfTask(task) ?? site) === site;
}

/** A file that is no journal of this version, or was cut by a disk that failed. */
function isUnreadable(error: unknown): error is KedgeError {
  return isKedgeError(error) && (error.code === 'StateInvalid' || error.code === 'FileRefused');
}

/** Ids carry the time of their submission. */
function byTime(a: string, b: string): number {
  return (taskTime(a) ?? '').localeCompare(taskTime(b) ?? '') || a.localeCompare(b);
}

/** No task takes nearly as long from its marker to its journal. */
const LEFT_BEHIND_MS = 10 * 60_000;

/** Journals hold the outcome's warnings, which may be many; a torn or foreign file is not read into memory. */
const MAXIMUM_JOURNAL_BYTES = 16 * 1024 * 1024;

/** @throws KedgeError TaskWasReset */
export function assertRun(journal: Journal, runId: string): void {
  if (journal.runId === runId && journal.outcome === null) return;
  throw new KedgeError('TaskWasReset', `task ${journal.task} belongs to run ${journal.runId}, not to ${runId}`, {
    site: journal.site,
  });
}

/** @throws KedgeError TaskSuperseded */
export function assertForward(journal: Journal): void {
  if (!journal.undoing) return;
  throw new KedgeError('TaskSuperseded', `task ${journal.task} is being undone`, { site: journal.site });
}

function newToken(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(10, '0')
    .slice(-10);
}
