import type { Complaint } from '../../contract/findings';
import type { Operation } from '../operation';
import type { Installation } from './installation';

/** What closed tasks and crashes left behind, and what of it is for a person. */
export async function checkLeftovers({ sweeper }: Installation, { signal }: Operation): Promise<readonly Complaint[]> {
  const { leftovers, problems } = await sweeper.search(signal);
  return [
    ...leftovers.map(({ what, task }): Complaint => ({
      level: 'warning',
      message: `${task ?? 'a crash'} left ${what}`,
      hint: 'Run `kedge doctor --sweep`; the worker does the same every hour.',
    })),
    ...problems.map((message): Complaint => ({
      level: 'warning',
      message,
      hint: 'Look at it yourself: the sweeper does not touch what it cannot judge.',
    })),
  ];
}
