import {
  ActivityFailure,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowFailure,
  continueAsNew,
  executeChild,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type { BackupAllInput, BackupAllResult, PlannedBackups } from '../contract/fleet';
import type { BackupResult, RequestInput } from '../contract/tasks';
import { reading, tidying } from './options';
import { Fleet, type FleetState } from './steps/fleet';
import { inWindow } from './steps/in-window';
import { acceptFleet, acceptFleetState } from './steps/input';
import { look } from './steps/look';

/** Sites of one run. Each leaves some fifteen events: their history stays short. */
const SITES_A_RUN = 300;

/**
 * Backs up many sites, a few at a time, in order of their names; and prunes each that has a new backup, where it is asked to. One that fails
 * stops no other. A site that is busy has its turn later. `before`: what earlier runs of it have come to.
 */
export async function backupAll(given: BackupAllInput, before?: FleetState): Promise<BackupAllResult> {
  const input = acceptFleet(given);
  const fleet = new Fleet(acceptFleetState(before));
  const plan = await look(() => reading.planBackups({ input, after: fleet.after, limit: SITES_A_RUN }));
  fleet.planned(plan.sites);
  await inWindow(plan.sites, plan.atOnce, async (site) => {
    fleet.began(site);
    try {
      const { warnings } = await backUp(site, input, plan, fleet.requestKey);
      const isPruned = !plan.prune || (await prune(site, fleet));
      fleet.done(site, warnings.length > 0 || !isPruned);
    } catch (error) {
      if (!(error instanceof ChildWorkflowFailure)) throw error;
      fleet.failed(site, error);
    }
  });
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('the backups were cancelled');
  if (plan.more) await continueAsNew<typeof backupAll>(input, fleet.state);
  return fleet.result;
}

async function backUp(
  site: string,
  { who }: BackupAllInput,
  { backup }: PlannedBackups,
  requestKey: string,
): Promise<BackupResult> {
  const { workflowId, runId } = workflowInfo();
  const asked: RequestInput = {
    type: 'backup',
    input: { ...backup, site, requestKey, ...(who === undefined ? {} : { who }) },
  };
  return (await executeChild('request', {
    // Another one for a run that was reset: it finds the same task by its key.
    workflowId: `${workflowId}/${site}/${runId.slice(0, 8)}`,
    args: [asked],
    staticSummary: `Back up ${site}`,
  })) as BackupResult;
}

/** Whether all went that is to go. What cannot be pruned now is pruned the next time. */
async function prune(site: string, fleet: Fleet): Promise<boolean> {
  try {
    const { deleted, waits } = await tidying.pruneSite({ site });
    fleet.pruned(deleted);
    return waits === null;
  } catch (error) {
    if (error instanceof ActivityFailure && !isCancellation(error)) return false;
    throw error;
  }
}
