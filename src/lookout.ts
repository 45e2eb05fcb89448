import type { Client } from '@temporalio/client';
import type { MasterParts } from './composition';
import { taskQueueOf } from './contract/names';
import { printable } from './contract/printable';
import { Lookout } from './core/notices/lookout';
import { startNotify, troubleOfRun } from './temporal/notify';

/** What looks for what receivers of the configuration are told of, over a master's parts and Temporal. `tell`: what a person is to know. */
export function createLookout(
  parts: MasterParts,
  masterName: string,
  client: Client,
  tell: (text: string) => void,
): Lookout {
  return new Lookout({
    ...parts,
    masterName,
    file: parts.notices.file,
    watched: () => parts.notices.watched(),
    troubleOf: ({ workflowId, runId }) => troubleOfRun(client, workflowId, runId),
    start: ({ notice, receivers }) => startNotify(client, taskQueueOf(masterName), notice, receivers),
    tell: (text) => tell(printable(parts.redact(text))),
    now: () => new Date(),
  });
}
