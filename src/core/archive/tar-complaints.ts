import { type Complaint, FileComplaints, UNREADABLE, VANISHED } from '../complaints/file-complaints';
import { fileErrorOf } from '../complaints/file-errors';
import type { Log } from '../operation';
import { untellable } from './left-out';

/** tar shows names escaped and, but for what it quotes, without a colon: names of the owner's cannot forge a complaint. */
const COMPLAINT = /^tar: ((?:[^:\\]|\\.)+): (.+)$/;
/** Sums of what was said before. */
const SUMMARIES = /^tar: (Exiting with failure status|Error exit delayed)/;

/** Kinds of complaints about single files, after which the archive is whole but for them. */
const KINDS = {
  changed: { sentence: 'that changed while they were read' },
  shrank: { sentence: 'that became shorter while they were read and end in zeros in the backup' },
  vanished: VANISHED,
  unreadable: UNREADABLE,
  attributes: { sentence: 'whose access lists or extended attributes cannot be read and are in no backup' },
  elsewhere: { sentence: 'that lie on another file system and are in no backup', isLost: true },
  special: { sentence: 'that are pipes, sockets or devices and are in no backup' },
  failing: {
    sentence: 'that the disk cannot read, and that end in zeros in the backup or are in none',
    isLost: true,
    isOfDisk: true,
  },
} as const;
type Kind = keyof typeof KINDS;

/**
 * tar's words for what an owner can do to his files, also while they are read, by `src/create.c`, `src/misc.c` and
 * paxutils' `paxerror.c` of GNU tar 1.34.
 */
const WORDS: readonly (readonly [RegExp, Kind])[] = [
  [/^file changed as we read it$/, 'changed'],
  [/^File shrank by \d+ bytes?; padding with zeros$/, 'shrank'],
  [/^File removed before we read it$/, 'vanished'],
  [/^file is on a different filesystem; not dumped$/, 'elsewhere'],
  [/^(socket ignored|door ignored|Unknown file type; file ignored)$/, 'special'],
  [/^Warning: Cannot (?!open|stat|read\b|readlink|savedir|close)\S+:? /, 'attributes'],
];
/** An error of the system. */
const ERROR = /^(?:Warning: )?(?:Cannot \w+|Read error at byte .*): ([^:]+)$/;

/** What a name of a complaint stands for. */
export interface Place {
  readonly place: 'folder' | 'inside' | 'ours';
  /** Name of the folder of the site. */
  readonly root: string;
}

/**
 * What GNU tar complains of while it packs, run with `--quoting-style=escape` and in the C locale.
 *
 * @param placeOf of a name as tar has it: a folder of the site itself, what lies in one, or else something of ours; and the
 *   name of the folder
 * @param saveWhatCanBe errors of the disk concern the file alone
 */
export function tarComplaints(
  log: Log,
  site: string,
  placeOf: (name: string) => Place,
  saveWhatCanBe = false,
): FileComplaints<Kind> {
  return new FileComplaints(
    log,
    site,
    { kinds: KINDS, understand: (line) => understand(line, placeOf) },
    saveWhatCanBe,
  );
}

function understand(line: string, placeOf: (name: string) => Place): Complaint<Kind> | null {
  if (!line.startsWith('tar: ') || SUMMARIES.test(line)) return null;
  const said = line.slice('tar: '.length);
  const [, shown = '', words = ''] = COMPLAINT.exec(line) ?? [];
  const { place: named, root } = placeOf(shown);
  const kind = kindOf(words);
  // Of attributes tar names the file alone, without its folder, and without them each member is whole.
  const place = kind === 'attributes' ? 'inside' : named;
  if (place === 'ours' || (place === 'folder' && kind !== 'changed')) return { kind: undefined, root, name: '', said };
  const bytes = unquoted(shown);
  const name = Buffer.from(bytes, 'latin1').toString('utf8').replace(/^\.\//, '');
  // Found before packing, and named then.
  return { kind: kind === 'special' && untellable(bytes) ? null : kind, root, name, said };
}

function kindOf(words: string): Kind | undefined {
  const [, error = ''] = ERROR.exec(words) ?? [];
  return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? fileErrorOf(error);
}

/** A name as tar shows it (`quotearg` of gnulib, style `escape`), a byte a character. */
function unquoted(name: string): string {
  return name.replace(/\\([0-7]{3}|.)/g, (_, what: string) =>
    what.length === 3 ? String.fromCharCode(Number.parseInt(what, 8)) : (LETTERS[what] ?? what),
  );
}

const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
