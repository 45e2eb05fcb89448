import { posix } from 'node:path';
import { PATH_NAME } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { Traces } from '../sites/site-kind';

/** A folder that a site seems to use outside of its document root. */
export interface FolderElsewhere {
  /** A name it could be declared by. */
  readonly name: string;
  readonly path: string;
  /** What leads there, in words. */
  readonly from: string;
}

const DEPTH = 3;
const LIMIT_MS = 10_000;
/** Of names and targets of links. */
const MAXIMUM_BYTES = 64 * 1024;
const NAMED = 10;

// $1 folder, $2 depth, $3 bytes.
const LINKS = `find "$1" -maxdepth "$2" -type l -printf '%P\\0%l\\0' 2>/dev/null | head -c "$3"`;

const CONSTANTS = /^[^\n/#*]*\bdefine\s*\(\s*['"](\w+)['"]\s*,\s*(['"])([^'"\\\n]+)\2\s*\)/gm;

/** The text of settings, and the constants in it that name folders. */
export interface SettingsText {
  readonly text: string;
  readonly folderConstants: Traces['folderConstants'];
}

/**
 * Folders of the owner that links of a document root, or constants in the text of its settings, lead to. A guess: the
 * folder is its owner's and hostile, so what is named has to belong to him and is looked at by its name alone.
 */
export async function findFoldersElsewhere(
  host: Host,
  root: string,
  uid: number,
  settings: SettingsText | null,
  operation: Operation,
): Promise<FolderElsewhere[]> {
  const { stdout } = await host.run({
    argv: ['sh', '-c', LINKS, 'sh', '/folder', String(DEPTH), String(MAXIMUM_BYTES)],
    sandbox: { readOnly: [{ from: root, to: '/folder' }], capabilities: ['DAC_READ_SEARCH'] },
    limits: { timeoutMs: LIMIT_MS },
    operation,
  });
  const fields = stdout.split('\0').slice(0, -1);
  const candidates = Array.from({ length: Math.floor(fields.length / 2) }, (_, at) => {
    const [link = '', target = ''] = fields.slice(2 * at);
    return { base: link, path: posix.resolve(root, posix.dirname(link), target), from: `the link ${link}` };
  });
  const { text = '', folderConstants = {} } = settings ?? {};
  for (const [, constant = '', , value = ''] of text.matchAll(CONSTANTS)) {
    const base = Object.hasOwn(folderConstants, constant) ? folderConstants[constant] : undefined;
    if (base === undefined) continue;
    // What it names relative is relative to the folder of the application.
    candidates.push({ base: base ?? value, path: posix.resolve(root, value), from: constant });
  }

  const found: FolderElsewhere[] = [];
  for (const { base, path, from } of candidates) {
    if (found.length === NAMED) break;
    if (overlaps(path, root) || found.some((known) => overlaps(path, known.path))) continue;
    const status = await host.status(path);
    if (status?.type !== 'folder' || status.uid !== uid || uid === 0) continue;
    found.push({ name: nameFor(base, found), path, from });
  }
  return found;
}

function overlaps(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
}

/** A name that the configuration takes, after that of the link. */
function nameFor(path: string, taken: readonly FolderElsewhere[]): string {
  const plain = posix
    .basename(path)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  const base = PATH_NAME.test(plain) ? plain : 'files';
  const isFree = (name: string): boolean => taken.every((other) => other.name !== name);
  let name = base;
  for (let number = 2; !isFree(name); number += 1) name = `${base}-${number}`;
  return name;
}
