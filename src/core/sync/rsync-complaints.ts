import { Findings } from '../findings';
import type { Log } from '../operation';

/** A line is one name long, each byte of which may be shown as five. */
const MAXIMUM_LINE = 64 * 1024;
const GRAVE_KEPT = 5;

/** Kinds of complaints about single files, after which all other files are there. */
const KINDS = {
  vanished: 'that vanished or were replaced while they were read, and are in no backup',
  changed: 'that changed each time they were read, and are in no backup',
  unreadable: 'that cannot be read and are in no backup',
  attributes: 'whose access lists or extended attributes cannot be read and are in no backup',
  failing: 'that the disk cannot read, and are in no backup',
} as const;
type Kind = keyof typeof KINDS;
/** Kinds of what is there, and not in the backup. */
const NOT_SAVED: ReadonlySet<Kind> = new Set(['changed', 'unreadable', 'failing']);

const VANISHED =
  /^(No such file or directory|Not a directory|Is a directory|Too many levels of symbolic links) \(\d+\)/;
const UNREADABLE = /^(Permission denied|Operation not permitted|Required key not available|Text file busy) \(\d+\)/;
const FAILING = /^(Input\/output error|Structure needs cleaning|Bad message|Remote I\/O error) \(\d+\)/;

/** rsync's words, by `sender.c`, `flist.c`, `acls.c`, `xattrs.c` and `receiver.c` of 3.2 to 3.5: `…"name"…: error (number)`. */
const NAMED = /^rsync: \[sender\] [^"]*?[ (]"(.+)"\)?(?: \([^)]*\))?(?: failed)?: (.+)$/;
const WHOLE: readonly (readonly [RegExp, Kind | null])[] = [
  // It became shorter while it was read, and is tried again: what stays wrong says so by itself.
  [/^rsync: \[sender\] read errors mapping "(.+)"(?: \([^)]*\))?: No data available \(\d+\)$/, null],
  [/^file has vanished: "(.+)"(?: \([^)]*\))?$/, 'vanished'],
  [/^ERROR: (.+) failed verification -- update discarded\.$/, 'changed'],
  [/^rsync: \[sender\] get_(?:acl|xattr_\w+): \w+\("?(.+?)"?, ?[^,]*(?:,\d+)?\)(?: failed)?: .+$/, 'attributes'],
  // It is tried again.
  [/^WARNING: (.+) failed verification -- update (?:discarded|put into|retained).*\(will try again\)\.$/, null],
];
/** Sums of what was said before. */
const SUMMARIES = /^(rsync (error|warning): some files|IO error encountered|$)/;

/**
 * What rsync complains of while it brings a folder, in the C locale. What concerns one file is kept as findings; all else is grave: what
 * was brought is not what it should be.
 */
export class RsyncComplaints {
  /** The first few complaints of which a backup cannot be made, as rsync wrote them. */
  readonly grave: string[] = [];
  /** It complained of files, so that its exit code says no more than that. */
  any = false;
  private rest = '';
  private readonly kinds = new Map<Kind, Findings>();

  /**
   * @param folder under whose name rsync sees it
   * @param saveWhatCanBe errors of the disk concern the file alone
   */
  constructor(
    private readonly log: Log,
    private readonly site: string,
    private readonly folder: string,
    private readonly saveWhatCanBe: boolean,
  ) {}

  /** A piece of standard error. */
  take(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('latin1')).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, MAXIMUM_LINE);
    for (const line of lines) this.see(line);
  }

  /** The run has ended. */
  end(): void {
    if (this.rest !== '') this.see(this.rest);
    this.rest = '';
  }

  /** Sentences about the files, a kind each. */
  conclude(): string[] {
    return [...this.kinds.values()].flatMap((findings) => findings.conclude() ?? []);
  }

  /** Those of them about what is there and not in the backup. */
  notSaved(): string[] {
    return [...this.kinds].flatMap(([kind, findings]) => (NOT_SAVED.has(kind) ? (findings.conclude() ?? []) : []));
  }

  private see(line: string): void {
    if (SUMMARIES.test(line)) return;
    const { name, kind } = this.understand(line);
    if (kind === null) {
      this.any = true;
      return;
    }
    if (kind === undefined || name === '' || (kind === 'failing' && !this.saveWhatCanBe)) {
      if (this.grave.length < GRAVE_KEPT) this.grave.push(line.slice(0, 1000));
      return;
    }
    this.any = true;
    const findings = this.kinds.get(kind) ?? new Findings(this.log, `files of ${this.site} ${KINDS[kind]}`);
    this.kinds.set(kind, findings);
    findings.add(name);
  }

  /** `kind` is null for what is not to be told, undefined for what is grave. */
  private understand(line: string): { name: string; kind: Kind | null | undefined } {
    for (const [pattern, kind] of WHOLE) {
      const [, name] = pattern.exec(line) ?? [];
      if (name !== undefined) return { name: this.nameOf(name), kind };
    }
    const [, name = '', why = ''] = NAMED.exec(line) ?? [];
    return { name: this.nameOf(name), kind: kindOf(why) };
  }

  /** As its owner knows it; empty for the folder itself. */
  private nameOf(shown: string): string {
    const bytes = shown.replace(/\\#([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    const name = Buffer.from(bytes, 'latin1').toString('utf8');
    return name === this.folder ? '' : name.replace(`${this.folder}/`, '');
  }
}

function kindOf(why: string): Kind | undefined {
  if (FAILING.test(why)) return 'failing';
  if (VANISHED.test(why)) return 'vanished';
  return UNREADABLE.test(why) ? 'unreadable' : undefined;
}
