import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { siteOfTask, taskTime } from '../../contract/names';
import type { StepName } from '../../contract/steps';
import { type BootMoment, bootMomentSchema, bootNow } from '../clock';
import { withFileLock } from '../hosts/file-lock';
import type { MasterHost } from '../hosts/master-host';
import { type FolderWatch, watchFolder } from '../hosts/watch-folder';
import { type Caller, assertCommit, assertForward, assertNextStep, assertOwn } from './authority';
import { JOURNAL, type Journal, newJournal } from './journal';
import { decode, isUnreadable } from './state-file';
import { thisProcess } from './worker-process';

/** What begins a task. */
export type NewTask = Pick<
  Journal,
  'task' | 'site' | 'type' | 'who' | 'description' | 'requestKey' | 'workflowId' | 'runId' | 'epoch' | 'accepted'
> &
  Partial<Pick<Journal, 'nonce'>>;

type Change = Partial<Journal> | ((journal: Journal) => Partial<Journal>);

/** An attempt of a forward step that may write to the journal, until another attempt, another run or undo takes over. */
export interface BegunStep {
  /** As it was when the step began. */
  readonly journal: Journal;
  /** Nobody else's. */
  readonly attempt: string;
  /** @throws KedgeError TaskWasReset, TaskSuperseded */
  record(change: Change): Promise<Journal>;
  /** Sees to it that nobody took over. @throws KedgeError TaskWasReset, TaskSuperseded */
  check(): Promise<void>;
  /** Notes that the step is done: the next one may begin. @throws KedgeError TaskWasReset, TaskSuperseded */
  end(): Promise<void>;
}

/**
 * The journals in `<state>/tasks/`. Every change is read, made and written as one, in turn among all processes, durably.
 * A task that is not closed has an empty file in `<state>/open/`, so that finding the open ones does not read them all.
 */
export class Journals {
  constructor(
    private readonly tasksFolder: string,
    private readonly openFolder: string,
    private readonly host: MasterHost,
    /** Null: no site chose it. */
    private readonly onSecret: (secret: string, site: string | null) => void,
  ) {}

  /**
   * Begins the journal of a task; a repeated call of the same run finds its own. A site has one open journal at a time.
   * @throws KedgeError TaskWasReset when another run has begun it, StepRefused for a task of another kind, SiteBusy
   */
  async begin(task: NewTask): Promise<Journal> {
    return this.alone(task.task, async () => {
      const existing = await this.find(task.task);
      if (existing) {
        assertOwn(existing, task);
        assertSame(existing, task);
        return existing;
      }
      const [other] = await this.open(task.site);
      if (other) {
        const { site, who, started } = other;
        throw new KedgeError('SiteBusy', `${site} is busy: ${other.task} by ${who} since ${started}`, { site });
      }
      await this.host.makeFolder(this.openFolder, { mode: 0o700 });
      await this.host.writeFile(join(this.openFolder, task.task), JSON.stringify(bootNow()), { mode: 0o600 });
      const journal = newJournal({ ...task, token: newToken(), started: new Date().toISOString() });
      await this.write(journal);
      return journal;
    });
  }

  /** Whether a task was begun and not closed, as far as that is known without reading its journal. */
  async isOpen(task: string): Promise<boolean> {
    return isTaskName(task) && (await this.host.status(join(this.openFolder, task))) !== undefined;
  }

  /** @throws KedgeError StateInvalid, NewerVersion */
  async find(task: string): Promise<Journal | undefined> {
    const path = this.pathOf(task);
    if ((await this.host.status(path)) === undefined) return undefined;
    const text = (await this.host.readFile(path, MAXIMUM_JOURNAL_BYTES)).toString('utf8');
    const journal = decode(JOURNAL, text, path);
    const { before, created, site } = journal;
    if (before?.password) this.onSecret(before.password, before.madeByKedge ? null : site);
    if (created?.password) this.onSecret(created.password, null);
    return journal;
  }

  /** @throws KedgeError TaskUnknown */
  async get(task: string): Promise<Journal> {
    const journal = await this.find(task);
    if (!journal) throw new KedgeError('TaskUnknown', `there is no task ${task}`);
    return journal;
  }

