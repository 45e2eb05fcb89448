import { type SqlToken, wordOf } from './sql-tokens';

/** Words between the parameters of a routine and its body. */
const CHARACTERISTICS = new Set(
  'COMMENT LANGUAGE SQL NOT DETERMINISTIC CONTAINS NO READS MODIFIES DATA SECURITY DEFINER INVOKER AS IS'.split(' '),
);
/** Words that end the description of what a function returns. */
const AFTER_RETURNS = new Set([...CHARACTERISTICS, 'RETURN', 'BEGIN', 'IF', 'CASE', 'LOOP', 'WHILE', 'REPEAT', 'FOR']);
/** After these an operand is wanted, so END would be a name. */
const BEFORE_OPERAND = new Set(
  'SELECT SET WHERE AND OR XOR NOT BY FROM ON HAVING UPDATE INTO WHEN THEN ELSE CASE LIKE IN DIV MOD BETWEEN'.split(
    ' ',
  ),
);

type Block =
  | ('BEGIN' | 'IF' | 'CASE' | 'LOOP' | 'WHILE' | 'REPEAT' | 'FOR' | 'CASE of a value')
  /** In Oracle's mode: declarations, behind AS, that BEGIN follows in a routine, may follow in the body of a package, and never in a package. */
  | ('ROUTINE' | 'PACKAGE BODY' | 'PACKAGE')
  /** In Oracle's mode: what handles the exceptions of a block, up to its end. */
  | 'EXCEPTION';

/**
 * Whether the definition of a stored program ends where the text does. The client sends what stands between two
 * delimiters as one text, and a server executes what follows the definition as statements of their own. `tokens` as from
 * {@link readSql}, `from` the first behind the name (of a trigger: behind ROW; of an event: behind DO).
 */
export function endsWithItsText(
  kind: string,
  tokens: readonly SqlToken[],
  from: number,
  { oracle }: { readonly oracle: boolean },
): boolean {
  const body = oracle ? declarationsOf(kind, tokens, from) : undefined;
  if (body !== undefined) return new Program(tokens, body, DECLARATIONS[kind]).endsWithItsText();
  return new Program(tokens, bodyOf(kind, tokens, from)).endsWithItsText();
}

/** What a definition in Oracle's mode begins with behind its AS, by its kind. */
const DECLARATIONS: Readonly<Record<string, Block>> = {
  function: 'ROUTINE',
  procedure: 'ROUTINE',
  package: 'PACKAGE',
  'package body': 'PACKAGE BODY',
};

/**
 * Where the declarations begin of what Oracle's mode defines: behind AS or IS. There a server takes nothing but them and a block, whatever
 * semicolons stand in between. Undefined where the text is not surely such a definition. `from` as of {@link endsWithItsText}.
 */
function declarationsOf(kind: string, tokens: readonly SqlToken[], from: number): number | undefined {
  if (DECLARATIONS[kind] === undefined) return undefined;
  let at = kind.startsWith('package') ? from : behindParentheses(tokens, from);
  const returns = kind === 'function';
  if (returns && wordOf(tokens[at]) !== 'RETURN') return undefined;
  let depth = 0;
  for (at += returns ? 1 : 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    const word = wordOf(token);
    const text = token?.text ?? '';
    if (depth === 0 && (word === 'AS' || word === 'IS')) return opensDeclarations(tokens[at + 1]) ? at + 1 : undefined;
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    const isOfType = returns && (token?.kind !== 'symbol' || '(),.%'.includes(text));
    if (!isOfType && token?.kind !== 'quoted' && !CHARACTERISTICS.has(word ?? '')) return undefined;
  }
  return undefined;
}

/** MySQL's AS is followed by text in another language. */
function opensDeclarations(token: SqlToken | undefined): boolean {
  return token?.kind === 'quoted' ? !token.text.startsWith("'") : /^[A-Z_]/.test(wordOf(token) ?? '');
}

