import { z } from 'zod';
import type { SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';
import type { WebServer } from './web-server';

const CODE = String.raw`<?php
$found = null;
foreach (['pdo_mysql.default_socket', 'mysqli.default_socket'] as $name) {
    if ($found === null && is_string(ini_get($name)) && ini_get($name) !== '') $found = ini_get($name);
}
echo "\n" . $_SERVER['KEDGE_ANSWER'] . json_encode(['socket' => $found]) . "\n";
`;

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
