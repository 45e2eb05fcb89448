import type { ContentMark } from '../../contract/backup-record';
import { isKedgeError } from '../../contract/errors';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import type { ProbeAnswer, WebServer } from './web-server';

/** An application moves a visitor to its other name, its other scheme, and a slash at the end: at most one after the other. */
const MAXIMUM_REDIRECTS = 4;

/** What a path alone is taken to be of, for its parts. */
const ANY_ADDRESS = 'http://localhost';

/** What an answer says of whether the application works. */
export interface Proof {
  /** What tells the site from another and from a broken one: the visitor's answer, or the application's own behind it. */
  readonly mark: ContentMark;
  /** False where nobody but the web server may have answered, or the application answered with no page. */
  readonly proven: boolean;
  /** What is to be set or mended, a sentence in lower case; null where there is nothing to say. */
  readonly advice: string | null;
}

/**
 * An answer of 401, 403, 404 and their like comes from a web server in front of an application that may be broken, and a
 * redirect as well: then the application is asked itself. Where that does not answer with a page either, nothing is proven:
 * it may redirect to its own installation, for want of its tables.
 */
export async function proofOf(
  web: Pick<WebServer, 'askApplication'>,
  site: SiteLocation,
  answer: ProbeAnswer,
  operation: Operation,
): Promise<Proof> {
  const { mark } = answer;
  if (mark.status >= 500) return { mark, proven: false, advice: null };
  if (mark.status < 300) return { mark, proven: true, advice: null };
  const refused =
    site.probe !== undefined && mark.status === 401
      ? `${site.uri} answers 401 to the user of its \`probe:\`: ${describeChallenge(answer)}`
      : null;
  const behind = await askBehind(web, site, answer, operation).catch((error: unknown) => {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    operation.log.info(`the application of ${site.uri} cannot be asked behind its web server: ${error.message}`);
    return null;
  });
  // FPM itself says so where the script is missing: a site without PHP, or with its front elsewhere.
  if (behind === null || isRefusal(behind.status))
    return { mark, proven: false, advice: refused ?? describeUnproven(site, answer) };
  operation.log.info(`${site.uri} answers visitors ${mark.status}; its application, asked by itself, ${behind.status}`);
  const proven = behind.status < 300;
  if (proven) return { mark: behind.mark, proven, advice: refused };
  return { mark: behind.mark, proven, advice: behind.status >= 500 ? refused : describeUnproven(site, behind) };
}

/** The application's own answer, by the address that it wants to be asked at: other redirects are not followed. */
async function askBehind(
  web: Pick<WebServer, 'askApplication'>,
  site: SiteLocation,
  visitors: ProbeAnswer,
  operation: Operation,
): Promise<ProbeAnswer> {
  let path = site.healthPath;
  let asked = sameElsewhere(visitors, path) ?? path;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await web.askApplication(site, asked, operation);
    const next = sameElsewhere(answer, path);
    if (next === null || next === asked || redirects === MAXIMUM_REDIRECTS) return answer;
    asked = next;
    path = pathOf(next);
  }
}

/** Where an answer redirects to, when that is the same page under another name or scheme, or with a slash at its end. */
function sameElsewhere({ status, location }: ProbeAnswer, path: string): string | null {
  if (status < 300 || status >= 400 || location === null) return null;
  if (!/^(?:https?:\/)?\/[^/]/i.test(location) || !URL.canParse(location, ANY_ADDRESS)) return null;
  const found = pathOf(location);
  return found === path || found === path.replace(/(\?|$)/, '/$1') ? location : null;
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url, ANY_ADDRESS);
  return `${pathname}${search}`;
}

/**
 * Whether visitors are refused who were not before, by a status: their web server may not read what a restore brought, say. Of a
 * password it knows by its configuration alone.
 */
export function refusesAnew({ status }: ProbeAnswer, before: number | null | undefined): boolean {
  return isRefusal(status) && status !== 401 && status !== before;
}

function isRefusal(status: number): boolean {
  return status >= 400 && status < 500;
}

function describeChallenge({ challenge }: ProbeAnswer): string {
  const scheme = challenge === null ? null : /^[\w-]+/.exec(challenge)?.[0];
  return scheme === null || scheme === undefined || /^basic$/i.test(scheme)
    ? 'set it to a user and a password that get in'
    : `it asks for ${scheme} authentication, and probes know Basic alone`;
}

function describeUnproven({ uri, healthPath, probe }: SiteLocation, { status, location }: ProbeAnswer): string {
  const open = `set \`healthPath\` of ${uri} to a page that every visitor gets`;
  const set =
    status === 401 && probe === undefined ? `set \`probe:\` of ${uri} to a user and a password that get in` : open;
  const to = location === null ? '' : ` to ${JSON.stringify(location.slice(0, 200))}`;
  const or = status === 403 && probe === undefined ? ', or `probe:` to a user and a password' : '';
  return `${uri} answers ${status} at ${healthPath}${to}, which does not prove that it works: ${set}${or}`;
}
