import { join } from 'node:path';
import { z } from 'zod';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import type { WebServer } from '../web/web-server';
import { readPhpCode } from './php-code';

const CODE = readPhpCode(join(__dirname, 'default-socket.php'));

const answerSchema = z.object({ socket: z.string().startsWith('/').max(108).nullable() });

/** The socket that PHP of a site takes for `localhost`; null where it does not say, or does not answer. */
export async function defaultSocketOf(
  web: Pick<WebServer, 'runPhpScript'>,
  site: SiteLocation,
  operation: Operation,
): Promise<string | null> {
  try {
    const answer = await web.runPhpScript(site, { code: CODE, request: {}, answer: answerSchema }, operation);
    return answer?.socket ?? null;
  } catch {
    operation.signal.throwIfAborted();
    return null;
  }
}
