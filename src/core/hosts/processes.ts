import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../clock';
import { KedgeError } from '../../contract/errors';
import { ownUid } from '../../trust/trusted-path';

/** The environment variable that carries an operation's mark. */
export const MARK_VARIABLE = 'KEDGE_MARK';

export interface RunningProcess {
  readonly pid: number;
  /** Clock ticks since boot (man 5 proc, stat field 22): with the pid it names one process for good. */
  readonly started: string;
}

const POLL_MS = 5;
const GIVE_UP_MS = 10_000;

/**
 * How often what was forked meanwhile is looked for. A sandbox that is being built forks twice; what goes on under a mark
 * after this many rounds is somebody's who has stolen it, and nobody waits for that.
 */
const ROUNDS = 5;

/**
 * Ends every process of the worker's account whose mark is `mark` or begins with `mark` + `/`, and waits until it is gone.
 * Returns how many.
 */
export async function endMarkedProcesses(mark: string, server: string): Promise<number> {
  let ended = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = await findMarked(mark);
    if (found.length === 0) break;
    for (const { pid } of found) kill(pid);
    await Promise.all(found.map((process) => waitUntilGone(process, server)));
    ended += found.length;
  }
  return ended;
}

/** The process that has this id now; null when there is none. */
export async function identify(pid: number): Promise<RunningProcess | null> {
  const stat = await statOf(pid);
  return stat && { pid, started: stat.started };
}

/** False when it has ended, whoever has its id since. */
export async function isRunning({ pid, started }: RunningProcess): Promise<boolean> {
  return (await identify(pid))?.started === started;
}

/** @throws KedgeError ProgramTimedOut when it is still there after 10 s */
export async function waitUntilGone(process: RunningProcess, server: string): Promise<void> {
  const deadline = monotonicMs() + GIVE_UP_MS;
  while (await isRunning(process)) {
    if (monotonicMs() > deadline) {
      throw new KedgeError('ProgramTimedOut', `process ${process.pid} does not end on ${server}`, { server });
    }
    await delay(POLL_MS);
  }
}

/**
 * Ends a process, also one that is stopped, and waits until it is gone: one that has its id since is left alone.
 * @throws KedgeError OwnerRefused for one of another account, ProgramTimedOut
 */
export async function endProcess(running: RunningProcess, server: string): Promise<void> {
  if (!(await isRunning(running))) return;
  try {
    kill(running.pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    throw new KedgeError('OwnerRefused', `process ${running.pid} on ${server} belongs to another account`, {
      server,
      hint: `End it as root: \`kill -9 ${running.pid}\`.`,
    });
  }
  await waitUntilGone(running, server);
}

/**
 * Processes, this one among them, that have the lock of a file (flock), as the kernel says: whatever helper took it for
 * them. Those that cannot be looked into are not found.
 */
export async function findLockHolders(path: string): Promise<RunningProcess[]> {
  const file = await stat(path, { bigint: true }).catch(() => null);
  if (file === null) return [];
  const holds = async (folder: string, name: string): Promise<boolean> => {
    const opened = await stat(join(folder, 'fd', name), { bigint: true }).catch(() => null);
    if (opened?.ino !== file.ino || opened.dev !== file.dev) return false;
    const about = await readFile(join(folder, 'fdinfo', name), 'latin1').catch(() => '');
    return /^lock:.*\bFLOCK\b/m.test(about);
  };
  const found = await Promise.all(
    [...(await otherPids()), process.pid].map(async (pid) => {
      const folder = `/proc/${pid}`;
      const names = await readdir(join(folder, 'fd')).catch(() => []);
      for (const name of names) if (await holds(folder, name)) return identify(pid);
      return null;
    }),
  );
  return found.filter((running) => running !== null);
}

/** Ends every process of a group and waits until they are gone. @throws KedgeError ProgramTimedOut */
export async function endGroup(group: number, server: string): Promise<void> {
  // Most programs leave nothing, and to look through all processes takes longer than many a program.
  if (isEmptyGroup(group)) return;
  for (let found = await findInGroup(group); found.length > 0; found = await findInGroup(group)) {
    for (const { pid } of found) kill(pid);
    await Promise.all(found.map((process) => waitUntilGone(process, server)));
  }
}

function isEmptyGroup(group: number): boolean {
  try {
    process.kill(-group, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

async function findInGroup(group: number): Promise<RunningProcess[]> {
  const found = await Promise.all((await otherPids()).map(async (pid) => ({ pid, stat: await statOf(pid) })));
  return found.flatMap(({ pid, stat }) => (stat?.group === group ? [{ pid, started: stat.started }] : []));
}

async function otherPids(): Promise<number[]> {
  return (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid > 0 && pid !== process.pid);
}

/** Ends every process of an account that has one of these sockets open, by their inodes. Returns how many. */
export async function endSocketHolders(sockets: ReadonlySet<number>, uid: number, server: string): Promise<number> {
  const found = await Promise.all(
    (await otherPids()).map(async (pid) => {
      if ((await realUserOf(pid)) !== uid || !(await holdsSocket(pid, sockets))) return null;
      return identify(pid);
    }),
  );
  const holders = found.filter((process) => process !== null);
  for (const { pid } of holders) kill(pid);
  await Promise.all(holders.map((process) => waitUntilGone(process, server)));
  return holders.length;
}

/** False for a process that has ended meanwhile, or whose files cannot be seen. */
async function holdsSocket(pid: number, sockets: ReadonlySet<number>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((name) => readlink(join(folder, name)).catch(() => '')));
  return targets.some((target) => sockets.has(Number(/^socket:\[(\d+)\]$/.exec(target)?.[1])));
}

/** Marks of the worker's account's processes that carry one, each once. */
export async function listMarks(): Promise<string[]> {
  const marks = await Promise.all((await otherPids()).map(markOf));
  return [...new Set(marks.filter((mark) => mark !== undefined))].sort();
}

async function findMarked(mark: string): Promise<RunningProcess[]> {
  const found = await Promise.all(
    (await otherPids()).map(async (pid) => {
      const value = await markOf(pid);
      if (value === undefined || !(value === mark || value.startsWith(`${mark}/`))) return null;
      return identify(pid);
    }),
  );
  return found.filter((process) => process !== null);
}

/**
 * Undefined for a process of another account: whoever runs it can have put a mark there that he saw. The outermost program of
 * a sandbox, which alone is given one, is the worker's own also when the program within runs as an owner.
 */
async function markOf(pid: number): Promise<string | undefined> {
  if ((await realUserOf(pid)) !== ownUid()) return undefined;
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  const carried = environment.split('\0').find((entry) => entry.startsWith(`${MARK_VARIABLE}=`));
  return carried?.slice(MARK_VARIABLE.length + 1);
}

/** Real, not effective: a program with the setuid bit keeps the environment of who started it. */
async function realUserOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const uid = /^Uid:\t(\d+)/m.exec(status)?.[1];
  return uid === undefined ? null : Number(uid);
}

/** Null when there is no such process, or only its remains wait for their parent. */
async function statOf(pid: number): Promise<{ group: number; started: string } | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The second field is the name in parentheses, and may hold anything.
  const [state, , group, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = rest[16];
  return state === 'Z' || started === undefined ? null : { group: Number(group), started };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
