import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { z } from 'zod';
import type { SiteLocation } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { askFastCgi } from './fast-cgi';
import { assertOwnListener } from './fpm-socket';
import { newProbeName, withProbeFile } from '../flags/probe-file';

/** Visitors of a site in maintenance wait as long. */
const TIME_LIMIT_MS = 10_000;
const MAXIMUM_ANSWER_BYTES = 64 * 1024;

/** A script of Kedge's that PHP of a site runs. */
export interface PhpProgram<T> {
  /**
   * PHP code with its opening tag. It finds a request as JSON in `$_SERVER['KEDGE_REQUEST']`, and prints a line that
   * begins with `$_SERVER['KEDGE_ANSWER']` and goes on with its answer as JSON.
   */
  readonly code: string;
  readonly answer: z.ZodType<T>;
  /** Of each request. Default: 10 s. */
  readonly timeoutMs?: number;
}

/** One that is asked once. */
export interface PhpScript<T> extends PhpProgram<T> {
  readonly request: object;
}

/**
 * Runs a script of Kedge's once, see {@link withPhpScript}.
 * @throws KedgeError ProbeFailed when PHP does not answer
 */
export function runPhpScript<T>(
  place: { readonly host: Host; readonly flags: string },
  site: SiteLocation,
  { request, ...script }: PhpScript<T>,
  operation: Operation,
): Promise<T | null> {
  return withPhpScript(place, site, script, (ask) => ask(request), operation);
}

/**
 * Has `work` ask a script of Kedge's in the site's own FPM, by its socket, any number of times: it runs as the site's owner,
 * and in what the site itself sees of the machine. An answer is null when what comes back is none of the script: the site's own
 * PHP takes part in it, and harms itself alone.
 * @throws KedgeError ProbeFailed, by what `work` asks with, when PHP does not answer
 */
export async function withPhpScript<T, R>(
  place: { readonly host: Host; readonly flags: string },
  site: SiteLocation,
  { code, answer, timeoutMs = TIME_LIMIT_MS }: PhpProgram<T>,
  work: (ask: (request: object) => Promise<T | null>) => Promise<R>,
  operation: Operation,
): Promise<R> {
  return withProbeFile({ ...place, uri: site.uri }, `${newProbeName(operation)}.php`, code, (script) =>
    work(async (request) => {
      // What the site itself prints, by auto_prepend_file say, is told from the answer by this.
      const mark = randomBytes(16).toString('hex');
      const output = await askFastCgi({
        host: place.host,
        socket: site.phpSocket,
        assertListener: () => assertOwnListener(place.host, site),
        parameters: {
          GATEWAY_INTERFACE: 'CGI/1.1',
          SERVER_PROTOCOL: 'HTTP/1.1',
          REQUEST_METHOD: 'GET',
          REQUEST_URI: '/',
          SCRIPT_NAME: '/',
          SCRIPT_FILENAME: script,
          DOCUMENT_ROOT: dirname(script),
          KEDGE_REQUEST: JSON.stringify(request),
          KEDGE_ANSWER: mark,
        },
        timeoutMs,
        maximumBytes: MAXIMUM_ANSWER_BYTES,
        signal: operation.signal,
      });
      return answerIn(output, mark, answer);
    }),
  );
}

function answerIn<T>(output: Buffer, mark: string, answer: z.ZodType<T>): T | null {
  const line = output
    .toString('utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(mark));
  if (line === undefined) return null;
  try {
    return answer.parse(JSON.parse(line.slice(mark.length)));
  } catch {
    return null;
  }
}
