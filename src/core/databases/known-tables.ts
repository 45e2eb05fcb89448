import { type SqlToken, nameOf } from './sql-tokens';

/** The names of charsets as text decoders know them. */
const DECODERS: Readonly<Record<string, string>> = {
  utf8: 'utf-8',
  utf8mb3: 'utf-8',
  utf8mb4: 'utf-8',
  // Names of tables are stored in UTF-8, whatever is sent as binary.
  binary: 'utf-8',
  latin1: 'windows-1252',
};

/** What all names stand for that cannot be compared. */
const UNKNOWN = '\uFFFD';

/**
 * The tables that a dump has made so far, and which of them have triggers: rows may go into what is a table of the dump's own
 * and fires nothing. Where case or character set leave open whether two names are one, they are.
 */
export class KnownTables {
  private readonly tables = new Set<string>();
  private readonly withTriggers = new Set<string>();

  created(name: SqlToken, charset: string): void {
    this.tables.add(keyOf(name, charset));
  }

  dropped(name: SqlToken, charset: string): void {
    const key = keyOf(name, charset);
    if (key === UNKNOWN) {
      for (const table of this.tables) if (isBeyondAscii(table)) this.tables.delete(table);
    } else {
      this.tables.delete(key);
      if (isBeyondAscii(key)) this.tables.delete(UNKNOWN);
    }
  }

  triggered(name: SqlToken, charset: string): void {
    this.withTriggers.add(keyOf(name, charset));
  }

  /** Why no rows may go there. */
  refusesRows(name: SqlToken, charset: string): string | undefined {
    const key = keyOf(name, charset);
    if (!this.tables.has(key)) return 'rows for what is no table of the dump';
    const fires = this.withTriggers.has(key) || (isBeyondAscii(key) && this.withTriggers.has(UNKNOWN));
    return fires || (key === UNKNOWN && this.withTriggers.size > 0)
      ? 'rows for a table behind its triggers'
      : undefined;
  }
}

function keyOf(name: SqlToken, charset: string): string {
  return nameIn(name, charset)?.toLowerCase() ?? UNKNOWN;
}

/** The name that a token stands for in a statement of this character set; undefined where Kedge cannot read its letters. */
export function nameIn(name: SqlToken, charset: string): string | undefined {
  const utf8 = nameOf(name);
  if (!isBeyondAscii(utf8)) return utf8;
  const label = DECODERS[charset];
  if (label === undefined || label === 'utf-8') return label && utf8;
  const quote = name.kind === 'quoted' ? name.text.slice(0, 1) : '';
  const inner = quote === '' ? name.text : name.text.slice(1, -1).replaceAll(quote + quote, quote);
  return new TextDecoder(label).decode(Buffer.from(inner, 'latin1'));
}

function isBeyondAscii(text: string): boolean {
  return /[^\0-\x7f]/.test(text);
}