/** Behind the parentheses that stand here, if any do. */
function behindParentheses(tokens: readonly SqlToken[], from: number): number {
  const symbolAt = (index: number): string | undefined =>
    tokens[index]?.kind === 'symbol' ? tokens[index].text : undefined;
  let at = from;
  if (symbolAt(at) !== '(') return at;
  let depth = 0;
  do {
    if (symbolAt(at) === '(') depth += 1;
    if (symbolAt(at) === ')') depth -= 1;
    at += 1;
  } while (depth > 0 && at < tokens.length);
  return at;
}

/** Where the body of a stored program begins; arguments as of {@link endsWithItsText}, `from` at or behind its name. */
export function bodyOf(kind: string, tokens: readonly SqlToken[], from: number): number {
  const wordAt = (index: number): string | undefined => wordOf(tokens[index]);
  const symbolAt = (index: number): string | undefined =>
    tokens[index]?.kind === 'symbol' ? tokens[index].text : undefined;
  let at = from;
  if (kind === 'trigger' || kind === 'event') {
    const last = kind === 'trigger' ? 'ROW' : 'DO';
    while (at < tokens.length && (wordAt(at) !== last || (last === 'ROW' && wordAt(at - 1) !== 'EACH'))) at += 1;
    at += 1;
    if (kind === 'trigger' && (wordAt(at) === 'FOLLOWS' || wordAt(at) === 'PRECEDES')) at += 2;
    return at;
  }
  at = behindParentheses(tokens, at);
  if (wordAt(at) === 'RETURNS') {
    while (at < tokens.length && !AFTER_RETURNS.has(wordAt(at) ?? '') && symbolAt(at + 1) !== ':') at += 1;
  }
  while (at < tokens.length && (tokens[at]?.kind === 'quoted' || CHARACTERISTICS.has(wordAt(at) ?? ''))) {
    if (tokens[at]?.kind === 'quoted' && symbolAt(at + 1) === ':') break;
    at += 1;
  }
  return at;
}

/** Follows the blocks of a compound statement. Where it is not sure that a block has begun it takes it that none has. */
class Program {
  private readonly blocks: Block[] = [];
  /** Of Oracle's mode, begun by declarations. */
  private readonly oracle: boolean = false;
  /** A statement may begin here. */
  private atStatement = true;
  /** Between WHILE or FOR and their DO. */
  private inLoopHead = false;

  constructor(
    private readonly tokens: readonly SqlToken[],
    private at: number,
    declarations?: Block,
  ) {
    if (declarations === undefined) return;
    this.blocks.push(declarations);
    this.oracle = true;
  }

