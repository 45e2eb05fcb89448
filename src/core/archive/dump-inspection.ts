import { Writable } from 'node:stream';
import { DumpScanner, describeRefusal } from '../databases/dump-scanner';
import { type Created, IMPORT_RULES } from '../databases/statement-head';
import type { DumpInspection } from './archive';

const COLLATION = /\bCOLLATE[\s=]+["'`]?([a-z0-9_]+)/gi;
const CHARSET = /\b(?:CHARSET|CHARACTER\s+SET)[\s=]+["'`]?([a-z0-9_]+)/gi;
/** So many charsets and collations are kept: no server has more. */
const NAMES_KEPT = 1000;
const NAMED = 10;

/** Looks through a dump while it streams past; keeps names, no rows. */
export class DumpInspector extends Writable {
  private bytes = 0;
  private readonly tables = new Set<string>();
  private readonly collations = new Set<string>();
  private readonly charsets = new Set<string>();
  private readonly refused: string[] = [];
  private createsFunctions = false;
  private readonly scanner = new DumpScanner(
    {
      statement: (statement, created) => this.look(statement, created),
      inserted: () => undefined,
      trailer: () => undefined,
      refused: (refusal) => {
        if (this.refused.length < NAMED) this.refused.push(describeRefusal(refusal));
      },
    },
    IMPORT_RULES,
  );

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytes += chunk.length;
    this.scanner.push(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.scanner.end();
    done();
  }

  /** What was found; complete once the stream has finished. */
  result(): DumpInspection {
    return {
      bytes: this.bytes,
      complete: this.scanner.complete,
      tables: [...this.tables],
      collations: [...this.collations],
      charsets: [...this.charsets],
      refused: this.refused,
      createsFunctions: this.createsFunctions,
    };
  }

  private look(statement: string, created: Created | undefined): void {
    if (created?.kind === 'table') this.tables.add(created.name);
    if (created?.kind === 'function' || created?.kind === 'trigger') this.createsFunctions = true;
    // Strings and bodies may speak of collations; only definitions count.
    if (created || /^\s*ALTER\b/i.test(statement)) {
      const definition = statement.replace(/'(?:[^'\\]|\\.|'')*'/gs, "''");
      keepNames(this.collations, definition.matchAll(COLLATION));
      keepNames(this.charsets, definition.matchAll(CHARSET));
    }
  }
}

function keepNames(names: Set<string>, matches: Iterable<RegExpMatchArray>): void {
  for (const [, name = ''] of matches) if (names.size < NAMES_KEPT) names.add(name.toLowerCase());
}
