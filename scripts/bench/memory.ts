import { readFile } from 'node:fs/promises';

const INTERVAL_MS = 50;

/** Resident memory of a process, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Looks at a process again and again; `stop` gives the most it had, bytes. */
export function watchMemory(pid: number): { stop(): number } {
  let most = 0;
  const timer = setInterval(() => {
    void residentBytes(pid).then(
      (bytes) => (most = Math.max(most, bytes)),
      () => undefined,
    );
  }, INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}
