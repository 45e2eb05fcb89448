import { join } from 'node:path';
import { z } from 'zod';
import { isKedgeError } from '../../contract/errors';
import { type SiteLocation, rootsOf } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { forgetPaths } from './forget-paths';
import { endRequests, requestsInWork } from './requests';
import { runPhpScript } from './php-script';
import { readPhpCode } from './php-code';

/**
 * What became of the code that PHP keeps of a site. `busy` workers could not be asked to forget where paths lead, where there are
 * any.
 */
export type PhpCache =
  | { readonly state: 'refreshed'; readonly scripts: number; readonly busy?: number }
  /** It keeps none. */
  | { readonly state: 'off'; readonly busy?: number }
  /** It may go on running code from before. `why` is what kept Kedge from it. */
  | { readonly state: 'kept'; readonly why: string }
  | { readonly state: 'no answer'; readonly why: string };

const SCRIPT = readPhpCode(join(__dirname, 'refresh-php.php'));

/** The other workers of its FPM, by process ID; none where PHP does not tell. */
const workers = z.array(z.int()).max(4096);
const answerSchema = z.union([
  z.strictObject({ invalidated: z.int().nonnegative(), workers }),
  z.strictObject({ off: z.literal(true), workers }),
  z.strictObject({ kept: z.enum(['disable_functions', 'opcache.restrict_api']), workers }),
]);

/**
 * As {@link askToRefresh}. Where PHP does not answer because its workers hold requests from before, those are ended, and it is
 * asked once more: they may wait for ever, for a pipe in the site folder or for whatever its owner has them wait for, and no
 * page of the site could be asked for.
 */
export async function refreshPhp(
  host: Host,
  flags: string,
  site: SiteLocation,
  operation: Operation,
  timeoutMs?: number,
): Promise<PhpCache> {
  const before = await requestsInWork(host, site.phpSocket);
  const cache = await askToRefresh(host, flags, site, operation, timeoutMs);
  if (cache.state !== 'no answer') return cache;
  const ended = await endRequests(host, site, before);
  if (ended === 0) return cache;
  operation.log.warn(
    `PHP of ${site.uri} did not answer: ${ended} of its workers held requests from before, and were ended`,
  );
  return askToRefresh(host, flags, site, operation, timeoutMs);
}

/**
 * Makes every worker of the site's FPM see the code now on disk, also where opcache looks at no time stamps: they share
 * one cache, so one of them is asked to invalidate each cached script under the folders of the site. Neighbours keep theirs.
 * What each worker keeps by itself, each is asked to forget.
 */
async function askToRefresh(
  host: Host,
  flags: string,
  site: SiteLocation,
  operation: Operation,
  timeoutMs: number | undefined,
): Promise<PhpCache> {
  try {
    const request = { roots: [...rootsOf(site).map(({ path }) => path), ...(site.linkedTo ?? [])] };
    const answer = await runPhpScript(
      { host, flags },
      site,
      { code: SCRIPT, request, answer: answerSchema, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
      operation,
    );
    if (answer === null) return { state: 'kept', why: 'PHP does not run what Kedge asks it to' };
    const left = await forgetPaths({ host, flags }, site, answer.workers, operation);
    const busy = left === 0 ? {} : { busy: left };
    if ('invalidated' in answer) return { state: 'refreshed', scripts: answer.invalidated, ...busy };
    if ('kept' in answer) return { state: 'kept', why: `${answer.kept} does not allow it` };
    return { state: 'off', ...busy };
  } catch (error) {
    if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
    return { state: 'no answer', why: error.message };
  }
}
