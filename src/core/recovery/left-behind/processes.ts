import type { Leftover, SearchParts } from './leftover';
import { prepareAgain } from './machines';

/** Processes of closed tasks, on every host. @param tasks by what the marks of their processes begin with */
export async function findProcesses(
  { master, webHosts, machines }: SearchParts,
  tasks: ReadonlyMap<string, string>,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const host of new Set([master, ...webHosts.values()])) {
    const question = { site: null, whenRefused: prepareAgain(host) };
    for (const mark of (await machines.ask(host, question, () => host.listMarks())) ?? []) {
      const [, ofTask = '', step = ''] = /^(?:undo-|finish-)?([a-z0-9]+)\/(\w+)/.exec(mark) ?? [];
      const task = tasks.get(ofTask);
      if (task === undefined) continue;
      // Its mark is a secret.
      const what = `a process of the step ${step} on ${host.name}`;
      found.push({ what, task, remove: async () => void (await host.endProcesses(mark)) });
    }
  }
  return found;
}
