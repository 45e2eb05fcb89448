import type { Created } from './statement-head';
import { nameOf, readSql, wordOf } from './sql-tokens';

/** What a dump makes, each kind in the order of the dump. */
export interface DumpContents {
  /** With the number of their rows. */
  readonly tables: ReadonlyMap<string, number>;
  readonly views: readonly string[];
  readonly sequences: readonly string[];
  readonly triggers: readonly string[];
  readonly functions: readonly string[];
  readonly procedures: readonly string[];
  readonly packages: readonly string[];
  readonly packageBodies: readonly string[];
  readonly events: readonly string[];
  /** Events whose definition switches them on. */
  readonly enabledEvents: readonly string[];
  /** Tables of the dump that it drops again, and puts nothing in their place. */
  readonly dropped: readonly string[];
  /** Tables into which rows go that may replace others. */
  readonly replaced: readonly string[];
}

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

/** Takes stock of a dump while its statements pass. */
export class DumpCensus {
  private readonly tables = new Map<string, number>();
  private readonly named: Readonly<Record<NamedKind, Set<string>>> = {
    views: new Set(),
    sequences: new Set(),
    triggers: new Set(),
    functions: new Set(),
    procedures: new Set(),
    packages: new Set(),
    packageBodies: new Set(),
    events: new Set(),
  };
  private readonly enabledEvents = new Set<string>();
  private readonly dropped = new Set<string>();
  private readonly replaced = new Set<string>();

  /** A statement other than INSERT, in latin1, and what it creates. */
  statement(statement: string, created: Created | undefined): void {
    if (created) this.create(created);
    else if (/^[^']{0,40}\bDROP\b/i.test(statement)) this.drop(statement);
  }

  /** An INSERT, or a REPLACE. */
  inserted(table: string | undefined, rows: number, replaces = false): void {
    if (table === undefined) return;
    this.tables.set(table, (this.tables.get(table) ?? 0) + rows);
    if (replaces) this.replaced.add(table);
  }

  get contents(): DumpContents {
    const { named } = this;
    const names = (kind: NamedKind): string[] => [...named[kind]];
    return {
      // Older dump programs let a table stand in for a view until all tables are there.
      tables: new Map([...this.tables].filter(([name]) => !named.views.has(name))),
      views: names('views'),
      sequences: names('sequences'),
      triggers: names('triggers'),
      functions: names('functions'),
      procedures: names('procedures'),
      packages: names('packages'),
      packageBodies: names('packageBodies'),
      events: names('events'),
      enabledEvents: [...this.enabledEvents],
      dropped: [...this.dropped].filter((name) => !this.tables.has(name) && !named.views.has(name)),
      replaced: [...this.replaced],
    };
  }

  private create({ kind, name, enabled }: Created): void {
    if (kind === 'table') {
      if (!this.tables.has(name)) this.tables.set(name, 0);
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
      // A server takes a sequence for a table here.
      this.named.sequences.delete(name);
    } else if (kind !== undefined && Object.hasOwn(KIND_OF, kind)) {
      this.named[KIND_OF[kind as keyof typeof KIND_OF]].delete(name);
      if (kind === 'event') this.enabledEvents.delete(name);
    }
  }
}
