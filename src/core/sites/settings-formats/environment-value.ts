/** How a value is quoted in an environment file. */
export type EnvironmentQuote = '' | "'" | '"';

const CONTROL = /[\0-\x1f\x7f]/;

/**
 * A value as it stands in an environment file, in the quotes given when they can hold it, else in others; null when no
 * form is read the same by shells and dotenv libraries.
 */
export function environmentValue(value: string, quote: EnvironmentQuote): string | null {
  if (CONTROL.test(value)) return null;
  // An empty one is quoted: a comment may follow it.
  if (quote === '' && /^[\w./:@%+,=-]+$/.test(value)) return value;
  if (quote === '"' && !value.includes('`')) return `"${value.replace(/[\\"$]/g, '\\$&')}"`;
  if (!value.includes("'")) return `'${value}'`;
  return value.includes('`') ? null : `"${value.replace(/[\\"$]/g, '\\$&')}"`;
}
