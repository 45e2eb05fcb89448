import { type SqlToken, wordOf } from './sql-tokens';

/** Words that begin what is no column. A column of such a name stands in quotes. */
const NO_COLUMN = new Set([
  ...['PRIMARY', 'UNIQUE', 'KEY', 'INDEX', 'FULLTEXT', 'SPATIAL', 'FOREIGN', 'CONSTRAINT', 'CHECK', 'PERIOD', 'LIKE'],
]);

/** One of the {@link itemsOf} a definition describes a column. */
export function isColumn(item: readonly SqlToken[]): boolean {
  return item.length > 0 && !NO_COLUMN.has(wordOf(item[0]) ?? '');
}

/** What stands between the commas of a table's parentheses, and what stands behind these. */
export function itemsOf(tokens: readonly SqlToken[]): { items: SqlToken[][]; rest: readonly SqlToken[] } {
  const items: SqlToken[][] = [];
  let item: SqlToken[] = [];
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    const symbol = token.kind === 'symbol' ? token.text : undefined;
    if (symbol === ')') depth -= 1;
    const ends = (depth === 0 && symbol === ')') || (depth === 1 && symbol === ',');
    if (ends) {
      items.push(item);
      item = [];
      if (depth === 0) return { items, rest: tokens.slice(at + 1) };
    } else if (depth > 0) item.push(token);
    if (symbol === '(') depth += 1;
  }
  return { items, rest: [] };
}
