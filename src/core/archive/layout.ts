/** Where things stand in an archive: Aegir's layout, and what is ours below `./.kedge/`. */
export const DUMP_MEMBER = './database.sql';
export const RECORD_MEMBER = './.kedge/backup.json';
/** A site's own `database.sql` and `.kedge` are kept below this, and come back under their own names. */
const ESCAPED = './.kedge/site/';

/** tar's `flags=rhS`: members and targets of hard links are renamed alike, symlinks keep where they point. */
const FLAGS = 'flags=rhS;';

/** Names on the way in. The dump and the record are packed from a folder of their own, without `./`. */
export const PACK_TRANSFORM = [
  FLAGS,
  `s,^\\./\\.kedge\\(/.*\\)\\?$,${ESCAPED}.kedge\\1,;`,
  `s,^\\./database\\.sql$,${ESCAPED}database.sql,;`,
  `s,^database\\.sql$,${DUMP_MEMBER},;`,
  `s,^\\.kedge/backup\\.json$,${RECORD_MEMBER},`,
].join('');

/** Names on the way out. */
export const EXTRACT_TRANSFORM = `${FLAGS}s,^\\./\\.kedge/site/,./,`;

/** Members that are no part of the site. */
export const OWN_MEMBERS = [DUMP_MEMBER, RECORD_MEMBER];
