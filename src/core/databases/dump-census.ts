import type { Created } from './statement-head';
import { nameOf, readSql, wordOf } from './sql-tokens';

/** Kinds of a dump's contents that have names and nothing else. */
export const NAMED_KINDS = [
  'views',
  'sequences',
  'triggers',
  'functions',
  'procedures',
  'packages',
  'packageBodies',
  'events',
] as const;
export type NamedKind = (typeof NAMED_KINDS)[number];

/** The names alone, of each kind. */
export function namedOf(contents: DumpContents): Record<NamedKind, string[]> {
  return ofEachKind((kind) => [...contents[kind]]);
}

function ofEachKind<Value>(of: (kind: NamedKind) => Value): Record<NamedKind, Value> {
  return Object.fromEntries(NAMED_KINDS.map((kind) => [kind, of(kind)])) as Record<NamedKind, Value>;
}

/** What a dump makes, each kind in the order of the dump. */
export interface DumpContents extends Readonly<Record<NamedKind, readonly string[]>> {
  /** With the number of their rows. */
  readonly tables: ReadonlyMap<string, number>;
  /** Events whose definition switches them on. */
  readonly enabledEvents: readonly string[];
  /** Tables of the dump that it drops again, and puts nothing in their place. */
  readonly dropped: readonly string[];
  /** Tables into which rows go, and that it does not make. */
  readonly notMade: readonly string[];
  /** What was sent to make its tables, as far as they are kept. */
  readonly tableDefinitions: ReadonlyMap<string, string>;
  /** Tables into which rows go that may replace others. */
  readonly replaced: readonly string[];
}

const KIND_OF: Readonly<Record<Exclude<Created['kind'], 'table'>, NamedKind>> = {
  view: 'views',
  sequence: 'sequences',
  trigger: 'triggers',
  function: 'functions',
  procedure: 'procedures',
  package: 'packages',
  'package body': 'packageBodies',
  event: 'events',
};

/** More definitions of tables than this are not kept. */
const KEPT_BYTES = 32 * 1024 * 1024;
const CHANGES_TABLE = /^\s*ALTER\s+TABLE\b[^(]*?\s(?:ADD|MODIFY)\b/i;

/** Takes stock of a dump while its statements pass. */
export class DumpCensus {
  private readonly tables = new Map<string, number>();
  private readonly made = new Set<string>();
  private readonly named = ofEachKind(() => new Set<string>());
  private readonly enabledEvents = new Set<string>();
  private readonly dropped = new Set<string>();
  private readonly replaced = new Set<string>();
  private readonly definitions = new Map<string, string>();
  private definitionBytes = 0;

  /** A statement other than INSERT, in latin1, what it creates, and as it is sent, where that is to be kept. */
  statement(statement: string, created: Created | undefined, sent?: string): void {
    if (created) this.create(created);
    if (created?.kind === 'table' && sent !== undefined) this.keep(created.name, sent);
    // It goes on to be defined, by programs of another kind.
    else if (!created && CHANGES_TABLE.test(statement)) this.definitions.clear();
    if (created) return;
    if (/^[^']{0,40}\bDROP\b/i.test(statement)) this.drop(statement);
  }

  /** An INSERT, or a REPLACE. */
  inserted(table: string | undefined, rows: number, replaces = false): void {
    if (table === undefined) return;
    this.tables.set(table, (this.tables.get(table) ?? 0) + rows);
    if (replaces) this.replaced.add(table);
  }

  get contents(): DumpContents {
    const { named } = this;
    return {
      // Older dump programs let a table stand in for a view until all tables are there.
      tables: new Map([...this.tables].filter(([name]) => !named.views.has(name))),
      ...ofEachKind((kind) => [...named[kind]]),
      enabledEvents: [...this.enabledEvents],
      dropped: [...this.dropped].filter((name) => !this.tables.has(name) && !named.views.has(name)),
      replaced: [...this.replaced],
      notMade: [...this.tables.keys()].filter(
        (name) => !this.made.has(name) && !named.views.has(name) && !named.sequences.has(name),
      ),
      tableDefinitions: new Map(
        [...this.definitions].filter(([name]) => this.tables.has(name) && !named.views.has(name)),
      ),
    };
  }

  private keep(table: string, sent: string): void {
    this.definitionBytes += sent.length;
    if (this.definitionBytes > KEPT_BYTES) this.definitions.clear();
    else this.definitions.set(table, Buffer.from(sent, 'latin1').toString('utf8'));
  }

  private create({ kind, name, enabled }: Created): void {
    if (kind === 'table') {
      if (!this.tables.has(name)) this.tables.set(name, 0);
      this.made.add(name);
      return;
    }
    this.named[KIND_OF[kind]].add(name);
    if (kind === 'event' && enabled) this.enabledEvents.add(name);
  }

  private drop(statement: string): void {
    const { tokens } = readSql(statement);
    if (wordOf(tokens[0]) !== 'DROP') return;
    const kind = wordOf(tokens[1])?.toLowerCase();
    let at = 2;
    const isBody = kind === 'package' && wordOf(tokens[at]) === 'BODY';
    if (isBody) at += 1;
    if (wordOf(tokens[at]) === 'IF' && wordOf(tokens[at + 1]) === 'EXISTS') at += 2;
    for (; at < tokens.length; at += 2) {
      const token = tokens[at];
      if (!token || token.kind === 'symbol') return;
      this.forget(isBody ? 'package body' : kind, nameOf(token));
      if (tokens[at + 1]?.text !== ',') return;
    }
  }

  private forget(kind: string | undefined, name: string): void {
    if (kind === 'table') {
      if (this.tables.delete(name)) this.dropped.add(name);
      this.made.delete(name);
      // A server takes a sequence for a table here.
      this.named.sequences.delete(name);
    } else if (kind !== undefined && Object.hasOwn(KIND_OF, kind)) {
      this.named[KIND_OF[kind as keyof typeof KIND_OF]].delete(name);
      if (kind === 'event') this.enabledEvents.delete(name);
    }
  }
}