  /**
   * Begins a step of a task, or begins it again: then an attempt before it can write no more.
   * @throws KedgeError TaskWasReset for another run, TaskSuperseded when undo has begun, StepRefused when it is not next,
   * WorkflowIdRefused
   */
  async beginStep(task: string, caller: Caller, step: StepName): Promise<BegunStep> {
    const attempt = randomBytes(6).toString('hex');
    const worker = await thisProcess();
    const journal = await this.change(
      task,
      ({ steps }) => ({ step, worker, steps: steps && { ...steps, [step]: { attempt, done: false } } }),
      (current) => {
        assertOwn(current, caller);
        assertForward(current);
        assertNextStep(current, step);
      },
    );
    const assertMine = (current: Journal): void => {
      assertOwn(current, caller);
      assertForward(current);
      if (current.steps === null || current.steps[step]?.attempt === attempt) return;
      throw new KedgeError('TaskSuperseded', `a later attempt of ${step} of ${task} took over`, { site: current.site });
    };
    return {
      journal,
      attempt,
      record: (change) => this.change(task, change, assertMine),
      check: async () => assertMine(await this.get(task)),
      end: async () => {
        const done = ({ steps }: Journal): Partial<Journal> => ({
          steps: steps && { ...steps, [step]: { attempt, done: true } },
        });
        await this.change(task, done, assertMine);
      },
    };
  }

  /**
   * The commit point. From here no forward step and no undo writes here any more.
   * @throws KedgeError TaskWasReset, TaskSuperseded, StepRefused, WorkflowIdRefused
   */
  async commit(task: string, caller: Caller): Promise<Journal> {
    return this.change(task, { committed: true }, (journal) => assertCommit(journal, caller));
  }

  /**
   * From here no forward step may begin or write any more. Undefined when nothing may be undone: the task is closed, or
   * committed, or never came to have a target.
   */
  async beginUndo(task: string): Promise<Journal | undefined> {
    const known = await this.find(task);
    if (!known || !mayBeUndone(known)) return undefined;
    const worker = await thisProcess();
    const journal = await this.change(
      task,
      (current) => (mayBeUndone(current) ? { undoing: true, worker } : {}),
      () => undefined,
    );
    return mayBeUndone(journal) ? journal : undefined;
  }

  /**
   * Changes a journal on behalf of an undo or of what follows the commit point, which nothing stops before the task is closed.
   * @throws KedgeError TaskSuperseded
   */
  async recordUndo(task: string, change: Change): Promise<Journal> {
    return this.change(task, change, ({ outcome, site }) => {
      if (outcome !== null) throw new KedgeError('TaskSuperseded', `task ${task} is closed by now`, { site });
    });
  }

  /**
   * Writes the outcome; the task is no longer open. A closed journal keeps its outcome, and no password. `assert` is asked
   * about an open one.
   */
  async close(
    task: string,
    outcome: NonNullable<Journal['outcome']>,
    assert: (journal: Journal) => void = () => undefined,
  ): Promise<void> {
    await this.change(
      task,
      ({ outcome: known, before, created }) => ({
        outcome: known ?? outcome,
        before: before && { ...before, password: '' },
        created: created && { ...created, password: '' },
      }),
      (journal) => {
        if (journal.outcome === null) assert(journal);
      },
    );
    await this.host.removeFile(join(this.openFolder, task));
  }

