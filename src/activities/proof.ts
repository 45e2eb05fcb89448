import { join } from 'node:path';
import { proveLiveDefinitions } from '../core/proofs/prove-site';
import { makeAttemptFolders, spoolPlace } from './attempt-folder';
import type { ActivityDependencies } from './dependencies';
import { type TaskRef, forwardStep } from './step';

/** The activity that proves the definitions of a site before it is shut. */
export function createProofActivities(deps: ActivityDependencies) {
  return {
    /**
     * Proves the definitions of the database as they are now: those of the dump in maintenance are the same then, and take none of
     * its time.
     */
    async proveDefinitions(ref: TaskRef) {
      return forwardStep(deps, ref, async (step) => {
        const { before } = step.journal;
        const proofs = await deps.proofs();
        if (!proofs || !before) return null;
        const [spool = ''] = await makeAttemptFolders(step, [spoolPlace(deps, 'proveDefinitions', step)]);
        const path = join(spool, 'definitions.sql');
        try {
          await proveLiveDefinitions(deps, proofs, step, before, path);
        } finally {
          await deps.master.removeFile(path);
        }
        return null;
      });
    },
  };
}
