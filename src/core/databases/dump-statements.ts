import { KnownTables } from './known-tables';
import { SessionSettings } from './session-settings';
import { type SqlText, type SqlToken, nameOf, readSql, wordOf } from './sql-tokens';
import { endsWithItsText } from './stored-program';
import { TokenReader } from './token-reader';

/** What a rule has to judge by. */
interface Statement {
  readonly reader: TokenReader;
  readonly tokens: readonly SqlToken[];
  readonly tables: KnownTables;
  readonly settings: SessionSettings;
  /** Some servers do not execute it, or not all of it. */
  readonly inDoubt: boolean;
}

/** Returns what is wrong; undefined for a statement that a dump may hold. The reader stands behind the words of the rule. */
type Rule = (statement: Statement) => string | undefined;

/** Engines that keep their rows on this server, in the folder of the database. */
const ENGINES = new Set(
  `innodb innobase xtradb myisam mrg_myisam merge aria maria memory heap archive csv blackhole rocksdb tokudb columnstore mroonga
  oqgraph sequence ndb ndbcluster example`.split(/\s+/),
);

/**
 * The statements that a dump may hold, by their first words: what dump programs write, and nothing that does more than
 * bring back tables, rows and definitions of the one database. Whatever is not here is refused.
 */
const RULES: readonly (readonly [words: string, rule: Rule])[] = [
  ['SET', ({ settings, tokens, inDoubt }) => settings.set(tokens, inDoubt)],
  ['CREATE', create],
  ['DROP TABLE', drop],
  ['DROP VIEW', drop],
  ['DROP SEQUENCE', drop],
  ['DROP TRIGGER', drop],
  ['DROP FUNCTION', drop],
  ['DROP PROCEDURE', drop],
  ['DROP PACKAGE', drop],
  ['DROP EVENT', drop],
  ['INSERT', rows],
  ['REPLACE', rows],
  ['LOCK TABLES', lock],
  ['LOCK TABLE', lock],
  ['UNLOCK TABLES', end],
  ['ALTER TABLE', alterTable],
  ['ALTER DATABASE', alterDatabase],
  ['ALTER SCHEMA', alterDatabase],
  ['START TRANSACTION', startTransaction],
  ['BEGIN', end],
  ['COMMIT', end],
  // MariaDB's dump program: how far a sequence was.
  ['DO SETVAL', setSequence],
  ['SELECT SETVAL', setSequence],
];

/** Rules by their first word. */
const BY_FIRST_WORD = new Map<string, (typeof RULES)[number][]>();
for (const entry of RULES) {
  const [first = ''] = entry[0].split(' ');
  BY_FIRST_WORD.set(first, [...(BY_FIRST_WORD.get(first) ?? []), entry]);
}

/** How many marks of comments that some servers execute may differ in one statement. */
const MAXIMUM_MARKS = 4;

export interface JudgedStatement {
  readonly text: SqlText;
  /** What in it no dump may hold. */
  readonly refused: string | undefined;
  /** Bytes of a value that goes in pieces, as far as it has come. */
  readonly longValue: number | undefined;
}

/** Judges the statements of a dump one after another: each by what those before it have set and made. */
export class StatementJudge {
  readonly settings = new SessionSettings();
  private readonly tables = new KnownTables();

  /** A statement in latin1, without its delimiter. */
  judge(statement: string): JudgedStatement {
    const text = readSql(statement, this.settings.lexis);
    const refused = text.unclear ?? this.judgeReadings(text.tokens);
    return { text, refused, longValue: this.settings.takePieceBytes() };
  }

  /** An INSERT or REPLACE up to the first row, in latin1. */
  judgeRows(head: string): string | undefined {
    return this.judge(head).refused;
  }

