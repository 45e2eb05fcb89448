import { z } from 'zod';
import { bootNow } from '../clock';
import { identify, isRunning } from '../hosts/processes';

/** A process of a worker: pid and start time name it for good within one boot. */
export const workerProcessSchema = z.strictObject({ boot: z.string(), pid: z.int(), started: z.string() });
export type WorkerProcess = z.infer<typeof workerProcessSchema>;

let own: WorkerProcess | undefined;

/** This process. */
export async function thisProcess(): Promise<WorkerProcess | null> {
  if (own) return own;
  const me = await identify(process.pid);
  if (me) own = { boot: bootNow().boot, ...me };
  return own ?? null;
}

/** True while this is another process than this one, and lives. */
export async function livesElsewhere({ boot, pid, started }: WorkerProcess): Promise<boolean> {
  if (boot !== bootNow().boot || pid === process.pid) return false;
  return isRunning({ pid, started });
}
