import { Findings } from '../findings';
import type { Log } from '../operation';
import { untellable } from './left-out';

/** tar shows names escaped and, but for what it quotes, without a colon: names of the owner's cannot forge a complaint. */
const COMPLAINT = /^tar: ((?:[^:\\]|\\.)+): (.+)$/;
/** A complaint is a few names long, each byte of which may be shown as four. */
const MAXIMUM_LINE = 64 * 1024;
const GRAVE_KEPT = 5;

/** Kinds of complaints about single files, after which the archive is whole but for them. */
const KINDS = {
  changed: 'that changed while they were read',
  shrank: 'that became shorter while they were read and end in zeros in the backup',
  vanished: 'that vanished or were replaced while they were read, and are in no backup',
  unreadable: 'that cannot be read and are in no backup',
  attributes: 'whose access lists or extended attributes cannot be read and are in no backup',
  elsewhere: 'that lie on another file system and are in no backup',
  special: 'that are pipes, sockets or devices and are in no backup',
  failing: 'that the disk cannot read, and that end in zeros in the backup or are in none',
} as const;
type Kind = keyof typeof KINDS;
/** Kinds of what is there, and not in the backup. */
const NOT_SAVED: ReadonlySet<Kind> = new Set(['unreadable', 'elsewhere', 'failing']);

/**
 * tar's words for what an owner can do to his files, also while they are read, by `src/create.c`, `src/misc.c` and
 * paxutils' `paxerror.c` of GNU tar 1.34, and the C library's for the errors behind them. An error of the disk is none of them.
 */
const WORDS: readonly (readonly [RegExp, Kind])[] = [
  [/^file changed as we read it$/, 'changed'],
  [/^File shrank by \d+ bytes?; padding with zeros$/, 'shrank'],
  [/^File removed before we read it$/, 'vanished'],
  [/^file is on a different filesystem; not dumped$/, 'elsewhere'],
  [/^(socket ignored|door ignored|Unknown file type; file ignored)$/, 'special'],
  [/^Warning: Cannot (?!open|stat|read\b|readlink|savedir|close)\S+:? /, 'attributes'],
  [
    /^(Warning: )?(Cannot \w+|Read error at byte .*): (No such file or directory|Not a directory|Is a directory|Too many levels of symbolic links|No such device or address|Invalid argument|Stale file handle|File name too long)$/,
    'vanished',
  ],
  [
    /^(Warning: )?(Cannot \w+|Read error at byte .*): (Permission denied|Operation not permitted|Required key not available|Operation not supported|No such device|Text file busy|Device or resource busy)$/,
    'unreadable',
  ],
  [
    /^(Warning: )?(Cannot \w+|Read error at byte .*): (Input\/output error|Structure needs cleaning|Bad message|Remote I\/O error)$/,
    'failing',
  ],
];

/** What a name of a complaint stands for. */
export interface Place {
  readonly place: 'folder' | 'inside' | 'ours';
  /** Name of the folder of the site. */
  readonly root: string;
}

/**
 * What GNU tar complains of while it packs, run with `--quoting-style=escape` and in the C locale. What concerns one file of
 * the site is kept as findings; all else is grave: the archive is not what it should be.
 */
export class Complaints {
  /** The first few complaints of which a backup cannot be made, as tar wrote them. */
  readonly grave: string[] = [];
  /** tar complained of files, so that its exit code says no more than that. */
  any = false;
  private rest = '';
  private readonly kinds = new Map<string, { kind: Kind; root: string; findings: Findings }>();

  /**
   * @param placeOf of a name as tar has it: a folder of the site itself, what lies in one, or else something of ours; and the
   *   name of the folder
   * @param saveWhatCanBe errors of the disk concern the file alone
   */
  constructor(
    private readonly log: Log,
    private readonly site: string,
    private readonly placeOf: (name: string) => Place,
    private readonly saveWhatCanBe = false,
  ) {}

  /** A piece of standard error. */
  take(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('latin1')).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, MAXIMUM_LINE);
    for (const line of lines) this.see(line);
  }

  /** One run of tar has ended. */
  end(): void {
    if (this.rest !== '') this.see(this.rest);
    this.rest = '';
  }

  /** Sentences about the files, a kind each. */
  conclude(): string[] {
    return [...this.kinds.values()].flatMap(({ findings }) => findings.conclude() ?? []);
  }

  /** Those of them about what is there and not in the backup, by the name of the folder of the site. */
  notSaved(): Map<string, string[]> {
    const sentences = new Map<string, string[]>();
    for (const { kind, root, findings } of this.kinds.values()) {
      const sentence = NOT_SAVED.has(kind) ? findings.conclude() : null;
      if (sentence !== null) sentences.set(root, [...(sentences.get(root) ?? []), sentence]);
    }
    return sentences;
  }

  private see(line: string): void {
    if (!line.startsWith('tar: ') || /^tar: (Exiting with failure status|Error exit delayed)/.test(line)) return;
    const [, name = '', words = ''] = COMPLAINT.exec(line) ?? [];
    const kind = WORDS.find(([pattern]) => pattern.test(words))?.[1];
    const { place: named, root } = this.placeOf(name);
    // Of attributes tar names the file alone, without its folder, and without them each member is whole.
    const place = kind === 'attributes' ? 'inside' : named;
    const isGrave = kind === undefined || (kind === 'failing' && !this.saveWhatCanBe);
    if (isGrave || place === 'ours' || (place === 'folder' && kind !== 'changed')) {
      if (this.grave.length < GRAVE_KEPT) this.grave.push(line.slice('tar: '.length, 1000));
      return;
    }
    this.any = true;
    const bytes = unquoted(name);
    // Found before packing, and named then.
    if (kind === 'special' && untellable(bytes)) return;
    const key = `${kind} ${root}`;
    const found = this.kinds.get(key) ?? {
      kind,
      root,
      findings: new Findings(this.log, `files of ${this.site} ${KINDS[kind]}`),
    };
    this.kinds.set(key, found);
    found.findings.add(Buffer.from(bytes, 'latin1').toString('utf8').replace(/^\.\//, ''));
  }
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
