import type { Complaint } from '../../contract/findings';
import type { Operation } from '../operation';
import type { ConfiguredSite, Installation } from './installation';

interface LookedAt extends Pick<Installation, 'sweeper' | 'mirrors'> {
  readonly sites: readonly Pick<ConfiguredSite, 'uri'>[];
}

/** What closed tasks, crashes and former sites left behind, and what of it is for a person. */
export async function checkLeftovers(
  { sweeper, mirrors, sites }: LookedAt,
  { signal }: Operation,
): Promise<readonly Complaint[]> {
  const { leftovers, problems } = await sweeper.search(signal);
  const known = new Set(sites.map(({ uri }) => uri));
  const former = (await mirrors.sites()).filter((site) => !known.has(site));
  return [
    ...leftovers.map(({ what, task }): Complaint => ({
      level: 'warning',
      message: `${task ?? 'a crash'} left ${what}`,
      hint: 'Run `kedge doctor --sweep`; the worker does the same every hour.',
    })),
    ...problems.map(({ text }): Complaint => ({
      level: 'warning',
      message: text,
      hint: 'Look at it yourself: the sweeper does not touch what it cannot judge.',
    })),
    ...former.map((site): Complaint => ({
      level: 'warning',
      message: `the files of ${site} are kept for its next backup, and no configuration names it any more`,
      hint: `Run \`kedge sites forget ${site}\` to free their room.`,
    })),
  ];
}
