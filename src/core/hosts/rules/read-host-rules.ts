import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path/posix';
import { parseDocument } from 'yaml';
import { KedgeError, isKedgeError } from '../../../contract/errors';
import { describeIssues } from '../../../contract/schema-issues';
import { readTrustedFile } from '../../../trust/trusted-path';
import { type HostRules, hostRulesSchema, isWithin } from './host-rules';

const MAXIMUM_BYTES = 4 * 1024 ** 2;

/**
 * Reads what the master called `server` may touch here. The file was written by root, or by the account that reads it: who has that account needs no
 * rules to do what it may do. Nobody else can have changed it, nor a folder on the way.
 * @throws KedgeError HostRefused when it is missing, not understood, or lets the master change what holds him; OwnerRefused
 */
export function readHostRules(path: string, server: string): HostRules {
  const refuse = (why: string, cause?: unknown): KedgeError =>
    new KedgeError('HostRefused', `${path} on ${server} ${why}`, {
      server,
      state: 'nothing is done there',
      hint: `Run \`kedge servers prepare ${server}\`, which writes it.`,
      cause,
    });
  const rules = parse(textOf(path, refuse), refuse);
  for (const place of rules.sites.flatMap(({ folder, staging }) => [folder, staging]))
    for (const held of holdingTheMaster(path))
      if (isWithin(place, held))
        throw refuse(`names ${place}, where ${held} lies: who writes there is held by nothing`);
  return rules;
}

/** As {@link readHostRules}, again and again: the same object for as long as the file is the same. */
export function rulesReader(path: string, server: string): () => HostRules {
  let known: { readonly seen: string; readonly rules: HostRules } | null = null;
  return () => {
    const status = statSync(path, { bigint: true, throwIfNoEntry: false });
    const seen = status === undefined ? '' : [status.dev, status.ino, status.size, status.ctimeNs].join(' ');
    if (known?.seen !== seen || status === undefined) known = { seen, rules: readHostRules(path, server) };
    return known.rules;
  };
}

function textOf(path: string, refuse: (why: string, cause: unknown) => KedgeError): string {
  try {
    return readTrustedFile(path, MAXIMUM_BYTES).toString('utf8');
  } catch (cause) {
    if (isKedgeError(cause)) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    throw refuse(isMissing ? 'does not exist' : `cannot be read: ${message}`, cause);
  }
}

function parse(text: string, refuse: (why: string, cause?: unknown) => KedgeError): HostRules {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw refuse(`is no YAML: ${error.message}`, error);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw refuse('has aliases, which are not taken here', cause);
  }
  const decoded = hostRulesSchema.safeParse(value);
  if (decoded.success) return decoded.data;
  throw refuse(`is not understood: ${describeIssues(decoded.error)}`);
}

/** What makes a program that keeps to rules be started, and these rules. */
function holdingTheMaster(rules: string): string[] {
  const program = process.argv[1];
  return [rules, process.execPath, join(userInfo().homedir, '.ssh'), ...(program === undefined ? [] : [program])];
}
