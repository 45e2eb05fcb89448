import { z } from 'zod';
import type { HookName } from '../contract/target';
import { runHook } from '../core/sites/hooks';
import { assertFinishingTask } from '../core/tasks/authority';
import type { TaskContext } from '../core/recovery/give-back';
import { decodeInput } from './decode-input';
import type { ActivityDependencies } from './dependencies';
import { type TaskRef, finishingStep, forwardStep } from './step';

const hookOnTheWay = z.enum(['before', 'fenced', 'afterSwitch']);

/** Activities that run the programs a site declares. */
export function createHookActivities(deps: ActivityDependencies) {
  // Under the lock: what it does nobody takes back, so it must not begin when the task has gone on without this worker.
  const run = async (name: HookName, { journal, site, operation }: TaskContext): Promise<null> => {
    const argv = site.target.hooks[name];
    if (argv === undefined) return null;
    if (journal.type === 'deploy' && name === 'before') {
      operation.log.info('before: not run, for the site has no folder yet that it could run in');
      return null;
    }
    const { task, type, who, description, source, backup } = journal;
    const described = {
      task,
      site: site.uri,
      type,
      who,
      description,
      source: source?.id ?? null,
      backup: backup?.id ?? null,
    };
    await runHook(site.folder, { name, argv, task: described }, operation);
    return null;
  };

  return {
    /** Runs a hook on the way; its failure is the task's. */
    async runHook(ref: TaskRef, given: HookName) {
      const name = decodeInput(hookOnTheWay, given);
      return forwardStep(deps, ref, (step) => step.whileMine(() => run(name, step)), `runHook ${name}`);
    },

    /** Runs the hook at the end; its failure is a warning. */
    async runLastHook(ref: TaskRef) {
      const whenPublished = { assert: assertFinishingTask, closed: null };
      return finishingStep(deps, ref, whenPublished, (step) => step.underLock((now) => run('after', now)));
    },
  };
}
