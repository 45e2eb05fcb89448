import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rmdir, stat, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../clock';

/** What a group may use as a whole. */
export interface GroupLimits {
  /** Memory of all its processes, of what they wrote to tmpfs and of page cache that they filled. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
}

/** Which limit of its own a group ran into. */
export type ReachedLimit = 'memory' | 'processes';

/** What a program gets that nobody gave a limit: most of it is page cache, of which the kernel takes back what it needs. */
export const DEFAULT_GROUP_LIMITS: GroupLimits = {
  memoryBytes: Math.max(512 * 1024 ** 2, Math.min(4 * 1024 ** 3, Math.floor(totalmem() / 2))),
  processes: 512,
};

/** Where the worker is put when its own group is needed for groups of its programs. */
const WORKER_GROUP = 'kedge.worker';
const GROUP_PREFIX = 'kedge.run.';
/** A group is given its first process within moments. */
const LEFTOVER_AFTER_MS = 60_000;
const EMPTY_WITHIN_MS = 10_000;
const POLL_MS = 2;

/**
 * A group of processes that the kernel limits and counts as one (man 7 cgroups). In version 1 memory and processes are
 * counted by two hierarchies, so that a group is a folder in each.
 */
export class ControlGroup {
  constructor(
    private readonly folders: readonly string[],
    private readonly version: 1 | 2,
  ) {}

  /** Puts a process, and all that it starts from now on, into the group. A process that has ended is passed over. */
  async add(pid: number): Promise<void> {
    const entered = this.folders.map((folder) =>
      writeFile(join(folder, 'cgroup.procs'), String(pid)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ESRCH') throw error;
      }),
    );
    await Promise.all(entered);
  }

  /**
   * Which of its limits it ran into. The kernel counts what it killed for want of memory also when the whole machine had
   * none: only a group that met its own limit as well was ended by it.
   */
  async reachedLimit(): Promise<ReachedLimit | null> {
    const memory = await this.events(this.version === 2 ? 'memory.events' : 'memory.oom_control');
    if ((memory.get('oom_kill') ?? 0) > 0 && (await this.metItsMemory(memory))) return 'memory';
    return ((await this.events('pids.events')).get('max') ?? 0) > 0 ? 'processes' : null;
  }

  private async metItsMemory(events: ReadonlyMap<string, number>): Promise<boolean> {
    if (this.version === 2) return (events.get('oom') ?? 0) > 0;
    const [limit, most] = await Promise.all(
      ['memory.limit_in_bytes', 'memory.max_usage_in_bytes'].map(async (file) => Number(await this.read(file))),
    );
    return (most ?? 0) > 0.98 * (limit ?? Infinity);
  }

  /** Ends every process of the group. None can be started in it meanwhile, so that what forks without end is ended too. */
  async end(): Promise<number> {
    const limit = this.folders.map((folder) => writeFile(join(folder, 'pids.max'), '0').catch(() => undefined));
    await Promise.all(limit);
    let ended = 0;
    for (const deadline = monotonicMs() + EMPTY_WITHIN_MS; monotonicMs() < deadline; await delay(POLL_MS)) {
      const pids = await this.pids();
      if (pids.length === 0) break;
      if (ended === 0) ended = pids.length;
      for (const pid of pids) kill(pid);
    }
    return ended;
  }

  /** Takes the empty group away. One that is not empty yet is left to {@link ControlGroups.removeLeftovers}. */
  async remove(): Promise<void> {
    const gone = this.folders.map(async (folder) => {
      // Of a process that is gone the kernel lets go a moment later.
      for (const deadline = monotonicMs() + 200; !(await removed(folder)) && monotonicMs() < deadline;)
        await delay(POLL_MS);
    });
    await Promise.all(gone);
  }

  private async pids(): Promise<number[]> {
    const lists = await Promise.all(
      this.folders.map((folder) => readFile(join(folder, 'cgroup.procs'), 'latin1').catch(() => '')),
    );
    return [...new Set(lists.flatMap((list) => list.split('\n').filter(Boolean).map(Number)))];
  }

