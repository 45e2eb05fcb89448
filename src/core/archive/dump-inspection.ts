import { Writable } from 'node:stream';
import type { DefinitionNames } from '../databases/definition-names';
import { DefinitionsDigest } from '../databases/definitions-digest';
import { DumpCensus } from '../databases/dump-census';
import { databaseOfHeader } from '../databases/dump-header';
import { describeRefusal } from '../databases/dump-refusal';
import { DumpScanner } from '../databases/dump-scanner';
import { keysOf } from '../databases/forced-keys';
import { type Created, IMPORT_RULES } from '../databases/statement-head';
import type { DumpInspection } from './archive';

const COLLATION = /\bCOLLATE[\s=]+["'`]?([a-z0-9_]+)/gi;
const CHARSET = /\b(?:CHARSET|CHARACTER\s+SET)[\s=]+["'`]?([a-z0-9_]+)/gi;
/** Types that came with a plugin or late, at the beginning of a line of a definition. */
const LATE_TYPE = /^\s*`(?:[^`]|``)+`\s+(inet4|inet6|uuid|vector)\b/gim;
const PARSER = /\bWITH\s+PARSER\s+`?(\w+)/gi;
const ENCRYPTED = /\bENCRYPTED`?\s*=\s*["']?YES\b/i;
const HISTORY = /\bsystem_versioning_insert_history\s*:?=\s*(?:1|on)\b/i;
const ENGINE = /\bENGINE\s*=\s*["'`]?(\w+)/gi;
/** So many charsets, collations and engines are kept: no server has more. */
const NAMES_KEPT = 1000;
const NAMED = 10;
/** So many tables and routines of other databases are kept. */
const ELSEWHERE_KEPT = 1000;
/** So many tables without a primary key are kept. */
const TABLES_KEPT = 1000;
/** Values of rows longer than this are measured: no server that sites run on takes less. */
const LONG_BYTES = 512 * 1024;
/** The first lines of a dump stand in so many bytes. */
const HEADER_BYTES = 4096;

/** Looks through a dump while it streams past; keeps names, no rows. */
export class DumpInspector extends Writable {
  private bytes = 0;
  private readonly census = new DumpCensus();
  private readonly collations = new Set<string>();
  private readonly charsets = new Set<string>();
  private readonly views = new Set<string>();
  private readonly engines = new Set<string>();
  private readonly types = new Set<string>();
  private readonly parsers = new Set<string>();
  private encrypts = false;
  private holdsHistory = false;
  private readonly refused: string[] = [];
  private readonly definitions = new DefinitionsDigest();
  private longestValue: DumpInspection['longestValue'] = null;
  /** Bytes of the longest value that has come in pieces since the last row. */
  private inPieces = 0;
  private readonly withoutPrimaryKey: DumpInspection['withoutPrimaryKey'][number][] = [];
  private createsFunctions = false;
  private readonly elsewhere = new Map<string, DumpInspection['elsewhere'][number]>();
  /** The start of the dump, until its header is whole. */
  private start: Buffer | undefined = Buffer.alloc(0);
  private scanner: DumpScanner | undefined;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytes += chunk.length;
    if (this.start === undefined) this.scanner?.push(chunk);
    else {
      this.start = Buffer.concat([this.start, chunk]);
      if (this.start.length >= HEADER_BYTES) this.begin(this.start);
    }
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.start !== undefined) this.begin(this.start);
    this.scanner?.end();
    done();
  }

  /** What an import reads, which gives the database another name. */
  private begin(start: Buffer): void {
    const rules = { ...IMPORT_RULES, database: databaseOfHeader(start) ?? '', newName: 'x' };
    this.scanner = new DumpScanner(
      {
        statement: (statement, created) => this.look(statement, created),
        named: (created, names) => this.keepElsewhere(created, names),
        inserted: (table, rows, replaces) => {
          this.census.inserted(table, rows, replaces);
          this.keepLongest(table, this.inPieces);
          this.inPieces = 0;
        },
        longValue: (table, bytes) => {
          // Pieces come before the row that they are of.
          if (table === undefined) this.inPieces = Math.max(this.inPieces, bytes);
          else this.keepLongest(table, bytes);
        },
        trailer: () => undefined,
        refused: (refusal) => {
          if (this.refused.length < NAMED) this.refused.push(describeRefusal(refusal));
        },
      },
      rules,
      LONG_BYTES,
    );
    this.start = undefined;
    this.scanner.push(start);
  }

  private keepLongest(table: string | undefined, bytes: number): void {
    if (bytes > (this.longestValue?.bytes ?? 0)) this.longestValue = { table, bytes };
  }

  private keepElsewhere(created: Created | undefined, { elsewhere }: DefinitionNames): void {
    for (const { database, object, named } of elsewhere) {
      const isStored = created !== undefined && created.kind !== 'table' && created.kind !== 'view';
      const key = JSON.stringify([database, object, named, isStored]);
      if (this.elsewhere.size >= ELSEWHERE_KEPT || this.elsewhere.has(key)) continue;
      const by = created ? `the ${created.kind} ${created.name}` : 'a table';
      this.elsewhere.set(key, { database, object, named, by, whenMade: !isStored });
    }
  }

  /** What was found; complete once the stream has finished. */
  result(): DumpInspection {
    return {
      bytes: this.bytes,
      complete: this.scanner?.complete ?? false,
      contents: this.census.contents,
      definitions: this.definitions.digest(),
      collations: [...this.collations],
      charsets: [...this.charsets],
      views: [...this.views],
      engines: [...this.engines],
      types: [...this.types],
      parsers: [...this.parsers],
      encrypts: this.encrypts,
      holdsHistory: this.holdsHistory,
      refused: this.refused,
      longestValue: this.longestValue,
      withoutPrimaryKey: this.withoutPrimaryKey,
      illFormed: [...(this.scanner?.illFormed.keys() ?? [])],
      createsFunctions: this.createsFunctions,
      elsewhere: [...this.elsewhere.values()],
    };
  }

  private look(statement: string, created: Created | undefined): void {
    this.definitions.add(statement);
    if (created?.kind === 'view' || created?.kind === 'sequence') this.views.add(created.name);
    if (!created && HISTORY.test(statement)) this.holdsHistory = true;
    this.census.statement(statement, created);
    if (created?.kind === 'table' && this.withoutPrimaryKey.length < TABLES_KEPT) {
      const keys = keysOf(statement);
      if (!keys.primary) this.withoutPrimaryKey.push({ ...keys, table: created.name });
    }
    if (created?.kind === 'function' || created?.kind === 'trigger') this.createsFunctions = true;
    // Strings and bodies may speak of collations; only definitions count.
    if (created || /^\s*ALTER\b/i.test(statement)) {
      const definition = statement.replace(/'(?:[^'\\]|\\.|'')*'/gs, "''");
      keepNames(this.collations, definition.matchAll(COLLATION));
      keepNames(this.charsets, definition.matchAll(CHARSET));
      if (created?.kind !== 'table' && created?.kind !== 'sequence') return;
      keepNames(this.engines, definition.matchAll(ENGINE));
      keepNames(this.types, definition.matchAll(LATE_TYPE));
      keepNames(this.parsers, definition.matchAll(PARSER));
      this.encrypts ||= ENCRYPTED.test(definition);
    }
  }
}

function keepNames(names: Set<string>, matches: Iterable<RegExpMatchArray>): void {
  for (const [, name = ''] of matches) if (names.size < NAMES_KEPT) names.add(name.toLowerCase());
}
