import { type SqlToken, nameOf, sqlTokens, wordOf } from './sql-tokens';

/** What the head of a statement says it creates. */
export interface Created {
  readonly kind:
    'table' | 'view' | 'sequence' | 'trigger' | 'function' | 'procedure' | 'package' | 'package body' | 'event';
  readonly name: string;
  /** Only for an event: its definition switches it on. */
  readonly enabled: boolean;
}

export interface HeadRules {
  /** Write events switched off. */
  readonly disableEvents: boolean;
  /** Name of the dumped database, where it is known: triggers that name it are written without. */
  readonly database: string | undefined;
  /** What that database is called where the dump goes: definitions that name the old one name this. In ASCII. */
  readonly newName?: string | undefined;
  /** The server takes names of databases in any case. */
  readonly ignoreCase?: boolean | undefined;
  /** Leave out where on the server a table keeps its files: the new database has a folder of its own. */
  readonly cutDirectories: boolean;
  /**
   * Leave out locks of a table while its rows come: nobody else is there, and under a lock a default may not ask a sequence
   * (error 1100).
   */
  readonly cutLocks?: boolean;
  /** Leave out rows: what remains makes the same database, empty. */
  readonly cutRows?: boolean;
}

/** What is sent to a server: whatever the dump was called, nothing runs by itself, nothing lies elsewhere. */
export const IMPORT_RULES: HeadRules = {
  disableEvents: true,
  database: undefined,
  cutDirectories: true,
  cutLocks: true,
};