  private async events(file: string): Promise<Map<string, number>> {
    const lines = (await this.read(file).catch(() => '')).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ')).map(([name = '', count]) => [name, Number(count)]));
  }

  /** A file of whichever folder has it. */
  private async read(file: string): Promise<string> {
    return Promise.any(this.folders.map((folder) => readFile(join(folder, file), 'latin1')));
  }
}

/** Makes groups below the worker's own. */
export class ControlGroups {
  constructor(
    readonly version: 1 | 2,
    /** Where groups are made: one folder, or in version 1 one for memory and one for processes. */
    private readonly parents: readonly string[],
  ) {}

  /** An empty group for one program of an operation. Its name can be read by everybody, and the mark is not in it. */
  async make(mark: string, limits: GroupLimits): Promise<ControlGroup> {
    const name = `${GROUP_PREFIX}${namesOf(mark)}.${randomBytes(6).toString('hex')}`;
    const folders = this.parents.map((parent) => join(parent, name));
    const group = new ControlGroup(folders, this.version);
    try {
      await Promise.all(folders.map((folder) => mkdir(folder)));
      await this.limit(folders, limits);
      return group;
    } catch (error) {
      await group.remove();
      throw error;
    }
  }

  /** Ends what is left in groups of this mark, or of marks that begin with it and a slash. Returns how many processes. */
  async end(mark: string): Promise<number> {
    const prefix = `${GROUP_PREFIX}${namesOf(mark)}.`;
    const groups = (await this.names()).filter((name) => name.startsWith(prefix)).map((name) => this.named(name));
    const counts = await Promise.all(
      groups.map(async (group) => {
        const ended = await group.end();
        await group.remove();
        return ended;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Removes empty groups of workers that were killed. */
  async removeLeftovers(): Promise<void> {
    for (const name of await this.names()) {
      for (const parent of this.parents) {
        const made = await stat(join(parent, name)).catch(() => null);
        if (made && made.ctimeMs < Date.now() - LEFTOVER_AFTER_MS) await removed(join(parent, name));
      }
    }
  }

  private named(name: string): ControlGroup {
    return new ControlGroup(
      this.parents.map((parent) => join(parent, name)),
      this.version,
    );
  }

  private async names(): Promise<string[]> {
    const lists = await Promise.all(this.parents.map((parent) => readdir(parent).catch(() => [])));
    return [...new Set(lists.flat().filter((name) => name.startsWith(GROUP_PREFIX)))];
  }

  private async limit([memory = '', processes = memory]: readonly string[], limits: GroupLimits): Promise<void> {
    const bytes = String(limits.memoryBytes);
    const optional = (file: string, value: string): Promise<void> =>
      writeFile(join(memory, file), value).catch(() => undefined);
    if (this.version === 2) {
      await Promise.all([
        writeFile(join(memory, 'memory.max'), bytes),
        // Not every kernel counts swap. The program ends as a whole, not a part of it that another waits for.
        optional('memory.swap.max', '0'),
        optional('memory.oom.group', '1'),
      ]);
    } else {
      await writeFile(join(memory, 'memory.limit_in_bytes'), bytes);
      await optional('memory.memsw.limit_in_bytes', bytes);
    }
    await writeFile(join(processes, 'pids.max'), String(limits.processes));
  }
}

let found: Promise<ControlGroups | null> | undefined;

/**
 * Groups below the one this process is in; null where it may make none, or where the kernel counts no memory or no
 * processes for them. Looked for once.
 */
export function controlGroups(): Promise<ControlGroups | null> {
  return (found ??= findGroups());
}

async function findGroups(): Promise<ControlGroups | null> {
  try {
    const places = placesOf(
      await readFile('/proc/self/cgroup', 'latin1'),
      await readFile('/proc/self/mountinfo', 'latin1'),
    );
    for (const { version, parents } of places) {
      const usable = version === 1 ? parents : await prepared(parents[0] ?? '');
      if (!usable) continue;
      const candidate = new ControlGroups(version, usable);
      if (!(await isUsable(candidate))) continue;
      await candidate.removeLeftovers();
      return candidate;
    }
    return null;
  } catch {
    return null;
  }
}

/** A place where groups may be made, as this process sees it. */
export interface GroupPlace {
  readonly version: 1 | 2;
  /** Its own group's folder; in version 1 the one for memory, then the one for processes. */
  readonly parents: readonly string[];
}

/**
 * Where the groups of a process are, by its `/proc/<pid>/cgroup` and `mountinfo`, version 2 first. A hierarchy that is not
 * mounted, or whose group lies outside of what is mounted, is passed over.
 */
export function placesOf(cgroup: string, mountinfo: string): GroupPlace[] {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = before.split(' ');
    const [type = '', , options = ''] = after.split(' ');
    return type.startsWith('cgroup') ? [{ root, point, type, options: options.split(',') }] : [];
  });
  const folderIn = (mount: (typeof mounts)[number] | undefined, path: string): string | null => {
    if (!mount) return null;
    const below = relative(mount.root, path);
    return below.startsWith('..') ? null : join(mount.point, below);
  };
  const memberships = cgroup
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, controllers = '', path = '']) => ({ controllers: controllers.split(','), path }));
  const places: GroupPlace[] = [];
  const unified = memberships.find(({ controllers }) => controllers[0] === '');
  const whole =
    unified &&
    folderIn(
      mounts.find(({ type }) => type === 'cgroup2'),
      unified.path,
    );
  if (whole) places.push({ version: 2, parents: [whole] });
  const old = ['memory', 'pids'].map((controller) => {
    const path = memberships.find(({ controllers }) => controllers.includes(controller))?.path;
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(controller));
    return path === undefined ? null : folderIn(mount, path);
  });
  const [memory, processes] = old;
  if (memory && processes) places.push({ version: 1, parents: [...new Set([memory, processes])] });
  return places;
}