  /**
   * Tasks that were begun and not closed, oldest name first; of one site or of all. Of all, those whose journal cannot be
   * read are passed over, so that one stops nothing on other sites: {@link unreadable} names them.
   * @throws KedgeError StateInvalid, NewerVersion for a journal of the one site that cannot be read
   */
  async open(site?: string): Promise<Journal[]> {
    const journals: Journal[] = [];
    for (const task of await this.openTasks()) {
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

  /** Ids of the tasks that were begun and not closed, by their markers alone: no journal is read. */
  async openTasks(): Promise<string[]> {
    return (await this.host.list(this.openFolder)).filter(isTaskName);
  }

  /** Calls `changed` with the id of each task that is begun or closed, by whichever process, more than once perhaps. */
  async watchOpen(changed: (task: string) => void): Promise<FolderWatch> {
    await this.host.makeFolder(this.openFolder, { mode: 0o700 });
    return watchFolder(this.openFolder, (name) => {
      if (isTaskName(name)) changed(name);
    });
  }

  /** Tasks that were begun and not closed, and of which nobody knows more: why their journals cannot be read. */
  async unreadable(): Promise<ReadonlyMap<string, KedgeError>> {
    const found = new Map<string, KedgeError>();
    for (const task of await this.openTasks())
      await this.find(task).catch((error: unknown) => {
        if (!isUnreadable(error)) throw error;
        found.set(task, error);
      });
    return found;
  }

  /**
   * The marker is written first: a crash in between leaves one without a journal, and nothing was done under it. A fresh
   * one may be that of a task which another process begins at this moment.
   */
  private async removeLeftMarker(task: string): Promise<void> {
    const marker = join(this.openFolder, task);
    const status = await this.host.status(marker);
    if (!status) return;
    const begun = markerMoment(await this.host.readFile(marker, MAXIMUM_MARKER_BYTES).catch(() => Buffer.of()));
    const now = bootNow();
    const ageMs =
      begun === null ? Date.now() - status.modifiedMs : begun.boot === now.boot ? now.ms - begun.ms : Infinity;
    if (ageMs > LEFTOVER_AFTER_MS) await this.host.removeFile(marker);
  }

  /** Ids of every task of this master, oldest first. */
  async all(): Promise<string[]> {
    const names = await this.host.list(this.tasksFolder);
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .filter(isTaskName);
  }

  /** The id of a site's newest task, by the time that ids have; null where there is none. */
  async newestTask(site: string): Promise<string | null> {
    return (
      (await this.all())
        .filter((task) => siteOfTask(task) === site)
        .sort(byTime)
        .at(-1) ?? null
    );
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
    await this.alone(task, async () => {
      const journal = await this.find(task);
      if (!journal) return;
      if (journal.outcome === null) throw new KedgeError('Internal', `task ${task} is open and cannot be forgotten`);
      await this.host.removeFile(this.pathOf(task));
    });
  }

  private async change(task: string, change: Change, assert: (journal: Journal) => void): Promise<Journal> {
    return this.alone(task, async () => {
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

  /**
   * Journals of one site are changed one after the other, by all processes of the master: parallel steps of a task, which
   * may run in several workers, and tasks that begin at once.
   */
  private async alone<T>(task: string, work: () => Promise<T>): Promise<T> {
    this.pathOf(task);
    return withFileLock(join(this.tasksFolder, `.${siteOfTask(task) ?? task}.lock`), this.host, work);
  }

  private pathOf(task: string): string {
    if (!isTaskName(task)) throw new KedgeError('TaskUnknown', `${JSON.stringify(task)} is no task id`);
    return join(this.tasksFolder, `${task}.json`);
  }
}

/** False when nothing may be undone: the task is closed, or committed, or never came to have a target. */
export function mayBeUndone({ target, outcome, committed }: Journal): boolean {
  return target !== null && outcome === null && !committed;
}

/** Beside journals and markers lie unfinished files of a crash. */
function isTaskName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*$/.test(name);
}

/** By its name: what it says itself is known once it was read. */
function mayBeOf(task: string, site: string): boolean {
  return task.startsWith(`${site}-`) && (siteOfTask(task) ?? site) === site;
}

/** Ids carry the time of their submission. */
function byTime(a: string, b: string): number {
  return (taskTime(a) ?? '').localeCompare(taskTime(b) ?? '') || a.localeCompare(b);
}

/** When a marker was written, by the clock that nobody sets; null for one of an older Kedge. */
function markerMoment(content: Buffer): BootMoment | null {
  try {
    return bootMomentSchema.parse(JSON.parse(content.toString('utf8')));
  } catch {
    return null;
  }
}

/** No task takes nearly as long from its marker to its journal. */
const LEFTOVER_AFTER_MS = 10 * 60_000;

const MAXIMUM_MARKER_BYTES = 4096;

/** Journals hold the outcome's warnings, which may be many; a torn or foreign file is not read into memory. */
const MAXIMUM_JOURNAL_BYTES = 16 * 1024 * 1024;

/** A task is begun once, and stays what it is. @throws KedgeError StepRefused */
function assertSame(existing: Journal, { site, type }: NewTask): void {
  if (existing.site === site && existing.type === type) return;
  throw new KedgeError('StepRefused', `${existing.task} is a ${existing.type} of ${existing.site} already`, { site });
}

function newToken(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(10, '0')
    .slice(-10);
}
