import type { Complaint } from '../../contract/findings';
import type { ReachedServer } from './installation';
import type { Check } from './run-checks';

/** Longer than login and first answer may take, each of which says by itself that it took too long. */
const LIMIT_MS = 60_000;

const IS_REACHED: Check<ReachedServer> = { check: 'server-reached', limitMs: LIMIT_MS, run: checkReached };

/** Its finding says that a server is not reached. */
export const REACHED = IS_REACHED.check;

/** Checks of one server that is another machine. */
export const REMOTE_SERVER_CHECKS: readonly Check<ReachedServer>[] = [
  IS_REACHED,
  { check: 'server-opens-sites', after: [REACHED], limitMs: LIMIT_MS, run: checkOpensSites },
];

async function checkOpensSites({ assertOpensByItself }: ReachedServer): Promise<readonly Complaint[]> {
  await assertOpensByItself();
  return [];
}

/** Network, key, login, program and its version: connecting says which of them it is. */
async function checkReached({ connect }: ReachedServer): Promise<readonly Complaint[]> {
  await connect();
  return [];
}