  /** A statement with parts that some servers alone execute has to pass with each of them and without. */
  private judgeReadings(tokens: readonly SqlToken[]): string | undefined {
    const marks = [...new Set(tokens.flatMap(({ onlyIn }) => onlyIn ?? []))];
    if (marks.length === 0) return this.judgeTokens(tokens, false);
    if (marks.length > MAXIMUM_MARKS) return 'comments for many versions of servers';
    for (let reading = 0; reading < 2 ** marks.length; reading += 1) {
      const executed = new Set(marks.filter((_mark, index) => (reading & (1 << index)) !== 0));
      const read = tokens.filter(({ onlyIn }) => onlyIn === undefined || executed.has(onlyIn));
      const refused = this.judgeTokens(read, true);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  private judgeTokens(tokens: readonly SqlToken[], inDoubt: boolean): string | undefined {
    if (tokens.length === 0) return undefined;
    const first = wordOf(tokens[0]);
    const candidates = BY_FIRST_WORD.get(first ?? '') ?? [];
    for (const [words, rule] of candidates) {
      const reader = new TokenReader(tokens);
      if (reader.takeWords(...words.split(' '))) {
        return rule({ reader, tokens, tables: this.tables, settings: this.settings, inDoubt });
      }
    }
    return candidates.length === 0 ? (first ?? 'no word') : `${first} ${wordOf(tokens[1]) ?? ''}`.trim();
  }
}

function end({ reader }: Statement): string | undefined {
  return reader.atEnd ? undefined : 'more than the statement';
}

function startTransaction(statement: Statement): string | undefined {
  statement.reader.takeWords('WITH', 'CONSISTENT', 'SNAPSHOT');
  return end(statement);
}

function setSequence({ reader }: Statement): string | undefined {
  if (!reader.takeSymbol('(') || !reader.takeName()) return 'SETVAL';
  for (let values = 0; reader.takeSymbol(','); values += 1) {
    reader.takeSymbol('-');
    if (values === 3 || !/^\d+$/.test(reader.next()?.text ?? '')) return 'SETVAL of no number';
  }
  return reader.takeSymbol(')') && reader.atEnd ? undefined : 'SETVAL';
}

function drop({ reader, tokens, tables, settings }: Statement): string | undefined {
  const kind = wordOf(tokens[1]) ?? '';
  if (kind === 'PACKAGE') reader.takeWords('BODY');
  reader.takeWords('IF', 'EXISTS');
  do {
    const name = reader.takeName();
    if (!name) return reader.symbol(1) === '.' ? 'a name in another database' : `DROP ${kind}`;
    if (kind === 'TABLE' || kind === 'VIEW' || kind === 'SEQUENCE') tables.dropped(name, settings.clientCharset);
  } while (reader.takeSymbol(','));
  return reader.atEnd ? undefined : `DROP ${kind} with ${reader.peek()?.text}`;
}

function lock({ reader }: Statement): string | undefined {
  do {
    if (!reader.takeName()) return 'LOCK TABLES of another database';
    if (!reader.takeWords('WRITE') && !reader.takeWords('READ')) return 'LOCK TABLES';
    reader.takeWords('LOCAL');
  } while (reader.takeSymbol(','));
  return reader.atEnd ? undefined : 'LOCK TABLES';
}

/** Of the current database: the name was taken out before. */
function alterDatabase({ reader }: Statement): string | undefined {
  let options = 0;
  while (!reader.atEnd) {
    reader.takeWords('DEFAULT');
    if (!reader.takeWords('CHARACTER', 'SET') && !reader.takeWords('CHARSET') && !reader.takeWords('COLLATE'))
      return 'ALTER DATABASE';
    reader.takeSymbol('=');
    if (reader.next()?.kind === 'symbol') return 'ALTER DATABASE';
    options += 1;
  }
  return options > 0 ? undefined : 'ALTER DATABASE';
}

function alterTable({ reader }: Statement): string | undefined {
  reader.takeWords('IF', 'EXISTS');
  if (!reader.takeName()) return 'ALTER TABLE of another database';
  if (reader.takeWords('DISABLE', 'KEYS') || reader.takeWords('ENABLE', 'KEYS'))
    return reader.atEnd ? undefined : 'ALTER TABLE';
  if (reader.word() === 'ALTER') return defaultNumbers(reader);
  // Programs that write keys behind the rows.
  let first = reader.word();
  if (first !== 'ADD' && first !== 'MODIFY') return `ALTER TABLE ${first ?? ''}`.trim();
  let depth = 0;
  while (!reader.atEnd) {
    const symbol = reader.symbol();
    const word = reader.word();
    if (symbol === ';') return 'more than one statement';
    if (symbol === '(') depth += 1;
    if (symbol === ')') depth -= 1;
    if (word === 'SELECT' || word === 'DIRECTORY' || word === 'PARTITION') return `ALTER TABLE with ${word}`;
    if (symbol === ',' && depth === 0) {
      first = reader.word(1);
      const isCounter = first === 'AUTO_INCREMENT' && reader.symbol(2) === '=';
      if (first !== 'ADD' && first !== 'MODIFY' && !isCounter) return `ALTER TABLE ${first ?? ''}`.trim();
    }
    reader.skip(1);
  }
  return undefined;
}

/** `ALTER COLUMN name SET DEFAULT 1.5e-3, …`: Kedge writes so what servers show rounded. */
function defaultNumbers(reader: TokenReader): string | undefined {
  do {
    if (!reader.takeWords('ALTER', 'COLUMN') || !reader.takeName() || !reader.takeWords('SET', 'DEFAULT'))
      return 'ALTER TABLE ALTER';
    let number = '';
    while (!reader.atEnd && reader.symbol() !== ',' && number.length < 40) number += reader.next()?.text ?? '';
    if (!/^-?\d+(?:\.\d+)?(?:e[-+]?\d+)?$/.test(number)) return 'ALTER TABLE ALTER';
  } while (reader.takeSymbol(','));
  return reader.atEnd ? undefined : 'ALTER TABLE ALTER';
}

function rows({ reader, tables, settings, inDoubt }: Statement): string | undefined {
  if (inDoubt) return 'rows for some servers alone';
  while (['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE'].includes(reader.word() ?? '')) reader.skip(1);
  reader.takeWords('INTO');
  const name = reader.takeName();
  if (!name) return 'rows for another database';
  if (reader.takeSymbol('(')) {
    do {
      if (!reader.takeName()) return 'rows';
    } while (reader.takeSymbol(','));
    if (!reader.takeSymbol(')')) return 'rows';
  }
  if (!reader.takeWords('VALUES') && !reader.takeWords('VALUE')) {
    return reader.atEnd ? 'rows without VALUES' : `rows by ${reader.peek()?.text.slice(0, 20)}`;
  }
  if (!reader.atEnd) return 'rows';
  return tables.refusesRows(name, settings.clientCharset);
}

function create(statement: Statement): string | undefined {
  const { reader, tables, settings, tokens } = statement;
  reader.takeWords('OR', 'REPLACE');
  for (;;) {
    if (reader.takeWords('AGGREGATE')) continue;
    if (reader.takeWords('SQL', 'SECURITY')) {
      reader.skip(1);
    } else if (reader.takeWords('ALGORITHM')) {
      reader.takeSymbol('=');
      reader.skip(1);
    } else break;
  }
  const kind = reader.word() ?? '';
  reader.skip(1);
  if (!['TABLE', 'VIEW', 'SEQUENCE', 'TRIGGER', 'FUNCTION', 'PROCEDURE', 'PACKAGE', 'EVENT'].includes(kind))
    return `CREATE ${kind}`.trim();
  const isBody = kind === 'PACKAGE' && reader.takeWords('BODY');
  reader.takeWords('IF', 'NOT', 'EXISTS');
  const name = reader.takeName();
  if (!name) return reader.symbol(1) === '.' ? `CREATE ${kind} in another database` : `CREATE ${kind} without a name`;
  switch (kind) {
    case 'TABLE': {
      const refused = tableDefinition(reader);
      if (refused === undefined) tables.created(name, settings.clientCharset);
      return refused;
    }
    case 'SEQUENCE':
      tables.created(name, settings.clientCharset);
      return sequenceDefinition(reader);
    case 'VIEW':
      tables.dropped(name, settings.clientCharset);
      return singleStatement(reader);
    case 'TRIGGER': {
      const on = triggeredTable(tokens, reader.position);
      if (!on) return 'CREATE TRIGGER in another database';
      tables.triggered(on, settings.clientCharset);
      break;
    }
    case 'FUNCTION':
      if (reader.word() === 'RETURNS' || reader.word() === 'SONAME') return 'CREATE FUNCTION from a library';
      break;
    default:
  }
  const program = `${kind.toLowerCase()}${isBody ? ' body' : ''}`;
  const oracle = settings.mode.toLowerCase().split(',').includes('oracle');
  return endsWithItsText(program, tokens, reader.position, { oracle }) ? undefined : `more than the ${program}`;
}

/** The table in `BEFORE INSERT ON <table>`, where it names no database. */
function triggeredTable(tokens: readonly SqlToken[], from: number): SqlToken | undefined {
  const on = tokens.findIndex((token, index) => index >= from && wordOf(token) === 'ON');
  return on === -1 ? undefined : new TokenReader(tokens, on + 1).takeName();
}

function singleStatement(reader: TokenReader): string | undefined {
  while (!reader.atEnd) {
    if (reader.takeSymbol(';') && !reader.atEnd) return 'more than one statement';
    reader.skip(1);
  }
  return undefined;
}

function sequenceDefinition(reader: TokenReader): string | undefined {
  while (!reader.atEnd) {
    const token = reader.next();
    if (wordOf(token) === 'ENGINE') {
      reader.takeSymbol('=');
      const refused = engine(reader.next());
      if (refused !== undefined) return refused;
    } else if (token?.kind === 'symbol' && !'-=,.'.includes(token.text)) return 'CREATE SEQUENCE';
  }
  return undefined;
}

function engine(token: SqlToken | undefined): string | undefined {
  const name = token ? nameOf(token).toLowerCase() : '';
  return ENGINES.has(name) ? undefined : `the engine ${name}`;
}

/** `(columns) options`, without a query and without tables of other databases. */
function tableDefinition(reader: TokenReader): string | undefined {
  if (!reader.takeSymbol('(')) return 'CREATE TABLE from another';
  if (['SELECT', 'LIKE', 'WITH', 'VALUES', 'TABLE'].includes(reader.word() ?? '') || reader.symbol() === '(')
    return 'CREATE TABLE from another';
  let depth = 1;
  while (depth > 0) {
    if (reader.atEnd) return 'CREATE TABLE that does not end';
    const symbol = reader.symbol();
    if (symbol === ';') return 'more than one statement';
    if (symbol === '(') depth += 1;
    if (symbol === ')') depth -= 1;
    reader.skip(1);
  }
  while (!reader.atEnd) {
    const symbol = reader.symbol();
    const word = reader.word();
    reader.skip(1);
    if (symbol === ';' && !reader.atEnd) return 'more than one statement';
    if (['SELECT', 'AS', 'IGNORE', 'REPLACE', 'LIKE', 'CONNECTION', 'DIRECTORY'].includes(word ?? ''))
      return `CREATE TABLE with ${word}`;
    if (word === 'WITH' && reader.word() !== 'SYSTEM') return 'CREATE TABLE with WITH';
    if (word === 'ENGINE' || word === 'TYPE') {
      reader.takeSymbol('=');
      const refused = engine(reader.next());
      if (refused !== undefined) return refused;
    }
    if (word === 'UNION') {
      reader.takeSymbol('=');
      if (!reader.takeSymbol('(')) return 'CREATE TABLE with UNION';
      do {
        if (!reader.takeName()) return 'CREATE TABLE over tables of another database';
      } while (reader.takeSymbol(','));
      if (!reader.takeSymbol(')')) return 'CREATE TABLE with UNION';
    }
  }
  return undefined;
}
