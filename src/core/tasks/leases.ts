import { readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type TaskType, taskTime } from '../../contract/names';
import { withFileLock } from '../hosts/file-lock';
import type { MasterHost } from '../hosts/master-host';
import type { Journal } from './journal';
import type { Journals } from './journals';

/** Heavy tasks that are limited together. What brings a site back never waits for what saves others. */
export type LeaseKind = 'backups' | 'restores';
/** How many tasks of each kind do their heavy steps at one time. */
export interface LeaseLimits extends Readonly<Record<LeaseKind, number>> {
  /** On one server that is another machine than the master, by its name. */
  readonly servers: Readonly<Record<string, number>>;
}

/** A task that asks for its lease. */
export interface LeaseRequest {
  readonly task: string;
  readonly kind: LeaseKind;
  /** The other machines that it works on, each once. */
  readonly servers: readonly string[];
}

/** What a task waits for. */
export interface LeaseWait {
  /** How many come before it. */
  readonly before: number;
  /** The server that lets no more on at one time; null where the master does not. */
  readonly server: string | null;
}

export interface LeaseParts {
  readonly master: MasterHost;
  readonly journals: Journals;
  /** Asked each time: what an administrator changes holds at once. */
  limits(): Promise<LeaseLimits>;
}

/** True while the workflow run of a task is open. */
export type Runs = (journal: Pick<Journal, 'workflowId' | 'runId'>) => Promise<boolean>;

/** The kind of lease that a type of task needs; null for one that is light. */
export function leaseKindOf(type: TaskType): LeaseKind | null {
  if (type === 'verify') return null;
  return type === 'backup' ? 'backups' : 'restores';
}

/** The other machines that a task works on. */
export function serversOf({ target }: Pick<Journal, 'target'>): string[] {
  if (target === null) return [];
  const { web, database, elsewhere } = target;
  return [...new Set([...(elsewhere.web ? [web.name] : []), ...(elsewhere.database ? [database.name] : [])])];
}

/**
 * The leases of heavy tasks, `<state>/leases/<kind>/<task>`, given in turn among all workers of the master. A task has its lease over
 * all the steps that read or write a whole site, and from before its site enters maintenance: no visitor waits for another
 * site. Nothing has to be given back: a lease counts as long as the journal of its task is open and goes forward. One that waits for a
 * machine that does not answer keeps nobody waiting who has nothing to do there.
 */
export class Leases {
  constructor(
    private readonly folder: string,
    private readonly parts: LeaseParts,
  ) {}

  /**
   * Asks for the lease of a task whose journal is open. Null when the task has it; else what it waits for, in the order of
   * their submission, and the caller asks again: whoever has not asked for 45 s keeps nobody waiting.
   */
  async ask(request: LeaseRequest, runs: Runs): Promise<LeaseWait | null> {
    const { task, kind } = request;
    const { master } = this.parts;
    const folder = join(this.folder, kind);
    const limits = await this.parts.limits();
    // Before the lock: Temporal may take its time.
    const idle = await this.idle(await this.look(folder), request, limits, runs);
    return withFileLock(join(folder, LOCK), master, async () => {
      const { held, waiting, away } = await this.look(folder);
      if (held.some((holder) => holder.task === task)) return null;
      const room = Room.beside({ held: held.filter((each) => !idle.has(each.task)), away }, kind, limits);
      const wait = turnOf(request, waiting, room);
      if (wait !== null) {
        await this.wait(folder, request);
        return wait;
      }
      await master.writeFile(join(folder, task), contentOf(request), { mode: 0o600 });
      await master.removeFile(join(folder, task + WAITING));
      return null;
    });
  }

  /** Notes that a task with a lease waits for a machine that does not answer, or does so no more. A task without one is passed over. */
  async setAway({ task, kind }: Pick<LeaseRequest, 'task' | 'kind'>, isAway: boolean): Promise<void> {
    const { master } = this.parts;
    const path = join(this.folder, kind, task);
    if (!isAway) await master.removeFile(path + AWAY);
    else if ((await master.status(path)) !== undefined) await master.writeFile(path + AWAY, '', { mode: 0o600 });
  }

  /** How many tasks have a lease of a kind, and how many wait for one. */
  async count(kind: LeaseKind): Promise<{ readonly held: number; readonly waiting: number }> {
    const { held, waiting } = await this.look(join(this.folder, kind));
    return { held: held.length, waiting: waiting.length };
  }

  /** Who has a lease and who waits for one, of those whose journal is open; what closed tasks left is removed. */
  private async look(folder: string): Promise<Queue> {
    const { master, journals } = this.parts;
    const queue: Queue = { held: [], waiting: [], away: new Set() };
    for (const name of await master.list(folder)) {
      if (name.startsWith('.')) continue;
      const path = join(folder, name);
      const suffix = [WAITING, AWAY].find((end) => name.endsWith(end)) ?? '';
      const task = name.slice(0, name.length - suffix.length);
      if (!(await journals.isOpen(task))) await master.removeFile(path);
      else if (suffix === AWAY) queue.away.add(task);
      else if (suffix === '') queue.held.push(await this.read(path, task));
      else if (asksStill((await master.status(path))?.modifiedMs)) queue.waiting.push(await this.read(path, task));
    }
    return queue;
  }