export interface RewrittenHead {
  /** The head in latin1. */
  readonly text: string;
  readonly created: Created | undefined;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const KINDS: Record<string, Created['kind']> = {
  TABLE: 'table',
  VIEW: 'view',
  SEQUENCE: 'sequence',
  TRIGGER: 'trigger',
  FUNCTION: 'function',
  PROCEDURE: 'procedure',
  PACKAGE: 'package',
  EVENT: 'event',
};

/** Words between CREATE and the kind of what is created. */
const BEFORE_KIND = new Set([
  'OR',
  'REPLACE',
  'ALGORITHM',
  'UNDEFINED',
  'MERGE',
  'TEMPTABLE',
  'SQL',
  'SECURITY',
  'INVOKER',
  'AGGREGATE',
  'TEMPORARY',
]);

/**
 * Rewrites the head of a statement of a dump, so that another account can import it into a database of another name:
 * DEFINER is removed, SQL SECURITY kept; `ALTER DATABASE <name>` means the current database; events are switched off if
 * asked. Everything else stays byte for byte. `head` is latin1, one character a byte.
 */
export function rewriteHead(head: string, rules: HeadRules, tokens = sqlTokens(head)): RewrittenHead {
  const first = wordOf(tokens.next().value);
  if (first === 'CREATE') return rewriteCreate(head, tokens, rules);
  if (first === 'ALTER') return { text: rewriteAlterDatabase(head, tokens), created: undefined };
  if (first === 'LOCK' && rules.cutLocks) return { text: rewriteLock(head, tokens), created: undefined };
  return { text: head, created: undefined };
}

/** The table an INSERT or REPLACE writes to. `head` is latin1. */
export function insertedTable(head: string): string | undefined {
  const tokens = sqlTokens(head);
  for (let token = tokens.next().value; token; token = tokens.next().value) {
    if (token.kind === 'quoted') return qualifiedName(token, tokens).name;
    if (wordOf(token) === 'INTO') {
      const next = tokens.next().value;
      return next && qualifiedName(next, tokens).name;
    }
  }
  return undefined;
}

function rewriteCreate(head: string, tokens: Iterator<SqlToken, undefined>, rules: HeadRules): RewrittenHead {
  const edits: Edit[] = [];
  let kind: Created['kind'] | undefined;
  let token = tokens.next().value;
  while (token && !kind) {
    const word = wordOf(token);
    kind = word === undefined ? undefined : KINDS[word];
    if (kind) break;
    if (word === 'DEFINER') {
      const { end, next } = readDefiner(tokens);
      // The space after it goes too, for there is one before. In SQL SECURITY DEFINER no account follows.
      if (end !== undefined) edits.push({ start: token.start, end: head[end] === ' ' ? end + 1 : end, text: '' });
      token = next;
      continue;
    }
    if (token.text !== '=' && (word === undefined || !BEFORE_KIND.has(word))) return { text: head, created: undefined };
    token = tokens.next().value;
  }
  if (!kind) return { text: head, created: undefined };

  const { token: nameToken, isBody } = firstName(tokens);
  if (!nameToken) return { text: apply(head, edits), created: undefined };
  if (kind === 'package' && isBody) kind = 'package body';
  const { name, qualifier, after } = qualifiedName(nameToken, tokens);
  let enabled = false;
  if (kind === 'event') {
    const found = findSwitch(tokens, after);
    enabled = found.enabled;
    if (enabled && rules.disableEvents) edits.push(found.edit);
  }
  if (kind === 'trigger' && rules.database !== undefined) {
    if (qualifier && isDumped(qualifier.token, rules)) edits.push(qualifier.cut);
    const table = qualifiedTable(tokens, after);
    if (table && isDumped(table.token, rules)) edits.push(table.cut);
  }
  if (kind === 'table' && rules.cutDirectories) edits.push(...directories(head, tokens, after));
  return { text: apply(head, edits), created: { kind, name, enabled } };
}

function isDumped(token: SqlToken, { database, ignoreCase }: HeadRules): boolean {
  const name = nameOf(token);
  return name === database || (ignoreCase === true && name.toLowerCase() === database?.toLowerCase());
}

/** Reads `= user@host` after DEFINER. */
function readDefiner(tokens: Iterator<SqlToken, undefined>): { end: number | undefined; next: SqlToken | undefined } {
  const equals = tokens.next().value;
  if (equals?.text !== '=') return { end: undefined, next: equals };
  const user = tokens.next().value;
  let end = user?.end ?? equals.end;
  let next = tokens.next().value;
  if (next?.text === '(' && next.start === end) {
    // CURRENT_USER()
    end = tokens.next().value?.end ?? next.end;
    return { end, next: tokens.next().value };
  }
  if (next?.text !== '@') return { end, next };
  const host = tokens.next().value;
  end = host?.end ?? next.end;
  next = tokens.next().value;
  // A host without quotes may hold dots and dashes.
  while (next && next.start === end && host?.kind === 'word' && (next.kind === 'word' || /[.-]/.test(next.text))) {
    end = next.end;
    next = tokens.next().value;
  }
  return { end, next };
}

/** The name after the kind, past `IF NOT EXISTS` and `BODY`. */
function firstName(tokens: Iterator<SqlToken, undefined>): { token: SqlToken | undefined; isBody: boolean } {
  let isBody = false;
  for (;;) {
    const token = tokens.next().value;
    if (!token || token.kind === 'quoted') return { token, isBody };
    const word = wordOf(token);
    if (word === undefined) return { token: undefined, isBody };
    if (!['IF', 'NOT', 'EXISTS', 'BODY'].includes(word)) return { token, isBody };
    isBody ||= word === 'BODY';
  }
}

interface Qualifier {
  readonly token: SqlToken;
  /** Takes the qualifier and its dot away. */
  readonly cut: Edit;
}

interface QualifiedName {
  readonly name: string;
  readonly qualifier: Qualifier | undefined;
  /** First token after the name. */
  readonly after: SqlToken | undefined;
}

function qualifiedName(first: SqlToken, tokens: Iterator<SqlToken, undefined>): QualifiedName {
  const dot = tokens.next().value;
  if (dot?.text !== '.') return { name: nameOf(first), qualifier: undefined, after: dot };
  const second = tokens.next().value;
  if (!second) return { name: nameOf(first), qualifier: undefined, after: undefined };
  return {
    name: nameOf(second),
    qualifier: { token: first, cut: { start: first.start, end: second.start, text: '' } },
    after: tokens.next().value,
  };
}

/** The qualifier of the table in `BEFORE INSERT ON <table> FOR EACH ROW`. */
function qualifiedTable(
  tokens: Iterator<SqlToken, undefined>,
  first: SqlToken | undefined,
): QualifiedName['qualifier'] {
  let token = first;
  while (token && wordOf(token) !== 'ON') token = tokens.next().value;
  const table = tokens.next().value;
  return table && qualifiedName(table, tokens).qualifier;
}

/** `DATA DIRECTORY = '…'` and `INDEX DIRECTORY = '…'`, each with a comma that follows it. */
function directories(head: string, tokens: Iterator<SqlToken, undefined>, first: SqlToken | undefined): Edit[] {
  const found: Edit[] = [];
  let before: SqlToken | undefined;
  let token = first;
  while (token) {
    const word = wordOf(before);
    if (before && wordOf(token) === 'DIRECTORY' && (word === 'DATA' || word === 'INDEX')) {
      let path = tokens.next().value;
      if (path?.text === '=') path = tokens.next().value;
      if (path?.kind === 'quoted' && [token, path].every(({ onlyIn }) => onlyIn === before?.onlyIn)) {
        const comma = /^\s*,/.exec(head.slice(path.end, path.end + 8))?.[0].length ?? 0;
        found.push({ start: before.start, end: path.end + comma, text: '' });
      }
      token = path;
    }
    before = token;
    token = tokens.next().value;
  }
  return found;
}

/** ENABLE or DISABLE of an event, which stands before COMMENT and DO. Without either the event is on. */
function findSwitch(
  tokens: Iterator<SqlToken, undefined>,
  first: SqlToken | undefined,
): { enabled: boolean; edit: Edit } {
  let depth = 0;
  let token = first;
  while (token) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    const word = depth === 0 ? wordOf(token) : undefined;
    if (word === 'DISABLE') break;
    if (word === 'ENABLE') return { enabled: true, edit: { start: token.start, end: token.end, text: 'DISABLE' } };
    if (word === 'COMMENT' || word === 'DO') {
      return { enabled: true, edit: { start: token.start, end: token.start, text: 'DISABLE ' } };
    }
    token = tokens.next().value;
  }
  return { enabled: false, edit: { start: 0, end: 0, text: '' } };
}

/** `LOCK TABLES <table> WRITE`, and nothing else. */
function rewriteLock(head: string, tokens: Iterator<SqlToken, undefined>): string {
  const [tables, table, write, more] = [0, 1, 2, 3].map(() => tokens.next().value);
  if (wordOf(tables) !== 'TABLES' || wordOf(write) !== 'WRITE' || !write || more || !table) return head;
  if (table.kind === 'symbol' || table.text.startsWith("'") || [tables, table, write].some((token) => token?.onlyIn))
    return head;
  return `${head.slice(0, head.search(/LOCK/i))}UNLOCK TABLES${head.slice(write.end)}`;
}

/** Dump programs name the database here although the dump may go into another one. */
function rewriteAlterDatabase(head: string, tokens: Iterator<SqlToken, undefined>): string {
  const kind = wordOf(tokens.next().value);
  const name = tokens.next().value;
  if ((kind !== 'DATABASE' && kind !== 'SCHEMA') || name?.kind !== 'quoted' || !name.text.startsWith('`')) return head;
  return apply(head, [{ start: name.start, end: head[name.end] === ' ' ? name.end + 1 : name.end, text: '' }]);
}

function apply(text: string, edits: readonly Edit[]): string {
  return edits
    .toReversed()
    .reduce((result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end), text);
}
