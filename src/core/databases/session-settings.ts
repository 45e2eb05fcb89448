import { PIECE_VARIABLE, valueBytes } from './long-row';
import type { HighBytes, Lexis, SqlToken } from './sql-tokens';
import { TokenReader } from './token-reader';

/** What values a dump may give a variable of its session. */
interface SettingRule {
  readonly values: RegExp;
  /** Variables whose value, saved under a name of the dump's own, may be given to this one. */
  readonly like: string;
  /** DEFAULT would be what the server has as global value, which nobody knows here. */
  readonly noDefault?: boolean;
}

const SWITCH = /^(?:0|1|2|on|off|true|false)$/i;
const NUMBER = /^\d{1,12}$/;
const CHARSET = /^[a-z0-9_]{1,40}$/i;

/**
 * The variables of its session that a dump may set, with the values it may give them. Dump programs set them, and an
 * import works as well or as badly with any of these values; no other session sees them. In lower case.
 */
const SETTINGS: Readonly<Record<string, SettingRule>> = {
  // How the text of the dump is read
  sql_mode: { values: /^[a-z0-9_,]*$/i, like: 'sql_mode', noDefault: true },
  character_set_client: { values: CHARSET, like: 'character_set', noDefault: true },
  character_set_results: { values: CHARSET, like: 'character_set' },
  character_set_connection: { values: CHARSET, like: 'character_set' },
  collation_connection: { values: CHARSET, like: 'collation' },
  time_zone: { values: /^(?:[+-]\d{1,2}:\d\d|[a-z_]{1,30}(?:\/[a-z0-9_+-]{1,30}){0,2})$/i, like: 'time_zone' },
  // What is checked while rows come in
  foreign_key_checks: { values: SWITCH, like: 'foreign_key_checks' },
  unique_checks: { values: SWITCH, like: 'unique_checks' },
  check_constraint_checks: { values: SWITCH, like: 'check_constraint_checks' },
  innodb_strict_mode: { values: SWITCH, like: 'innodb_strict_mode' },
  system_versioning_insert_history: { values: SWITCH, like: 'system_versioning_insert_history' },
  system_versioning_alter_history: { values: /^(?:error|keep)$/i, like: 'system_versioning_alter_history' },
  explicit_defaults_for_timestamp: { values: SWITCH, like: 'explicit_defaults_for_timestamp' },
  sql_require_primary_key: { values: SWITCH, like: 'sql_require_primary_key' },
  // Transactions
  autocommit: { values: SWITCH, like: 'autocommit' },
  // What the server says and how
  sql_notes: { values: SWITCH, like: 'sql_notes' },
  note_verbosity: { values: /^(?:\d|[a-z_, ]{0,60})$/i, like: 'note_verbosity' },
  sql_quote_show_create: { values: SWITCH, like: 'sql_quote_show_create' },
  sql_warnings: { values: SWITCH, like: 'sql_warnings' },
  net_read_timeout: { values: NUMBER, like: 'net_read_timeout' },
  net_write_timeout: { values: NUMBER, like: 'net_write_timeout' },
  default_storage_engine: { values: /^(?:innodb|myisam|aria)$/i, like: 'default_storage_engine' },
};

/** The sql_mode that a dump which sets none is read and imported with: what dump programs set. */
export const INITIAL_SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';

/** Elements of sql_mode of MySQL 5.5 to 8.4 and MariaDB 10 to 11. */
const SQL_MODES = new Set(
  `allow_invalid_dates ansi ansi_quotes db2 empty_string_is_null error_for_division_by_zero high_not_precedence ignore_bad_table_options
  ignore_space maxdb mssql mysql323 mysql40 no_auto_create_user no_auto_value_on_zero no_backslash_escapes no_dir_in_create
  no_engine_substitution no_field_options no_key_options no_table_options no_unsigned_subtraction no_zero_date no_zero_in_date
  only_full_group_by oracle pad_char_to_full_length pipes_as_concat postgresql real_as_float simultaneous_assignment strict_all_tables
  strict_trans_tables time_round_fractional time_truncate_fractional traditional`.split(/\s+/),
);
const WITH_ANSI_QUOTES = new Set(['ansi', 'ansi_quotes', 'db2', 'maxdb', 'mssql', 'oracle', 'postgresql']);

/** Character sets in whose letters the second byte may be one of ASCII's. */
const LIKE_ASCII = new Set(['sjis', 'cp932', 'gbk', 'gb18030', 'big5']);
const LATIN = new Set(['latin1', 'latin2', 'latin5', 'latin7', 'cp1250', 'cp1251', 'cp1256', 'cp1257']);
const NO_SPACE = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'binary', 'ascii']);

/** A value as far as a dump tells: its text, or that it is what a variable was. */
interface Value {
  /** The variable of the session it was read from. */
  readonly saved?: string;
  /** Undefined where nobody knows it here. */
  readonly text: string | undefined;
}

