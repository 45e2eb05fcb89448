import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Document, LineCounter, isNode, isPair, isScalar, parseDocument } from 'yaml';
import type { z } from 'zod';
import { KedgeError, isKedgeError } from '../contract/errors';
import { describeIssue } from '../contract/schema-issues';
import { readTrustedFile } from '../trust/trusted-path';
import { findContradictions } from './contradictions';
import { nearest } from './nearest';
import { type Configuration, configurationSchema } from './schema';

type Path = readonly PropertyKey[];

/** Keys that later releases know, with what to say until then. */
const LATER: Record<string, string> = {
  platforms: 'platforms are not supported yet',
  platform: 'platforms are not supported yet',
};

/**
 * Where the configuration is: --config, $KEDGE_CONFIG, ./kedge.yaml, /etc/kedge/kedge.yaml. It names commands, so root takes none
 * from whatever folder he stands in. @throws KedgeError ConfigurationInvalid
 */
export function findConfiguration(options: {
  path?: string;
  environment: Record<string, string | undefined>;
  workingFolder: string;
  isRoot: boolean;
}): string {
  const named = options.path ?? options.environment['KEDGE_CONFIG'];
  if (named !== undefined) return resolve(options.workingFolder, named);
  const here = join(options.workingFolder, 'kedge.yaml');
  const candidates = [...(options.isRoot ? [] : [here]), '/etc/kedge/kedge.yaml'];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new KedgeError('ConfigurationInvalid', `there is no ${candidates.join(' and no ')}`, {
    hint:
      options.isRoot && existsSync(here)
        ? `Root takes no configuration from the folder he stands in. If you trust ${here}, name it by --config or $KEDGE_CONFIG.`
        : 'Write one after kedge.example.yaml, or name it by --config or $KEDGE_CONFIG.',
  });
}

/**
 * Reads and checks the configuration.
 * @throws KedgeError ConfigurationInvalid, every line of it `file:line:column: path: what was expected`; OwnerRefused where
 *   others can change it
 */
export async function loadConfiguration(path: string): Promise<Configuration> {
  return parseConfiguration(readConfiguration(path), path);
}

function readConfiguration(path: string): string {
  try {
    return readTrustedFile(path).toString('utf8');
  } catch (cause) {
    if (isKedgeError(cause)) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be read: ${message}`;
    throw new KedgeError('ConfigurationInvalid', `${path} ${why}`, { cause });
  }
}

/** As {@link loadConfiguration}, from text; `path` is what errors name. */
export function parseConfiguration(text: string, path: string): Configuration {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const refuse = (problems: readonly string[]): KedgeError =>
    new KedgeError('ConfigurationInvalid', problems.join('\n'));
  if (document.errors.length > 0) throw refuse(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`));

  const place = (issuePath: Path): string => at(offsetOf(document, issuePath));
  const decoded = configurationSchema.safeParse(valueOf(document, path));
  if (!decoded.success) {
    throw refuse(
      decoded.error.issues.flatMap((issue) =>
        placesOf(issue).map(([at, what]) => `${place(at)}: ${at.map(String).join('.') || 'the file'}: ${what}`),
      ),
    );
  }
  const contradictions = findContradictions(decoded.data, existsSync);
  if (contradictions.length > 0)
    throw refuse(contradictions.map((found) => `${place(found.path)}: ${found.path.join('.')}: ${found.message}`));
  return decoded.data;
}

/** @throws KedgeError ConfigurationInvalid for aliases that lead nowhere, or multiply without end */
function valueOf(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KedgeError('ConfigurationInvalid', `${path}:1:1: the file: ${why}`, { cause });
  }
}

/** An issue as places and what is wrong there. */
function placesOf(issue: z.core.$ZodIssue): [Path, string][] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [[...issue.path, key], unknownKey(key)]);
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => [issue.path, inner.message]);
  return [[issue.path, describeIssue(issue)]];
}

function unknownKey(key: string): string {
  const later = LATER[key];
  if (later !== undefined) return later;
  const near = nearest(key, KNOWN_KEYS);
  return near === null ? 'unknown key' : `unknown key; did you mean ${near}?`;
}

const KNOWN_KEYS = [
  ...[
    'master',
    'backups',
    'state',
    'spool',
    'servers',
    'sites',
    'web',
    'db',
    'kind',
    'vhosts',
    'flags',
    'test',
    'reload',
    'listen',
    'listenTls',
    'vhostTemplate',
  ],
  ...[
    'socket',
    'host',
    'port',
    'admin',
    'user',
    'password',
    'file',
    'env',
    'server',
    'root',
    'paths',
    'owner',
    'php',
    'aliases',
    'vhost',
  ],
  ...['requests', 'previousKey', 'sign', 'deployFrom'],
  ...['notify', 'objective', 'maxAge', 'command', 'webhook', 'url', 'headers', 'events'],
  ...['schedules', 'cron', 'timeZone', 'jitter', 'description', 'quiesce', 'compression', 'prune'],
  ...['keep', 'last', 'daily', 'weekly', 'monthly', 'yearly', 'safety', 'tasks', 'newest', 'limits'],
  ...['worker', 'versioning', 'metrics'],
  ...['ssh', 'identityFile', 'agent', 'knownHosts'],
  ...['tls', 'certificate', 'key', 'redirects', 'https', 'vhostInclude'],
  ...[
    'healthPath',
    'settings',
    'exclude',
    'maintenanceLimit',
    'hooks',
    'before',
    'fenced',
    'afterSwitch',
    'after',
    'format',
    'names',
    'database',
  ],
];

/** Offset of a node, or of the nearest one above it that exists; of the key, where the problem is a key. */
function offsetOf(document: Document, path: Path): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    if (parent && typeof parent === 'object' && 'items' in parent && Array.isArray(parent.items)) {
      for (const [index, item] of parent.items.entries()) {
        if (isPair(item) && isScalar(item.key) && String(item.key.value) === String(key))
          return item.key.range?.[0] ?? 0;
        if (isNode(item) && String(index) === String(key)) return item.range?.[0] ?? 0;
      }
    }
  }
  return 0;
}
