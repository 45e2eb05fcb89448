/** A PHP string literal without interpolation, in the quotes given. Source: PHP manual, "Strings". */
export function phpLiteral(value: string, quote: "'" | '"'): string {
  const special = quote === "'" ? /[\\']/g : /[\\"$]/g;
  return quote + value.replace(special, '\\$&') + quote;
}

/** What a literal in the source stands for; enough for names and keys, which need no escapes but `\\`. */
export function namedBy(literal: string): string {
  return literal.replace(/^b/i, '').slice(1, -1).replaceAll('\\\\', '\\');
}
