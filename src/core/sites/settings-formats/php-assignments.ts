import { namedBy } from './php-literal';
import type { PhpName } from './php-name';
import type { PhpToken } from './php-tokens';

/** A place where the source gives a setting its value. */
export interface PhpAssignment {
  readonly line: number;
  /** Where it stands among the tokens. */
  readonly at: number;
  /** The literal that is the whole value; null when the value is computed. */
  readonly literal: PhpToken | null;
}

const LITERALS = new Set(['T_CONSTANT_ENCAPSED_STRING', 'T_LNUMBER', 'T_HEREDOC']);
const OPENING = new Set(['(', '[', '{', 'T_CURLY_OPEN', 'T_DOLLAR_OPEN_CURLY_BRACES', 'T_ATTRIBUTE']);
/** What opens a brace within a text. */
const INTERPOLATION = new Set(['T_CURLY_OPEN', 'T_DOLLAR_OPEN_CURLY_BRACES']);
const CLOSING = new Set([')', ']', '}']);
/** What may stand before a statement. After anything else a variable is a parameter, a property or part of an expression. */
const BEFORE_STATEMENT = new Set(['T_OPEN_TAG', 'T_INLINE_HTML', 'T_ELSE', ';', '{', '}', ')', ':', '@']);
const NOT_A_CALL = new Set([
  'T_OBJECT_OPERATOR',
  'T_NULLSAFE_OBJECT_OPERATOR',
  'T_DOUBLE_COLON',
  'T_FUNCTION',
  'T_NEW',
]);

/** Every place where the tokens set the name, in the order of the source. Which of them is executed, evaluation shows. */
export function findAssignments(tokens: readonly PhpToken[], name: PhpName): PhpAssignment[] {
  return name.form === 'constant' ? findConstant(tokens, name.constant) : findVariable(tokens, name.path);
}

function findConstant(tokens: readonly PhpToken[], constant: string): PhpAssignment[] {
  // `const` names a constant without its namespace or class.
  const shortName = constant.split(/\\|::/).at(-1);
  const found: PhpAssignment[] = [];
  tokens.forEach((token, at) => {
    if (isDefine(tokens, at)) {
      const key = tokens[at + 2];
      if (key && isString(key) && namedBy(key.text) === constant && tokens[at + 3]?.name === ',') {
        found.push(assignment(tokens, at + 4, [')', ',']));
      }
    } else if (token.name === 'T_CONST') {
      for (let next = at + 1; next < tokens.length && tokens[next]?.name !== ';'; next += 1) {
        const named = tokens[next];
        if (named?.name === 'T_STRING' && named.text === shortName && tokens[next + 1]?.name === '=') {
          found.push(assignment(tokens, next + 2, [';', ',']));
        }
      }
    }
  });
  return found;
}

/** True for `define(` and `\define(`, in any case; false for methods of that name. */
function isDefine(tokens: readonly PhpToken[], at: number): boolean {
  const token = tokens[at];
  const before = tokens[at - 1];
  return (
    (token?.name === 'T_STRING' || token?.name === 'T_NAME_FULLY_QUALIFIED') &&
    /^\\?define$/i.test(token.text) &&
    tokens[at + 1]?.name === '(' &&
    !(before && NOT_A_CALL.has(before.name))
  );
}

function findVariable(
  tokens: readonly PhpToken[],
  [variable, ...keys]: readonly [string, ...string[]],
): PhpAssignment[] {
  const found: PhpAssignment[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token?.name === 'T_FUNCTION' && tokens[at - 1]?.name !== 'T_USE') {
      at = endOfFunction(tokens, at);
      continue;
    }
    const before = tokens[at - 1];
    if (token?.name !== 'T_VARIABLE' || token.text !== `$${variable}`) continue;
    if (before && !BEFORE_STATEMENT.has(before.name)) continue;
    const target = subscripts(tokens, at + 1);
    if (target.keys.some((key, depth) => key !== keys[depth])) continue;
    const rest = keys.slice(target.keys.length);
    const operator = tokens[target.next];
    if (operator?.name === '=' || operator?.name === 'T_COALESCE_EQUAL') {
      found.push(...findValue(tokens, target.next + 1, rest, [';', 'T_CLOSE_TAG']));
    } else if (operator?.name === 'T_CONCAT_EQUAL' && rest.length === 0) {
      found.push({ line: operator.line, at: target.next, literal: null });
    }
  }
  return found;
}

