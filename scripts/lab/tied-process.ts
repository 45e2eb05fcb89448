import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { findSystemPrograms } from './system-programs';

const DEADLINE_MS = 20_000;

/** A server with processes of its own that lives no longer than the process that started it. */
export interface TiedProcess {
  readonly stop: () => Promise<void>;
  /** Ends it and its workers at once, as a crash would. */
  readonly kill: () => Promise<void>;
}

/** A server that is started again on the same files after `stop` or `kill`. */
export interface RestartableServer {
  stop(): Promise<void>;
  /** Ends it and its workers at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, after `kill` or `stop`; ready when this returns. */
  start(): Promise<void>;
}

/** As {@link startTied}, for a server that tests end and start again. */
export async function startRestartable(...how: Parameters<typeof startTied>): Promise<RestartableServer> {
  let server = await startTied(...how);
  return {
    stop: () => server.stop(),
    kill: () => server.kill(),
    async start() {
      await server.stop();
      server = await startTied(...how);
    },
  };
}

/**
 * Starts a server in the foreground and waits until `isReady`. Killing a master process leaves its workers, so no death
 * signal is used: a shell holds the reading end of a pipe from this process, and ends the server in good order when the
 * pipe closes, which it does on `kill -9` too.
 */
export async function startTied(
  argv: readonly [string, ...string[]],
  log: string,
  isReady: () => Promise<boolean>,
): Promise<TiedProcess> {
  findSystemPrograms();
  const output = openSync(log, 'a');
  const keeper = spawn('sh', ['-c', KEEPER, 'keeper', ...argv], {
    stdio: ['pipe', output, output],
    // Ctrl-C in a terminal is for the process that started it.
    detached: true,
  });
  closeSync(output);
  let failure: string | null = null;
  keeper.once('error', (error) => (failure = error.message));
  keeper.stdin?.once('error', () => undefined);
  const stop = (): Promise<void> => end(keeper);
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await isReady())) {
    if (failure !== null || hasEnded(keeper) || Date.now() > deadline) {
      await stop();
      const said = await readFile(log, 'utf8').catch(() => '');
      throw new Error(`${argv[0]} did not start: ${failure ?? said.slice(-2000)}`);
    }
    await delay(20);
  }
  return { stop, kill: () => kill(keeper) };
}

/** The pipe is moved to descriptor 3 because a shell gives a background program an empty standard input. */
const KEEPER = `
exec 3<&0
"$@" 3<&- &
server=$!
(read -r _ <&3; kill -TERM "$server" 2>/dev/null) &
watch=$!
wait "$server"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
`;

async function end(keeper: ChildProcess): Promise<void> {
  if (hasEnded(keeper)) return;
  const gone = new Promise((resolve) => keeper.once('close', resolve));
  keeper.stdin?.destroy();
  await Promise.race([gone, delay(DEADLINE_MS, undefined, { ref: false })]);
  await kill(keeper);
}

/** The keeper, the server and its workers, which may lead groups of their own as those of PHP-FPM do. */
async function kill(keeper: ChildProcess): Promise<void> {
  if (hasEnded(keeper) || keeper.pid === undefined) return;
  const gone = new Promise((resolve) => keeper.once('close', resolve));
  // Stopped, none of them starts another while they are looked for.
  const all = [keeper.pid];
  for (const pid of all) {
    signal(pid, 'SIGSTOP');
    all.push(...childrenOf(pid));
  }
  for (const pid of all) signal(pid, 'SIGKILL');
  await gone;
  // One that ends late still listens where the next is to.
  for (const began = Date.now(); all.some(lives) && Date.now() - began < DEADLINE_MS;) await delay(5);
}

/** False also for one that has ended and that nobody has waited for. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

function childrenOf(parent: number): number[] {
  try {
    return readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
