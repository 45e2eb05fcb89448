import { Transform, type TransformCallback } from 'node:stream';
import type { DefinitionNames } from './definition-names';
import { DumpScanner, type Refusal } from './dump-scanner';
import type { Created, HeadRules } from './statement-head';

/** What passed through a filter. Rows and tables in the order of the dump. */
export interface DumpContents {
  readonly tables: ReadonlyMap<string, number>;
  readonly views: readonly string[];
  readonly sequences: readonly string[];
  /** Events whose definition switches them on. */
  readonly enabledEvents: readonly string[];
  /** The trailer was the last thing. */
  readonly complete: boolean;
  /** Bytes that came out. */
  readonly bytes: number;
}

export interface DumpFilterOptions {
  readonly rules: HeadRules;
  /** Told of what no dump may hold. When it throws the filter fails with that; else it goes on. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Told what each definition says of databases, when the rules name that of the dump. */
  readonly onNames?: (created: Created | undefined, names: DefinitionNames) => void;
  /** Text put before the trailer. */
  readonly beforeTrailer?: string;
  /** Called for each chunk, with the bytes that came in and out so far. */
  readonly onProgress?: (bytesIn: number, bytesOut: number) => void;
}

/**
 * Judges a dump's statements while it streams (dump-statements.ts), rewrites their heads (statement-head.ts), and takes stock
 * of what it holds.
 */
export class DumpFilter extends Transform {
  private readonly scanner: DumpScanner;
  private readonly tables = new Map<string, number>();
  private readonly views = new Set<string>();
  private readonly sequences = new Set<string>();
  private readonly enabledEvents = new Set<string>();
  private bytesIn = 0;
  private bytesOut = 0;

  constructor(private readonly options: DumpFilterOptions) {
    super({ readableHighWaterMark: 256 * 1024, writableHighWaterMark: 256 * 1024 });
    this.scanner = new DumpScanner(
      {
        statement: (_statement, created) => this.note(created),
        inserted: (table, rows) => {
          if (table !== undefined) this.tables.set(table, (this.tables.get(table) ?? 0) + rows);
        },
        trailer: () => (options.beforeTrailer === undefined ? undefined : Buffer.from(options.beforeTrailer)),
        refused: options.onRefused,
        named: (created, names) => options.onNames?.(created, names),
      },
      options.rules,
    );
  }

  get contents(): DumpContents {
    return {
      // Older dump programs let a table stand in for a view until all tables are there.
      tables: new Map([...this.tables].filter(([name]) => !this.views.has(name))),
      views: [...this.views],
      sequences: [...this.sequences],
      enabledEvents: [...this.enabledEvents],
      complete: this.scanner.complete,
      bytes: this.bytesOut,
    };
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.bytesIn += chunk.length;
    this.pass(() => this.scanner.push(chunk), callback);
  }

  override _flush(callback: TransformCallback): void {
    this.pass(() => this.scanner.end(), callback);
  }

  private pass(scan: () => Buffer[], callback: TransformCallback): void {
    try {
      for (const bytes of scan()) {
        this.bytesOut += bytes.length;
        this.push(bytes);
      }
      this.options.onProgress?.(this.bytesIn, this.bytesOut);
      callback();
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private note(created: Created | undefined): void {
    if (created?.kind === 'table' && !this.tables.has(created.name)) this.tables.set(created.name, 0);
    if (created?.kind === 'view') this.views.add(created.name);
    if (created?.kind === 'sequence') this.sequences.add(created.name);
    if (created?.kind === 'event' && created.enabled) this.enabledEvents.add(created.name);
  }
}