/** Variables of a function are its own. */
function endOfFunction(tokens: readonly PhpToken[], at: number): number {
  let next = at + 1;
  while (next < tokens.length && tokens[next]?.name !== '{' && tokens[next]?.name !== ';') next += 1;
  return tokens[next]?.name === '{' ? endOfGroup(tokens, next) : next;
}

/** The place of the bracket that closes the one at `at`. */
function endOfGroup(tokens: readonly PhpToken[], at: number): number {
  let depth = 0;
  for (let next = at; next < tokens.length; next += 1) {
    const name = tokens[next]?.name ?? '';
    if (OPENING.has(name)) depth += 1;
    if (CLOSING.has(name)) depth -= 1;
    if (depth === 0) return next;
  }
  return tokens.length;
}

/** The literal keys of `['a']["b"]`, and where the tokens go on. */
function subscripts(tokens: readonly PhpToken[], at: number): { keys: string[]; next: number } {
  const keys: string[] = [];
  let next = at;
  for (;;) {
    const key = tokens[next + 1];
    if (tokens[next]?.name !== '[' || !key || !isString(key) || tokens[next + 2]?.name !== ']') return { keys, next };
    keys.push(namedBy(key.text));
    next += 3;
  }
}

/** The value at `at`, or what the remaining keys lead to when it is an array literal. */
function findValue(
  tokens: readonly PhpToken[],
  at: number,
  keys: readonly string[],
  ends: readonly string[],
): PhpAssignment[] {
  const [key, ...rest] = keys;
  if (key === undefined) return [assignment(tokens, at, ends)];
  const open = tokens[at]?.name === 'T_ARRAY' ? at + 1 : at;
  const bracket = tokens[open]?.name;
  if (bracket !== '[' && !(bracket === '(' && open > at)) return [];
  const close = endOfGroup(tokens, open);
  const found: PhpAssignment[] = [];
  for (let next = open + 1; next < close; next += 1) {
    const token = tokens[next];
    if (token && isString(token) && namedBy(token.text) === key && tokens[next + 1]?.name === 'T_DOUBLE_ARROW') {
      found.push(...findValue(tokens, next + 2, rest, [',', ']', ')']));
    }
    if (OPENING.has(token?.name ?? '')) next = endOfGroup(tokens, next);
  }
  return found;
}

function assignment(tokens: readonly PhpToken[], at: number, ends: readonly string[]): PhpAssignment {
  const value = tokens[at];
  const whole = value && LITERALS.has(value.name) && ends.includes(tokens[at + 1]?.name ?? '');
  return { line: value?.line ?? tokens.at(-1)?.line ?? 1, at, literal: whole ? value : null };
}

/** What begins a part of the source that is run under other conditions than what stands before it. */
const BRANCHES = new Set([
  'T_IF',
  'T_ELSE',
  'T_ELSEIF',
  'T_ENDIF',
  'T_SWITCH',
  'T_CASE',
  'T_DEFAULT',
  'T_BREAK',
  'T_ENDSWITCH',
]);

/**
 * For each token the part of the source it stands in, by a number: what is run together has the same. Parts rather too small
 * than too large.
 */
export function branchesOf(tokens: readonly PhpToken[]): number[] {
  const open: number[] = [];
  let branch = 0;
  let last = 0;
  return tokens.map(({ name }) => {
    if (name === '{' || INTERPOLATION.has(name)) open.push(branch);
    if (name === '{' || BRANCHES.has(name)) branch = last += 1;
    if (name === '}') branch = open.pop() ?? (last += 1);
    return branch;
  });
}

function isString(token: PhpToken): boolean {
  return token.name === 'T_CONSTANT_ENCAPSED_STRING';
}
