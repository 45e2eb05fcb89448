import { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** What a value of a type is called. */
const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a set of keys',
  record: 'a set of keys',
  null: 'nothing',
};

/** What is wrong with a value, as people say it, without a full stop. What a schema says in words of its own stays. */
export function describeIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue);
    case 'invalid_value':
      return `${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')} belongs here`;
    case 'too_small':
      return ownWords(issue) ?? describeSmall(issue);
    case 'too_big':
      return ownWords(issue) ?? `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_format':
      return ownWords(issue) ?? 'not of the expected form';
    case 'invalid_union':
      return ownWords(issue) ?? 'of none of the forms that are taken here';
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return uncapitalised(issue.message);
  }
}

/** Where in what came, and what is wrong there: `site: is missing, a text belongs here; …`. */
export function describeIssues({ issues }: { readonly issues: readonly Issue[] }): string {
  const found = new Map<string, string>();
  for (const issue of issues) {
    const place = issue.path.length === 0 ? 'the input' : issue.path.map(String).join('.');
    // What else is wrong with what is no list at all nobody has to know.
    if (!found.has(place)) found.set(place, describeIssue(issue));
  }
  return [...found].map(([place, what]) => `${place}: ${what}`).join('; ');
}

/** What an error says. What no schema takes, and nobody expected, is said in the same words. */
export function messageOfError(error: unknown): string {
  if (error instanceof z.ZodError) return `what was read is of another form than expected: ${describeIssues(error)}`;
  return error instanceof Error ? error.message : String(error);
}

function describeType(issue: Extract<Issue, { code: 'invalid_type' }>): string {
  const own = ownWords(issue);
  if (own !== null) return own;
  const expected = NAMES[issue.expected] ?? issue.expected;
  const [, received = ''] = /received (\w+)/.exec(issue.message) ?? [];
  if (received === 'undefined') return `is missing, ${expected} belongs here`;
  return `is ${NAMES[received] ?? received}, and ${expected} belongs here`;
}

function describeSmall(issue: Extract<Issue, { code: 'too_small' }>): string {
  const isSize = issue.origin === 'string' || issue.origin === 'array';
  if (isSize && Number(issue.minimum) === 1) return 'may not be empty';
  return `at least ${issue.minimum}${unitOf(issue.origin)}`;
}

function unitOf(origin: string): string {
  return origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '';
}

/** Null for the words that zod has by itself. */
function ownWords({ message }: Issue): string | null {
  return /^(Invalid (input|option|string|key)|Too (small|big))\b/.test(message) ? null : uncapitalised(message);
}

function uncapitalised(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
