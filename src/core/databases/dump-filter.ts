import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { DefinitionNames } from './definition-names';
import { DumpCensus, type DumpContents } from './dump-census';
import type { Gap, NextStatement } from './dump-listener';
import type { Refusal } from './dump-refusal';
import { DumpScanner } from './dump-scanner';
import type { Created, HeadRules } from './statement-head';

/** What passed through a filter. */
export interface FilteredDump extends DumpContents {
  /** The trailer was the last thing. */
  readonly complete: boolean;
  /** Bytes that came out. */
  readonly bytes: number;
  /** `table.column` of text whose bytes are no letters of its character set, with how many values. */
  readonly illFormed: ReadonlyMap<string, number>;
}

export interface DumpFilterOptions {
  readonly rules: HeadRules;
  /** Told of what no dump may hold. When it throws the filter fails with that; else it goes on. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Told what each definition says of databases, when the rules name that of the dump. */
  readonly onNames?: (created: Created | undefined, names: DefinitionNames) => void;
  /** Told each statement other than INSERT that is sent, those put before others among them, in latin1. */
  readonly onStatement?: (statement: string) => void;
  /** Text put before the trailer. */
  readonly beforeTrailer?: string;
  /** Statements to be put before the next one. */
  readonly before?: (next: NextStatement) => readonly string[];
  /** What is to stand behind the definition of a table: its rows, of which `counted` is told how many there are. */
  readonly behind?: (table: string, counted: (rows: number) => void) => AsyncIterable<Buffer> | undefined;
  /** Told of the length, in bytes, of a value that goes in pieces. When it throws the filter fails with that. */
  readonly onLongValue?: (table: string | undefined, bytes: number) => void;
  /** Rows longer than this go in pieces, in bytes. */
  readonly longRowBytes?: number | undefined;
  /** Called for each chunk, with the bytes that came in and out so far. */
  readonly onProgress?: (bytesIn: number, bytesOut: number) => void;
}

/**
 * Judges a dump's statements while it streams (dump-statements.ts), rewrites their heads (statement-head.ts), and takes stock
 * of what it holds.
 */
export class DumpFilter extends Transform {
  private readonly scanner: DumpScanner;
  private readonly census = new DumpCensus();
  private bytesIn = 0;
  private bytesOut = 0;

  constructor(private readonly options: DumpFilterOptions) {
    super({ readableHighWaterMark: 256 * 1024, writableHighWaterMark: 256 * 1024 });
    this.scanner = new DumpScanner(
      {
        statement: (statement, created, sent) => {
          options.onStatement?.(sent);
          this.census.statement(statement, created, sent);
        },
        inserted: (table, rows, replaces) => this.census.inserted(table, rows, replaces),
        trailer: () => (options.beforeTrailer === undefined ? undefined : Buffer.from(options.beforeTrailer)),
        refused: options.onRefused,
        named: (created, names) => options.onNames?.(created, names),
        before: (next) => {
          const added = options.before?.(next) ?? [];
          for (const statement of added) options.onStatement?.(statement);
          return added;
        },
        leavesGap: () => options.behind !== undefined,
        longValue: (table, bytes) => options.onLongValue?.(table, bytes),
      },
      options.rules,
      options.longRowBytes,
    );
  }

  get contents(): FilteredDump {
    return {
      ...this.census.contents,
      complete: this.scanner.complete,
      bytes: this.bytesOut,
      illFormed: this.scanner.illFormed,
    };
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.bytesIn += chunk.length;
    this.pass(() => this.scanner.push(chunk), callback);
  }

  override _flush(callback: TransformCallback): void {
    this.pass(() => this.scanner.end(), callback);
  }

  private pass(scan: () => (Buffer | Gap)[], callback: TransformCallback): void {
    let parts: (Buffer | Gap)[];
    try {
      parts = scan();
      if (!parts.some((part) => 'behind' in part)) {
        for (const part of parts) if (!('behind' in part)) this.send(part);
        this.options.onProgress?.(this.bytesIn, this.bytesOut);
        callback();
        return;
      }
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.fill(parts).then(
      () => callback(),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Sends what came out of the scanner, and rows in its gaps as fast as they are taken. */
  private async fill(parts: readonly (Buffer | Gap)[]): Promise<void> {
    for (const part of parts) {
      if (!('behind' in part)) {
        this.send(part);
        continue;
      }
      const table = part.behind;
      const rows = this.options.behind?.(table, (count) => this.census.inserted(table, count));
      if (!rows) continue;
      for await (const bytes of rows) {
        this.scanner.readFilled(table, bytes);
        await this.sendInTime(bytes);
        if (this.destroyed) return;
        this.options.onProgress?.(this.bytesIn, this.bytesOut);
      }
    }
    this.options.onProgress?.(this.bytesIn, this.bytesOut);
  }

  /** As {@link send}, but not before what was sent is taken: a gap may be filled with more than memory holds. */
  private async sendInTime(bytes: Buffer): Promise<void> {
    for (
      let wait = 0;
      this.readableLength > this.readableHighWaterMark && !this.destroyed;
      wait = Math.min(wait + 1, 20)
    )
      await delay(wait);
    if (!this.destroyed) this.send(bytes);
  }

  private send(bytes: Buffer): void {
    this.bytesOut += bytes.length;
    this.push(bytes);
  }
}
