import type { HookName } from '../contract/target';
import { runHook } from '../core/sites/hooks';
import { liveFolder } from '../core/sites/site-folder';
import type { TaskAtHand } from '../core/tasks/give-back';
import type { ActivityDependencies } from './dependencies';
import { type TaskRef, finishingStep, forwardStep } from './step';

/** Activities that run the programs a site declares. */
export function createHookActivities(deps: ActivityDependencies) {
  const run = async (name: HookName, { journal, target, operation }: TaskAtHand): Promise<null> => {
    const argv = target.hooks[name];
    if (argv === undefined) return null;
    const { task, site, type, who, description, source, backup } = journal;
    const described = { task, site, type, who, description, source: source?.id ?? null, backup: backup?.id ?? null };
    await runHook(liveFolder(deps.webHost(target), target.site), { name, argv, task: described }, operation);
    return null;
  };

  return {
    /** Runs a hook on the way; its failure is the task's. */
    async runHook(ref: TaskRef, name: HookName) {
      return forwardStep(deps, ref, (step) => run(name, step));
    },

    /** Runs the hook at the end; its failure is a warning. */
    async runLastHook(ref: TaskRef) {
      return finishingStep(deps, ref, (step) => run('after', step));
    },
  };
}
