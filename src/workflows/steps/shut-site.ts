import type { Task } from './task';

/** Puts the maintenance page up and fences the writes of the site: from here the task has until its limit. */
export async function shutSite(task: Task, fence: { allowShared: boolean }): Promise<void> {
  await task.limit.shutBy(() => task.step('enterMaintenance'));
  await task.step('fenceWrites', fence);
  await task.hook('fenced');
}
