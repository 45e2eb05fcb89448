import { PATH_NAME, SITE_FOLDER } from '../../contract/target';

/** Where things stand in an archive: Aegir's layout, and what is ours below `./.kedge/`. */
export const DUMP_MEMBER = './database.sql';
export const RECORD_MEMBER = './.kedge/backup.json';
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
  `s,^\\./database\\.sql$,${ESCAPED}database.sql,;`,
  `s,^database\\.sql$,${DUMP_MEMBER},;`,
  `s,^\\.kedge/,./.kedge/,`,
].join('');

/** Names on the way out: each folder of the site is unpacked into one of its name. */
export const EXTRACT_TRANSFORM = [
  FLAGS,
  `s,^\\(\\./\\)*,${SITE_FOLDER}/,;`,
  // Without its dot: tar keeps the time of a folder by comparing names.
  `s,^${SITE_FOLDER}/\\.\\?$,${SITE_FOLDER},;`,
  `s,^${SITE_FOLDER}/\\.kedge/roots/,,;`,
  `s,^${SITE_FOLDER}/\\.kedge/site/,${SITE_FOLDER}/,`,
].join('');

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

/** The folder of the site that a member belongs to, and its path there. Null below `roots` for what belongs to none. */
export function rootOfMember(parts: readonly string[]): { root: string; parts: readonly string[] } | null {
  const [first, second, name] = parts;
  if (first !== '.kedge') return { root: SITE_FOLDER, parts };
  if (second === 'site') return { root: SITE_FOLDER, parts: parts.slice(2) };
  if (second !== 'roots') return { root: SITE_FOLDER, parts };
  return name !== undefined && PATH_NAME.test(name) ? { root: name, parts: parts.slice(3) } : null;
}

/** Members that are no part of the site. */
export const OWN_MEMBERS = [DUMP_MEMBER, RECORD_MEMBER];
