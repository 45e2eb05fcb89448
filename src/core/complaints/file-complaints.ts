import { Findings } from '../findings';
import { LineReader } from '../lines';
import type { Log } from '../operation';

const GRAVE_KEPT = 5;
const GRAVE_LENGTH = 1000;

/** What can be said of single files, after which all other files are there. */
export interface KindOfComplaint {
  /** Behind `files of example.com`, and with what comes of them: `that cannot be read and are in no backup`. */
  readonly sentence: string;
  /** They are there, and the backup does not have them. */
  readonly isLost?: true;
  /** The disk fails: a backup goes on without them only where what can be saved is to be. */
  readonly isOfDisk?: true;
}

/** Kinds that every program speaks of; see file-errors.ts. */
export const VANISHED: KindOfComplaint = {
  sentence: 'that vanished or were replaced while they were read, and are in no backup',
};
export const UNREADABLE: KindOfComplaint = {
  sentence: 'that cannot be read and are in no backup',
  isLost: true,
};

/** What one line says. */
export interface Complaint<Kind extends string> {
  /** Null for what explains the exit code and need not be told; undefined for what is grave. */
  readonly kind: Kind | null | undefined;
  /** Name of the folder of the site. */
  readonly root: string;
  /** Of the file, as its owner knows it. */
  readonly name: string;
  /** The line, for people. */
  readonly said: string;
}

/** How one program speaks. */
export interface Speech<Kind extends string> {
  readonly kinds: Readonly<Record<Kind, KindOfComplaint>>;
  /** Null for a line that says nothing of its own. @param line in latin1 */
  readonly understand: (line: string) => Complaint<Kind> | null;
}

/**
 * What a program complains of on its standard error while it reads the files of a site. What concerns one file is kept as findings; all
 * else is grave: what was read is not what it should be.
 */
export class FileComplaints<Kind extends string> {
  /** It complained of files, so that its exit code says no more than that. */
  any = false;
  private readonly graveOfEach: string[][] = [];
  private readonly found = new Map<string, { kind: KindOfComplaint; root: string; findings: Findings }>();

  /** @param saveWhatCanBe errors of the disk concern the file alone */
  constructor(
    private readonly log: Log,
    private readonly site: string,
    private readonly speech: Speech<Kind>,
    private readonly saveWhatCanBe: boolean,
  ) {}

  /** For the standard error of one run of the program, or of one of its processes. */
  hear(): LineReader {
    const grave: string[] = [];
    this.graveOfEach.push(grave);
    return new LineReader('latin1', (line) => this.see(line, grave));
  }

  /** The first few complaints of each run of which a backup cannot be made, as the program wrote them. */
  get grave(): readonly string[] {
    return this.graveOfEach.flat();
  }

  /** Sentences about the files, one for each kind of each folder. */
  conclude(): string[] {
    return [...this.found.values()].flatMap(({ findings }) => findings.conclude() ?? []);
  }

  /** Those of them about what is there and not in the backup, by the name of the folder of the site. */
  notSaved(): Map<string, string[]> {
    const sentences = new Map<string, string[]>();
    for (const { kind, root, findings } of this.found.values()) {
      const sentence = kind.isLost ? findings.conclude() : null;
      if (sentence !== null) sentences.set(root, [...(sentences.get(root) ?? []), sentence]);
    }
    return sentences;
  }

  private see(line: string, grave: string[]): void {
    const complaint = this.speech.understand(line);
    if (complaint === null) return;
    const { kind: name, root, said } = complaint;
    const kind = name && this.speech.kinds[name];
    if (kind === undefined || (kind?.isOfDisk && !this.saveWhatCanBe)) {
      if (grave.length < GRAVE_KEPT) grave.push(said.slice(0, GRAVE_LENGTH));
      return;
    }
    this.any = true;
    if (kind === null) return;
    const key = `${name} ${root}`;
    const found = this.found.get(key) ?? {
      kind,
      root,
      findings: new Findings(this.log, `files of ${this.site} ${kind.sentence}`),
    };
    this.found.set(key, found);
    found.findings.add(complaint.name);
  }
}