/** The settings of the session that a dump is imported in, followed from SET to SET. */
export class SessionSettings {
  private sqlMode = INITIAL_SQL_MODE;
  private charset = 'utf8mb4';
  private readonly variables = new Map<string, Value>();
  private known: Lexis | undefined;
  /** Bytes of the values that are gathered in variables. */
  private readonly pieces = new Map<string, number>();
  private pieceBytes: number | undefined;

  /** How the server reads what comes next. */
  get lexis(): Lexis {
    this.known ??= {
      backslashEscapes: !this.modes.includes('no_backslash_escapes'),
      ansiQuotes: this.modes.some((mode) => WITH_ANSI_QUOTES.has(mode)),
      highBytes: highBytesOf(this.charset),
    };
    return this.known;
  }

  /** Statements are sent in this character set. In lower case. */
  get clientCharset(): string {
    return this.charset;
  }

  /** As the dump has it. */
  get mode(): string {
    return this.sqlMode;
  }

  /** A value was gathered in the variable of this name. */
  hasPieces(name: string): boolean {
    return this.pieces.has(name);
  }

  /** How long the value is by now to which the last SET added a piece. */
  takePieceBytes(): number | undefined {
    const bytes = this.pieceBytes;
    this.pieceBytes = undefined;
    return bytes;
  }

  /**
   * Follows a SET. Returns what in it no dump may set; then nothing of it is followed. `inDoubt`: some servers do not
   * execute it, so it may not change how the dump is read.
   */
  set(tokens: readonly SqlToken[], inDoubt = false): string | undefined {
    const reader = new TokenReader(tokens, 1);
    const then: (() => void)[] = [];
    const names = reader.word();
    if (names === 'NAMES' || names === 'CHARSET' || (names === 'CHARACTER' && reader.word(1) === 'SET')) {
      reader.skip(names === 'CHARACTER' ? 2 : 1);
      const charset = textOf(reader.next());
      if (names === 'NAMES' && reader.word() === 'COLLATE') {
        reader.skip(1);
        if (!CHARSET.test(textOf(reader.next()) ?? '')) return 'a collation';
      }
      if (charset === undefined || !CHARSET.test(charset) || /^default$/i.test(charset) || !reader.atEnd || inDoubt)
        return 'SET NAMES';
      this.applyCharset(charset);
      return undefined;
    }
    if (isPieceVariable(reader)) return this.setPieces(reader, inDoubt);
    const values = new Map(this.variables);
    do {
      const refusal = this.assignment(reader, values, then, inDoubt);
      if (refusal !== undefined) return refusal;
    } while (reader.takeSymbol(','));
    if (!reader.atEnd) return 'SET of more than a value';
    for (const apply of then) apply();
    return undefined;
  }

  /**
   * What Kedge writes of a value that is too long for one statement: `@kedge_1='…'`, `@kedge_1=CONCAT(@kedge_1,'…')`, and behind its row
   * `@kedge_1=NULL, …`. Nothing else, for such a variable may stand in rows.
   */
  private setPieces(reader: TokenReader, inDoubt: boolean): string | undefined {
    const refusal = 'SET @kedge';
    if (inDoubt) return refusal;
    const freed: string[] = [];
    do {
      const name = takePieceVariable(reader);
      if (name === undefined || !reader.takeSymbol('=')) return refusal;
      if (reader.takeWords('NULL')) {
        freed.push(name);
        continue;
      }
      if (freed.length > 0) return refusal;
      const goesOn = reader.word() === 'CONCAT' && reader.symbol(1) === '(';
      if (goesOn) {
        reader.skip(2);
        if (takePieceVariable(reader) !== name || !reader.takeSymbol(',') || !this.pieces.has(name)) return refusal;
      }
      const bytes = this.takeLiteral(reader);
      if (bytes === undefined || (goesOn && !reader.takeSymbol(')')) || !reader.atEnd) return refusal;
      this.pieceBytes = (goesOn ? (this.pieces.get(name) ?? 0) : 0) + bytes;
      this.pieces.set(name, this.pieceBytes);
      return undefined;
    } while (reader.takeSymbol(','));
    if (!reader.atEnd) return refusal;
    for (const name of freed) this.pieces.delete(name);
    return undefined;
  }

  /** Bytes of a text in quotes or a hexadecimal value; undefined for anything else. */
  private takeLiteral(reader: TokenReader): number | undefined {
    const { backslashEscapes } = this.lexis;
    if (/^_[a-z0-9]+$/i.test(reader.peek()?.text ?? '') && reader.peek(1)?.kind === 'quoted') reader.skip(1);
    const token = reader.next();
    if (token?.kind === 'word')
      return /^0x[0-9a-f]+$/i.test(token.text) ? valueBytes(token.text, { backslashEscapes }) : undefined;
    const isText = token?.text.startsWith("'") || (token?.text.startsWith('"') && !this.lexis.ansiQuotes);
    return token?.kind === 'quoted' && isText ? valueBytes(token.text, { backslashEscapes }) : undefined;
  }

