import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { z } from 'zod';
import { isKedgeError } from '../../contract/errors';
import { type SiteLocation, rootsOf } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { askFastCgi } from './fast-cgi';
import { withProbeFile } from './probe-file';

const TIME_LIMIT_MS = 30_000;
const MAXIMUM_ANSWER_BYTES = 64 * 1024;

const answerSchema = z.strictObject({ invalidated: z.int().nonnegative().nullable() });

/**
 * Makes every worker of the site's FPM see the code now on disk, also where opcache looks at no time stamps: they share
 * one cache, so one of them is asked to invalidate each cached script under the folders of the site. Neighbours keep theirs.
 * Returns how many, or null where opcache is off or restricted, or PHP does not answer.
 */
export async function refreshPhp(
  host: Host,
  flags: string,
  site: SiteLocation,
  operation: Operation,
): Promise<number | null> {
  // What the site itself prints, by auto_prepend_file say, is told from the answer by this.
  const mark = randomBytes(16).toString('hex');
  const place = { host, flags, uri: site.uri };
  try {
    const output = await withProbeFile(place, `${randomBytes(16).toString('hex')}.php`, SCRIPT, (script) =>
      askFastCgi({
        socket: site.phpSocket,
        parameters: {
          GATEWAY_INTERFACE: 'CGI/1.1',
          SERVER_PROTOCOL: 'HTTP/1.1',
          REQUEST_METHOD: 'GET',
          REQUEST_URI: '/',
          SCRIPT_NAME: '/',
          SCRIPT_FILENAME: script,
          DOCUMENT_ROOT: dirname(script),
          KEDGE_ROOTS: JSON.stringify(rootsOf(site).map(({ path }) => path)),
          KEDGE_ANSWER: mark,
        },
        timeoutMs: TIME_LIMIT_MS,
        maximumBytes: MAXIMUM_ANSWER_BYTES,
        signal: operation.signal,
      }),
    );
    return decode(output, mark);
  } catch (error) {
    if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
    operation.log.info(error.message);
    return null;
  }
}

function decode(output: Buffer, mark: string): number | null {
  const line = output
    .toString('utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(mark));
  if (line === undefined) return null;
  try {
    return answerSchema.parse(JSON.parse(line.slice(mark.length))).invalidated;
  } catch {
    // The site's own PHP took part in the answer; it harms itself alone.
    return null;
  }
}

const SCRIPT = `<?php
ini_set('display_errors', '0');
clearstatcache(true);
$invalidated = null;
$status = function_exists('opcache_get_status') ? @opcache_get_status(true) : false;
if (is_array($status) && !empty($status['opcache_enabled']) && function_exists('opcache_invalidate')) {
    $invalidated = 0;
    $folders = [];
    foreach (json_decode($_SERVER['KEDGE_ROOTS'], true) as $root) {
        $root = rtrim($root, '/');
        array_push($folders, $root . '/', (realpath($root) ?: $root) . '/');
    }
    foreach (array_keys($status['scripts'] ?? []) as $script) {
        foreach ($folders as $folder) {
            if (strncmp(preg_replace('~^phar://~', '', $script), $folder, strlen($folder)) !== 0) continue;
            if (opcache_invalidate($script, true)) $invalidated++;
            break;
        }
    }
}
echo "\\n", $_SERVER['KEDGE_ANSWER'], json_encode(['invalidated' => $invalidated]), "\\n";
`;
