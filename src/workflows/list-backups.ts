import type { ListBackupsInput, ListBackupsResult } from '../contract/tasks';
import { reading } from './options';

/** A page of the catalogue for services that do not run on the master. */
export async function listBackups(input: ListBackupsInput): Promise<ListBackupsResult> {
  return reading.listBackups(input);
}

/** A page of a task's log, likewise. */
export async function readTaskLog(input: {
  task: string;
  offset: number;
  waitMs?: number;
}): Promise<{ lines: object[]; next: number; ended: boolean }> {
  return reading.readTaskLog(input);
}
