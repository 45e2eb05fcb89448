import type { DefinitionNames } from './definition-names';
import type { Refusal } from './dump-refusal';
import type { SessionSettings } from './session-settings';
import type { Created } from './statement-head';

/** Is told what stands in a dump while it is read, and may put something between. */
export interface DumpListener {
  /** Statements to be put before the next one, without delimiter. */
  before?(next: NextStatement): readonly string[];
  /** Something is to be put behind the definition of this table: a {@link Gap} comes out there. */
  leavesGap?(table: string): boolean;
  /** A value of a row that goes in pieces has so many bytes, as far as it was read. */
  longValue?(table: string | undefined, bytes: number): void;
  /** A statement other than INSERT, as it stands in the dump, in latin1; what it creates; and as it is sent on. */
  statement(statement: string, created: Created | undefined, sent: string): void;
  /** What a definition says of databases, when the rules name that of the dump. */
  named?(created: Created | undefined, names: DefinitionNames): void;
  /** An INSERT or REPLACE has ended: its table, how many rows it held, and whether they replace others. */
  inserted(table: string | undefined, rows: number, replaces: boolean): void;
  /** The line that dump programs write last. What it returns is put before it. */
  trailer(): Buffer | undefined;
  /** Something no dump may hold. Unless this throws, reading goes on. */
  refused(refusal: Refusal): void;
}

/** What comes next in a dump. */
export type NextStatement = {
  /** In capitals. */
  readonly firstWord: string | undefined;
  /** As what stands before has set them. */
  readonly settings: SessionSettings;
} & (
  | { readonly kind: 'rows'; readonly table: string | undefined }
  | { readonly kind: 'other'; readonly created: Created | undefined }
);

/** The place behind the definition of a table. */
export interface Gap {
  readonly behind: string;
}
