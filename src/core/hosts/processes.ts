import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { KedgeError } from '../../contract/errors';

/** The environment variable that carries an operation's mark. */
export const MARK_VARIABLE = 'KEDGE_MARK';

export interface RunningProcess {
  readonly pid: number;
  /** Clock ticks since boot (man 5 proc, stat field 22): with the pid it names one process for good. */
  readonly started: string;
}

const POLL_MS = 5;
const GIVE_UP_MS = 10_000;

/** Ends every process whose mark is `mark` or begins with `mark` + `/`, and waits until it is gone. Returns how many. */
export async function endMarkedProcesses(mark: string, server: string): Promise<number> {
  let ended = 0;
  // Again, for what was forked meanwhile.
  for (let found = await findMarked(mark); found.length > 0; found = await findMarked(mark)) {
    for (const { pid } of found) kill(pid);
    await Promise.all(found.map((process) => waitUntilGone(process, server)));
    ended += found.length;
  }
  return ended;
}

/** The process that has this id now; null when there is none. */
export async function identify(pid: number): Promise<RunningProcess | null> {
  const started = await startOf(pid);
  return started === null ? null : { pid, started };
}

/** @throws KedgeError ProgramTimedOut when it is still there after 10 s */
export async function waitUntilGone(process: RunningProcess, server: string): Promise<void> {
  const deadline = Date.now() + GIVE_UP_MS;
  while ((await startOf(process.pid)) === process.started) {
    if (Date.now() > deadline) {
      throw new KedgeError('ProgramTimedOut', `process ${process.pid} does not end on ${server}`, { server });
    }
    await delay(POLL_MS);
  }
}

async function findMarked(mark: string): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc'))
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0 && pid !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      const carried = environment.split('\0').find((entry) => entry.startsWith(`${MARK_VARIABLE}=`));
      const value = carried?.slice(MARK_VARIABLE.length + 1);
      if (value === undefined || !(value === mark || value.startsWith(`${mark}/`))) return null;
      return identify(pid);
    }),
  );
  return found.filter((process) => process !== null);
}

/** Null when there is no such process, or only its remains wait for their parent. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The second field is the name in parentheses, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? null : (fields[19] ?? null);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
