import { Writable } from 'node:stream';
import { DumpScanner } from '../databases/dump-scanner';
import { rewriteHead } from '../databases/statement-head';
import type { DumpInspection } from './archive';

const TABLE = /^\s*CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?`((?:[^`]|``)+)`/i;
const COLLATION = /\bCOLLATE[\s=]+["'`]?([a-z0-9_]+)/gi;
const CHARSET = /\b(?:CHARSET|CHARACTER\s+SET)[\s=]+["'`]?([a-z0-9_]+)/gi;
/** What an account of one database cannot run: it would fail in mid-import. */
const REFUSED =
  /\b(?:GTID_PURGED|SQL_LOG_BIN|SET\s+(?:@@)?GLOBAL\b|CHANGE\s+MASTER\s+TO|CHANGE\s+REPLICATION\s+SOURCE)/i;
const NAMED = 10;

/** Looks through a dump while it streams past; keeps names, no rows. */
export class DumpInspector extends Writable {
  private bytes = 0;
  private readonly tables = new Set<string>();
  private readonly collations = new Set<string>();
  private readonly charsets = new Set<string>();
  private readonly refused: string[] = [];
  private createsFunctions = false;
  private readonly scanner = new DumpScanner({
    statement: (head) => {
      this.look(head.toString('latin1'));
      return head;
    },
    inserted: () => undefined,
    trailer: () => undefined,
  });

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

  private look(statement: string): void {
    const table = TABLE.exec(statement)?.[1];
    if (table !== undefined) this.tables.add(Buffer.from(table.replaceAll('``', '`'), 'latin1').toString('utf8'));
    const { created } = rewriteHead(statement, { disableEvents: false, database: undefined });
    if (created?.kind === 'function' || created?.kind === 'trigger') this.createsFunctions = true;
    // Strings and bodies may speak of collations; only definitions count.
    if (/^\s*(?:CREATE|ALTER)\b/i.test(statement)) {
      const definition = statement.replace(/'(?:[^'\\]|\\.|'')*'/gs, "''");
      for (const [, name = ''] of definition.matchAll(COLLATION)) this.collations.add(name.toLowerCase());
      for (const [, name = ''] of definition.matchAll(CHARSET)) this.charsets.add(name.toLowerCase());
    }
    if (REFUSED.test(statement.slice(0, 500)) && this.refused.length < NAMED)
      this.refused.push(statement.trim().slice(0, 80));
  }
}
