import { PATH_NAME, SITE_FOLDER } from '../../contract/target';

/** Where things stand in an archive: Aegir's layout, and what is ours below `./.kedge/`. */
const DUMP_MEMBER = './database.sql';
const RECORD_MEMBER = './.kedge/backup.json';
/** A site's own `database.sql` and `.kedge` are kept below this, and come back under their own names. */
const ESCAPED = './.kedge/site/';

/** tar's `flags=rhS`: members and targets of hard links are renamed alike, symlinks keep where they point. */
const FLAGS = 'flags=rhS;';

/** Declared paths, each in a folder of its name. */
export const ROOTS = '.kedge/roots';

/** Names on the way in. The dump, the record and declared paths are packed from a folder of their own, without `./`. */
export const PACK_TRANSFORM = [
  FLAGS,
  `s,^\\./\\.kedge\\(/.*\\)\\?$,${ESCAPED}.kedge\\1,;`,
  `s,^\\./database\\.sql\\(/.*\\)\\?$,${ESCAPED}database.sql\\1,;`,
  `s,^database\\.sql$,${DUMP_MEMBER},;`,
  `s,^\\.kedge/,./.kedge/,`,
].join('');

/** What a member of an archive is, by its place. */
export type Place =
  | { readonly as: 'dump' | 'record' }
  /** A folder that only holds others: it is no folder of the site. */
  | { readonly as: 'structure' }
  /** Name of the folder of the site, and the path there. */
  | { readonly as: 'site'; readonly root: string; readonly path: string };

/** The longest path Linux takes, PATH_MAX without its NUL (man 3 realpath, limits.h). */
const MAXIMUM_PATH_BYTES = 4095;

/**
 * How long a path in a folder of the site may be, in bytes, to be packed: GNU tar reads and packs longer ones, and cannot
 * unpack what is longer than the kernel takes, together with what stands before it in the archive.
 */
export function longestPath(root: string): number {
  return MAXIMUM_PATH_BYTES - Buffer.byteLength(root === SITE_FOLDER ? ESCAPED : `./${ROOTS}/${root}/`);
}

/** A pattern, of tar and of find, for what is longer than that. In the C locale, where each character is a byte. */
export function tooLongPattern(root: string): string {
  return `${'?'.repeat(longestPath(root) + 1)}*`;
}

/** Null for what belongs to no folder of the site. @param parts of a path that stays inside */
export function placeOf(parts: readonly string[]): Place | null {
  const [first, second, third] = parts;
  const path = parts.join('/');
  if (`./${path}` === DUMP_MEMBER) return { as: 'dump' };
  if (`./${path}` === RECORD_MEMBER) return { as: 'record' };
  if (first !== '.kedge') return { as: 'site', root: SITE_FOLDER, path };
  if (second === undefined) return { as: 'structure' };
  if (second !== 'site' && second !== 'roots') return null;
  if (third === undefined) return { as: 'structure' };
  if (second === 'roots')
    return PATH_NAME.test(third) ? { as: 'site', root: third, path: parts.slice(3).join('/') } : null;
  const isEscaped = third === 'database.sql' || third === '.kedge';
  return isEscaped ? { as: 'site', root: SITE_FOLDER, path: parts.slice(2).join('/') } : null;
}
