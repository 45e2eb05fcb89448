import { join } from 'node:path';
import { z } from 'zod';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import type { WebServer } from '../web/web-server';
import { readPhpCode } from './php-code';

const CODE = readPhpCode(join(__dirname, 'environment-of-site.php'));

const answerSchema = z.object({ names: z.array(z.union([z.string(), z.int()]).nullable()).max(1000) });

/** What every request has, and every process. The site's settings see others of them wherever Kedge evaluates them. */
const OF_REQUESTS = new Set(
  `AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE DOCUMENT_ROOT DOCUMENT_URI FCGI_ROLE GATEWAY_INTERFACE HTTPS ORIG_PATH_INFO
  ORIG_PATH_TRANSLATED ORIG_SCRIPT_FILENAME ORIG_SCRIPT_NAME PATH_INFO PATH_TRANSLATED PHP_SELF PHP_VALUE PHP_ADMIN_VALUE QUERY_STRING
  REDIRECT_STATUS REMOTE_ADDR REMOTE_PORT REMOTE_USER REQUEST_METHOD REQUEST_SCHEME REQUEST_TIME REQUEST_TIME_FLOAT REQUEST_URI
  SCRIPT_FILENAME SCRIPT_NAME SERVER_ADDR SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SOFTWARE UNIQUE_ID argc argv
  KEDGE_ANSWER KEDGE_REQUEST HOME LANG LOGNAME OLDPWD PATH PWD SHELL SHLVL TMPDIR USER _`.split(/\s+/),
);

/**
 * Names of the variables that PHP of a site is given: by the environment of its pool, and by parameters of the web server. As
 * far as is known: those of the pool are left out where PHP does not answer.
 */
export async function environmentOfSite(
  web: Pick<WebServer, 'runPhpScript' | 'fastCgiParameters'>,
  site: SiteLocation,
  operation: Operation,
): Promise<readonly string[]> {
  const asked = async (what: string, ask: () => Promise<readonly string[]>): Promise<readonly string[]> => {
    try {
      return await ask();
    } catch (error) {
      operation.signal.throwIfAborted();
      operation.log.info(`${what} of ${site.uri} does not say what its environment holds: ${String(error)}`);
      return [];
    }
  };
  const script = { code: CODE, request: {}, answer: answerSchema };
  const ofPool = await asked('PHP', async () => {
    const answer = await web.runPhpScript(site, script, operation);
    return (answer?.names ?? []).map(String);
  });
  const ofVhost = await asked('the web server', () => web.fastCgiParameters(site, operation));
  return [...new Set([...ofPool, ...ofVhost])].filter(
    (name) => /^[A-Za-z_]\w{0,199}$/.test(name) && !name.startsWith('HTTP_') && !OF_REQUESTS.has(name),
  );
}
