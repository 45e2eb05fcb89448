import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const DEADLINE_MS = 20_000;

/** A server with processes of its own that lives no longer than the process that started it. */
export interface TiedProcess {
  readonly stop: () => Promise<void>;
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
  return { stop };
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
  if (hasEnded(keeper) || keeper.pid === undefined) return;
  // It leads a group of its own, with the server and its workers in it.
  process.kill(-keeper.pid, 'SIGKILL');
  await gone;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