  private assignment(
    reader: TokenReader,
    values: Map<string, Value>,
    then: (() => void)[],
    inDoubt: boolean,
  ): string | undefined {
    const target = reader.variable();
    if (!target) return 'SET';
    if (target.own && target.name.startsWith('kedge')) return 'SET @kedge';
    if (!isOfSession(target.scope)) return `SET ${target.scope}`;
    reader.takeSymbol(':');
    if (!reader.takeSymbol('=')) return `SET ${target.name}`;
    const rule = target.own ? undefined : SETTINGS[target.name];
    if (!target.own && !rule) return `SET ${target.name}`;
    const value = this.value(reader, values);
    if (!value) return `a value of ${target.own ? '@' : ''}${target.name}`;
    if (!rule) {
      const followed = inDoubt ? { ...value, text: undefined } : value;
      values.set(target.name, followed);
      then.push(() => this.variables.set(target.name, followed));
      return undefined;
    }
    const { text } = value;
    const fits =
      value.saved !== undefined
        ? SETTINGS[value.saved]?.like === rule.like
        : /^default$/i.test(text ?? '')
          ? rule.noDefault !== true
          : rule.values.test(text ?? '') || (target.name === 'character_set_results' && /^null$/i.test(text ?? ''));
    if (!fits) return `a value of ${target.name}`;
    if (inDoubt && (target.name === 'sql_mode' || target.name === 'character_set_client'))
      return `SET ${target.name} on some servers alone`;
    if (target.name === 'sql_mode') {
      if (text === undefined || !modesOf(text).every((mode) => SQL_MODES.has(mode))) return 'a value of sql_mode';
      then.push(() => this.applyMode(text));
    } else if (target.name === 'character_set_client') {
      if (text === undefined) return 'a value of character_set_client';
      then.push(() => this.applyCharset(text));
    }
    return undefined;
  }

  /** A literal, a variable, or IFNULL of a variable and a literal. */
  private value(reader: TokenReader, values: ReadonlyMap<string, Value>): Value | undefined {
    if (reader.word() === 'IFNULL' && reader.symbol(1) === '(') {
      reader.skip(2);
      const value = this.value(reader, values);
      if (!reader.takeSymbol(',')) return undefined;
      const instead = this.value(reader, values);
      return reader.takeSymbol(')') ? (value ?? instead) : undefined;
    }
    if (reader.symbol() === '@') {
      const source = reader.variable();
      if (!source || !isOfSession(source.scope)) return undefined;
      // Those of Kedge's own are never among them.
      if (source.own) return values.get(source.name);
      if (!SETTINGS[source.name]) return undefined;
      return { saved: source.name, text: this.current(source.name) };
    }
    const sign = reader.takeSymbol('-') ? '-' : '';
    const text = textOf(reader.next());
    return text === undefined ? undefined : { text: sign + text };
  }

  private current(name: string): string | undefined {
    if (name === 'sql_mode') return this.sqlMode;
    return name === 'character_set_client' ? this.charset : undefined;
  }

  private applyMode(text: string): void {
    this.sqlMode = text;
    this.known = undefined;
  }

  private applyCharset(text: string): void {
    this.charset = text.toLowerCase();
    this.known = undefined;
  }

  private get modes(): string[] {
    return modesOf(this.sqlMode);
  }
}

function isPieceVariable(reader: TokenReader): boolean {
  return reader.symbol() === '@' && PIECE_VARIABLE.test(reader.peek(1)?.text ?? '');
}

function takePieceVariable(reader: TokenReader): string | undefined {
  if (!isPieceVariable(reader)) return undefined;
  reader.skip(1);
  return reader.next()?.text;
}

function isOfSession(scope: string | undefined): boolean {
  return scope === undefined || scope === 'SESSION' || scope === 'LOCAL';
}

function modesOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(',')
    .filter((mode) => mode !== '');
}

function highBytesOf(charset: string): HighBytes {
  if (NO_SPACE.has(charset)) return 'letters';
  if (LATIN.has(charset)) return 'letters and a space';
  return LIKE_ASCII.has(charset) ? 'unknown, with second bytes that look like ASCII' : 'unknown';
}

/** The text of a literal or word; undefined for anything else, also for text with escapes. */
function textOf(token: SqlToken | undefined): string | undefined {
  if (!token || token.kind === 'symbol' || token.text.startsWith('`')) return undefined;
  if (token.kind === 'word') return token.text;
  const inner = token.text.slice(1, -1);
  return /['"\\]/.test(inner) ? undefined : inner;
}