/**
 * Where in a group of version 2 others with limits can be made. A group that has processes cannot limit groups below it:
 * a worker that is alone in its own, as a service of systemd with `Delegate=` is, moves into one of them first.
 */
async function prepared(own: string): Promise<string[] | null> {
  const parent = basename(own) === WORKER_GROUP ? dirname(own) : own;
  const controllers = (await readFile(join(parent, 'cgroup.controllers'), 'latin1')).trim().split(' ');
  if (!controllers.includes('memory') || !controllers.includes('pids')) return null;
  const passedOn = async (): Promise<boolean> => {
    const given = (await readFile(join(parent, 'cgroup.subtree_control'), 'latin1')).trim().split(' ');
    return given.includes('memory') && given.includes('pids');
  };
  if (await passedOn()) return [parent];
  const members = (await readFile(join(parent, 'cgroup.procs'), 'latin1')).trim().split('\n').filter(Boolean);
  if (members.some((pid) => Number(pid) !== process.pid)) return null;
  if (members.length > 0) {
    const worker = join(parent, WORKER_GROUP);
    await mkdir(worker).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await writeFile(join(worker, 'cgroup.procs'), String(process.pid));
  }
  await writeFile(join(parent, 'cgroup.subtree_control'), '+memory +pids');
  return (await passedOn()) ? [parent] : null;
}

async function isUsable(groups: ControlGroups): Promise<boolean> {
  try {
    await (await groups.make('probe', DEFAULT_GROUP_LIMITS)).remove();
    return true;
  } catch {
    return false;
  }
}

/** Each part of a mark by its digest: whoever sees the name learns no mark, and who knows a mark finds its groups. */
function namesOf(mark: string): string {
  const digest = (part: string): string => createHash('sha256').update(part).digest('hex').slice(0, 16);
  return mark.split('/').map(digest).join('.');
}

async function removed(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EBUSY';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