  endsWithItsText(): boolean {
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at];
      if (token?.kind === 'symbol' && token.text === ';') {
        if (this.blocks.length === 0) return this.at === this.tokens.length - 1;
        if (this.blocks.at(-1) === 'CASE of a value') return false;
        this.atStatement = true;
        this.at += 1;
      } else if (!this.step()) return false;
    }
    return this.blocks.length === 0;
  }

  /** False when the text is not understood. */
  private step(): boolean {
    const word = this.wordHere();
    const top = this.blocks.at(-1);
    if (this.atStatement && word !== undefined && this.symbolAt(this.at + 1) === ':') {
      this.at += 2;
      if (this.symbolAt(this.at) === '=') this.atStatement = false;
      return true;
    }
    if (this.atStatement && this.tokens[this.at]?.kind === 'quoted' && this.symbolAt(this.at + 1) === ':') {
      this.at += 2;
      return true;
    }
    if (word === 'END' && this.closes(top)) return this.close(top);
    if (this.atStatement) return this.begin(word);
    this.at += 1;
    if (word === 'CASE') this.blocks.push('CASE of a value');
    else if (word === 'THEN' || word === 'ELSE') {
      this.atStatement = top === 'IF' || top === 'CASE' || top === 'EXCEPTION';
    } else if (this.oracle && word === 'LOOP' && this.inLoopHead && (top === 'WHILE' || top === 'FOR')) {
      this.inLoopHead = false;
      this.replaceTop('LOOP');
    } else if (word === 'DO' && this.inLoopHead && (top === 'WHILE' || top === 'FOR')) {
      this.inLoopHead = false;
      this.atStatement = true;
    }
    return true;
  }

  private begin(word: string | undefined): boolean {
    const top = this.blocks.at(-1);
    if (top === 'PACKAGE BODY' && (word === 'FUNCTION' || word === 'PROCEDURE') && this.beginRoutine(word)) return true;
    this.at += 1;
    this.atStatement = false;
    if (word === 'BEGIN' && (top === 'ROUTINE' || top === 'PACKAGE BODY')) {
      this.replaceTop('BEGIN');
    } else if (word === 'EXCEPTION' && top === 'BEGIN' && this.oracle) {
      this.replaceTop('EXCEPTION');
    } else if (word === 'BEGIN') {
      if (top === 'PACKAGE') return false;
      this.blocks.push('BEGIN');
      if (this.wordHere() === 'NOT' && wordOf(this.tokens[this.at + 1]) === 'ATOMIC') this.at += 2;
      this.atStatement = true;
    } else if (word === 'LOOP' || word === 'REPEAT') {
      this.blocks.push(word);
      this.atStatement = true;
    } else if (word === 'IF' || word === 'CASE') {
      this.blocks.push(word);
    } else if (word === 'WHILE' || word === 'FOR') {
      this.blocks.push(word);
      this.inLoopHead = true;
    } else if (word === 'ELSE') {
      // Behind a `;`: what else an IF or CASE does.
      this.atStatement = true;
    } else if (word === 'DECLARE') {
      this.skipHandler();
    }
    return true;
  }

  /** A routine in the body of a package; false for what only says that there is one. */
  private beginRoutine(word: string): boolean {
    const body = declarationsOf(word.toLowerCase(), this.tokens, this.at + 2);
    if (body === undefined) return false;
    this.at = body;
    this.blocks.push('ROUTINE');
    this.atStatement = true;
    return true;
  }

  private replaceTop(block: Block): void {
    this.blocks[this.blocks.length - 1] = block;
    this.atStatement = true;
  }

  /** `DECLARE EXIT HANDLER FOR <conditions>` is followed by a statement. */
  private skipHandler(): void {
    if (wordOf(this.tokens[this.at + 1]) !== 'HANDLER' || wordOf(this.tokens[this.at + 2]) !== 'FOR') return;
    this.at += 3;
    for (;;) {
      const word = this.wordHere();
      if (word === 'SQLSTATE') this.at += wordOf(this.tokens[this.at + 1]) === 'VALUE' ? 3 : 2;
      else this.at += word === 'NOT' ? 2 : 1;
      if (this.symbolAt(this.at) !== ',') break;
      this.at += 1;
    }
    this.atStatement = true;
  }

  /** END ends the block here, and is no name. */
  private closes(top: Block | undefined): boolean {
    const before = this.tokens[this.at - 1];
    if (before?.kind === 'symbol') {
      if (before.text === ';') return true;
      if (!(before.text === ')' || before.text === '}')) return false;
    }
    if (top === 'CASE of a value' || top === 'REPEAT') return !BEFORE_OPERAND.has(wordOf(before) ?? '');
    return top === 'BEGIN' && (wordOf(before) === 'BEGIN' || wordOf(before) === 'ATOMIC') && this.atStatement;
  }

  private close(top: Block | undefined): boolean {
    this.at += 1;
    this.atStatement = false;
    // Declarations of a routine are followed by its block.
    if (top === undefined || top === 'ROUTINE') return false;
    this.blocks.pop();
    if (['BEGIN', 'CASE of a value', 'EXCEPTION', 'PACKAGE', 'PACKAGE BODY'].includes(top)) return true;
    if (this.wordHere() !== top) return false;
    this.at += 1;
    return true;
  }

  private wordHere(): string | undefined {
    const before = this.tokens[this.at - 1];
    const token = this.tokens[this.at];
    // `t.end` and `@end` are names.
    if (before && token && before.end === token.start && (before.text === '.' || before.text === '@')) return undefined;
    return wordOf(token);
  }

  private symbolAt(index: number): string | undefined {
    const token = this.tokens[index];
    return token?.kind === 'symbol' ? token.text : undefined;
  }
}
