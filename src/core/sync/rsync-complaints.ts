import { type Complaint, FileComplaints, UNREADABLE, VANISHED } from '../complaints/file-complaints';
import { fileErrorOf } from '../complaints/file-errors';
import type { Log } from '../operation';

/** Kinds of complaints about single files, after which all other files are there. */
const KINDS = {
  vanished: VANISHED,
  changed: { sentence: 'that changed each time they were read, and are in no backup', isLost: true },
  unreadable: UNREADABLE,
  attributes: {
    sentence:
      'whose access lists or extended attributes cannot be read: those are in no backup, and the files may not be either',
    isLost: true,
  },
  tooLong: { sentence: 'whose paths are too long, and that are in no backup with all below them', isLost: true },
  failing: { sentence: 'that the disk cannot read, and are in no backup', isLost: true, isOfDisk: true },
} as const;
type Kind = keyof typeof KINDS;

/** rsync's words, by `sender.c`, `flist.c`, `acls.c`, `xattrs.c` and `receiver.c` of 3.2 to 3.5: `…"name"…: error (number)`. */
const NAMED = /^rsync: \[sender\] [^"]*?[ (]"(.+)"\)?(?: \([^)]*\))?(?: failed)?: (.+) \(\d+\)$/;
/** A file of which one of these cannot be read is not sent at all. */
const ATTRIBUTES =
  /^(?:rsync: \[sender\] )?get_(?:acl|xattr_\w+): \w+\("?(.+?)"?, ?[^,]*(?:,\d+)?\)(?:(?: failed)?: (.+) \(\d+\)| returned -?\d+)$/;
const WHOLE: readonly (readonly [RegExp, Kind | null])[] = [
  // It became shorter while it was read, and is tried again: what stays wrong says so by itself.
  [/^rsync: \[sender\] read errors mapping "(.+)"(?: \([^)]*\))?: No data available \(\d+\)$/, null],
  [/^(?:file|directory) has vanished: "(.+)"(?: \([^)]*\))?$/, 'vanished'],
  [/^ERROR: (.+) failed verification -- update discarded\.$/, 'changed'],
  [/^failed to re-read xattr \S+ for (.+)$/, 'attributes'],
  [/^(?:filename overflows max-path len by \d+|skipping overly long name): (.+)$/, 'tooLong'],
  // It is tried again.
  [/^WARNING: (.+) failed verification -- update (?:discarded|put into|retained).*\(will try again\)\.$/, null],
];
/** Sums of what was said before. */
const SUMMARIES = /^(rsync (error|warning): some files|IO error encountered|$)/;

/** The folder that is brought. */
interface Folder {
  /** Its name among the folders of the site. */
  readonly root: string;
  /** The path at which rsync sees it. */
  readonly path: string;
}

/**
 * What rsync complains of while it brings a folder, in the C locale.
 *
 * @param saveWhatCanBe errors of the disk concern the file alone
 */
export function rsyncComplaints(log: Log, site: string, folder: Folder, saveWhatCanBe: boolean): FileComplaints<Kind> {
  return new FileComplaints(log, site, { kinds: KINDS, understand: (line) => understand(line, folder) }, saveWhatCanBe);
}

function understand(line: string, { root, path }: Folder): Complaint<Kind> | null {
  if (SUMMARIES.test(line)) return null;
  const [shown, kind] = namedIn(line);
  const name = nameOf(shown, path);
  // Of the folder itself nothing is forgiven.
  return { kind: name === '' ? undefined : kind, root, name, said: line };
}

/** The file that a line is about, as rsync shows it, and what became of it. */
function namedIn(line: string): [shown: string, kind: Kind | null | undefined] {
  for (const [pattern, kind] of WHOLE) {
    const [, shown] = pattern.exec(line) ?? [];
    if (shown !== undefined) return [shown, kind];
  }
  const [, file, error = ''] = ATTRIBUTES.exec(line) ?? [];
  if (file !== undefined) {
    const kind = fileErrorOf(error);
    return [file, kind === undefined || kind === 'unreadable' ? 'attributes' : kind];
  }
  const [, shown = '', words = ''] = NAMED.exec(line) ?? [];
  return [shown, fileErrorOf(words)];
}

/** As its owner knows it; empty for the folder itself. */
function nameOf(shown: string, folder: string): string {
  const bytes = shown.replace(/\\#([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  const name = Buffer.from(bytes, 'latin1').toString('utf8');
  if (name === folder) return '';
  return name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : name;
}