  /** What wrote no servers had none. */
  private async read(path: string, task: string): Promise<Asked> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return { task, servers: text.split('\n').filter((server) => server !== '') };
  }

  /**
   * Holders that do nothing heavy any more: their task is being undone, has only to be finished, or has lost its workflow.
   * Looked for by whoever is next alone, and only when nothing is free.
   */
  private async idle(
    { held, waiting, away }: Queue,
    request: LeaseRequest,
    limits: LeaseLimits,
    runs: Runs,
  ): Promise<Set<string>> {
    const idle = new Set<string>();
    const hasTurn = (holders: readonly Asked[]): boolean =>
      turnOf(request, waiting, Room.beside({ held: holders, away }, request.kind, limits)) === null;
    const hasIt = held.some(({ task }) => task === request.task);
    if (hasIt || hasTurn(held) || !hasTurn([])) return idle;
    for (const { task } of held) {
      const journal = await this.parts.journals.find(task).catch(() => undefined);
      if (!journal || !goesForward(journal) || !(await runs(journal))) idle.add(task);
    }
    return idle;
  }

  /** Notes that a task asks. A crash may lose that: it asks again. */
  private async wait(folder: string, request: LeaseRequest): Promise<void> {
    const path = join(folder, request.task + WAITING);
    const now = new Date();
    await utimes(path, now, now).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await this.parts.master.writeFile(path, contentOf(request), { mode: 0o600 });
    });
  }
}

type Asked = Pick<LeaseRequest, 'task' | 'servers'>;

interface Queue {
  readonly held: Asked[];
  readonly waiting: Asked[];
  /** Those with a lease that wait for a machine. */
  readonly away: Set<string>;
}

/** Places that are left, on the master and on the servers that have a limit. */
class Room {
  private readonly onServers = new Map<string, number>();

  private constructor(
    private onMaster: number,
    servers: Readonly<Record<string, number>>,
  ) {
    for (const [server, limit] of Object.entries(servers)) this.onServers.set(server, limit);
  }

  /** What these holders of a lease leave. */
  static beside(
    { held, away }: { readonly held: readonly Asked[]; readonly away: ReadonlySet<string> },
    kind: LeaseKind,
    limits: LeaseLimits,
  ): Room {
    const room = new Room(limits[kind], limits.servers);
    for (const holder of held) room.fill(holder, away.has(holder.task));
    return room;
  }

  /** Gives a place away, whether there is one or not; one who is away needs none on the master until he is back. */
  fill({ servers }: Pick<Asked, 'servers'>, isAway = false): void {
    if (!isAway) this.onMaster -= 1;
    for (const server of servers) {
      const left = this.onServers.get(server);
      if (left !== undefined) this.onServers.set(server, left - 1);
    }
  }

  /** What has no place left for these servers; undefined when there is one, null for the master. */
  lacking({ servers }: Pick<Asked, 'servers'>): string | null | undefined {
    if (this.onMaster <= 0) return null;
    return servers.find((server) => (this.onServers.get(server) ?? 1) <= 0);
  }
}

/** What a task waits for when those who asked earlier are given the places there are; null when there is one for it. */
function turnOf({ task, servers }: Asked, waiting: readonly Asked[], room: Room): LeaseWait | null {
  const earlier = waiting.filter((other) => other.task !== task && orderOf(other.task) < orderOf(task));
  earlier.sort((one, other) => (orderOf(one.task) < orderOf(other.task) ? -1 : 1));
  const passedOver = earlier.filter((other) => {
    const lacks = room.lacking(other) !== undefined;
    if (!lacks) room.fill(other);
    return lacks;
  });
  const server = room.lacking({ servers });
  if (server === undefined) return null;
  const rivals = passedOver.filter((other) => server === null || other.servers.includes(server));
  return { before: rivals.length + 1, server };
}

/** Of the file of a task: a line for each server. */
function contentOf({ servers }: Pick<Asked, 'servers'>): string {
  return servers.map((server) => `${server}\n`).join('');
}

/** A time to come is one from before the clock was set back: who still waits soon asks again. */
function asksStill(askedMs: number | undefined): boolean {
  const agoMs = askedMs === undefined ? Infinity : Date.now() - askedMs;
  return agoMs < ASKS_NO_MORE_MS && agoMs > -ASKS_NO_MORE_MS;
}

/** Behind the id of a task, which ends with its type or a number. */
const WAITING = '.waiting';
/** Behind the id of a task with a lease that waits for a machine. */
const AWAY = '.away';
const LOCK = '.turns.lock';
/** Longer than anybody waits between two times it asks. */
const ASKS_NO_MORE_MS = 45_000;

function goesForward({ outcome, undoing, committed }: Journal): boolean {
  return outcome === null && !undoing && !committed;
}

/** Ids carry the time of their submission. */
function orderOf(task: string): string {
  return `${taskTime(task) ?? ''} ${task}`;
}
