import { type SqlToken, nameOf, wordOf } from './sql-tokens';

/** Steps through the tokens of a statement. */
export class TokenReader {
  constructor(
    private readonly tokens: readonly SqlToken[],
    private at = 0,
  ) {}

  get atEnd(): boolean {
    return this.at >= this.tokens.length;
  }

  get position(): number {
    return this.at;
  }

  peek(ahead = 0): SqlToken | undefined {
    return this.tokens[this.at + ahead];
  }

  next(): SqlToken | undefined {
    this.at += 1;
    return this.tokens[this.at - 1];
  }

  skip(count: number): void {
    this.at += count;
  }

  word(ahead = 0): string | undefined {
    return wordOf(this.peek(ahead));
  }

  symbol(ahead = 0): string | undefined {
    const token = this.peek(ahead);
    return token?.kind === 'symbol' ? token.text : undefined;
  }

  takeSymbol(text: string): boolean {
    if (this.symbol() !== text) return false;
    this.at += 1;
    return true;
  }

  /** Takes these words when all of them come next. */
  takeWords(...words: readonly string[]): boolean {
    if (!words.every((word, index) => this.word(index) === word)) return false;
    this.at += words.length;
    return true;
  }

  /** A name without qualifier; undefined, and nothing is taken, for anything else. */
  takeName(): SqlToken | undefined {
    const token = this.peek();
    if (!token || token.kind === 'symbol' || token.text.startsWith("'") || this.symbol(1) === '.') return undefined;
    this.at += 1;
    return token;
  }

  /** `@name`, `name`, `SESSION name`, `@@name`, `@@session.name`. Names in lower case. */
  variable(): { name: string; own: boolean; scope: string | undefined } | undefined {
    if (this.takeSymbol('@')) {
      if (!this.takeSymbol('@')) {
        const token = this.next();
        return token && token.kind !== 'symbol'
          ? { name: nameOf(token).toLowerCase(), own: true, scope: undefined }
          : undefined;
      }
      const scope = this.symbol(1) === '.' ? this.word() : undefined;
      if (this.symbol(1) === '.') {
        if (scope === undefined) return undefined;
        this.skip(2);
      }
      return this.systemVariable(scope);
    }
    const next = this.peek(1);
    const scope = next !== undefined && next.kind !== 'symbol' ? this.word() : undefined;
    if (scope !== undefined) this.skip(1);
    return this.systemVariable(scope);
  }

  private systemVariable(
    scope: string | undefined,
  ): { name: string; own: boolean; scope: string | undefined } | undefined {
    const token = this.next();
    if (!token || token.kind === 'symbol' || token.text.startsWith("'") || this.symbol() === '.') return undefined;
    return { name: nameOf(token).toLowerCase(), own: false, scope };
  }
}
