import { dirname, resolve } from 'node:path';
import type { Listen } from '../../../contract/target';

/** One directive as it stands in a file. */
export interface Directive {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly file: string;
  readonly line: number;
  /** What stands between its braces; null without. Included files stand behind their `include`. */
  readonly block: readonly Directive[] | null;
}

/** A `server { }` of `http { }`. */
export interface ServerBlock {
  readonly directive: Directive;
  readonly names: readonly string[];
  /** Sockets and QUIC left out: they cannot be asked by TCP. */
  readonly listens: readonly Listen[];
  readonly directives: readonly Directive[];
  /** What stands in `http { }` beside it. */
  readonly inherited: readonly Directive[];
}

/** `file:line` of a directive. */
export function placeOf({ file, line }: Directive): string {
  return `${file}:${line}`;
}

/** The server blocks in what `nginx -T` printed. What cannot be understood is passed over. */
export function serverBlocksOf(dump: string): ServerBlock[] {
  const files = filesOf(dump);
  const [main] = files.keys();
  if (main === undefined) return [];
  const prefix = dirname(main);
  const parsed = new Map([...files].map(([file, text]) => [file, parse(text, file)]));
  const expand = (directives: readonly Directive[], depth: number): Directive[] =>
    directives.flatMap((directive) => {
      if (directive.block) return [{ ...directive, block: expand(directive.block, depth) }];
      if (directive.name !== 'include' || depth > 10) return [directive];
      const pattern = globOf(resolve(prefix, directive.arguments[0] ?? ''));
      const included = [...parsed].filter(([file]) => pattern.test(file));
      return [directive, ...included.flatMap(([, inner]) => expand(inner, depth + 1))];
    });
  const http = expand(parsed.get(main) ?? [], 0).filter(({ name }) => name === 'http');
  return http.flatMap(({ block }) =>
    (block ?? []).filter(({ name }) => name === 'server').map((server) => serverBlock(server, block ?? [])),
  );
}

/** True when an `include` of `nginx -T`'s takes in a file; relative paths begin where the main file is. */
export function includes(directive: Directive, path: string, prefix: string): boolean {
  return directive.name === 'include' && globOf(resolve(prefix, directive.arguments[0] ?? '')).test(path);
}

/** Folder that relative paths of the configuration begin at. */
export function prefixOf(dump: string): string {
  const [main = '/'] = filesOf(dump).keys();
  return dirname(main);
}

/** Whether a server block names a host, by the rules of `server_name`. */
export function namesHost(block: ServerBlock, host: string): boolean {
  return block.names.some((name) => {
    if (name.startsWith('~')) return matchesExpression(name.slice(1), host);
    if (name.startsWith('*.')) return host.endsWith(name.slice(1));
    if (name.startsWith('.')) return host === name.slice(1) || host.endsWith(name);
    if (name.endsWith('.*')) return host.startsWith(name.slice(0, -1));
    return name.toLowerCase() === host;
  });
}

function matchesExpression(source: string, host: string): boolean {
  try {
    return new RegExp(source, 'i').test(host);
  } catch {
    // An expression of PCRE's that JavaScript does not know.
    return false;
  }
}

function serverBlock(directive: Directive, inherited: readonly Directive[]): ServerBlock {
  const directives = directive.block ?? [];
  const named = (name: string): Directive[] => directives.filter((inner) => inner.name === name);
  const everywhere = named('ssl').some(({ arguments: [value] }) => value === 'on');
  const listens = named('listen').flatMap(({ arguments: given }) => listenOf(given, everywhere));
  return {
    directive,
    names: named('server_name').flatMap(({ arguments: names }) => names),
    listens: named('listen').length === 0 ? [{ address: '*', port: 80 }] : listens,
    directives,
    inherited,
  };
}

function listenOf([where = '', ...options]: readonly string[], everywhere: boolean): Listen[] {
  if (where.startsWith('unix:') || options.includes('quic')) return [];
  const tls = everywhere || options.includes('ssl') ? { tls: true } : {};
  if (/^\d+$/.test(where)) return [{ address: '*', port: Number(where), ...tls }];
  const [, address = '', port = '80'] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(where) ?? [];
  return address === '' ? [] : [{ address, port: Number(port), ...tls }];
}

function filesOf(dump: string): Map<string, string> {
  const parts = dump.split(/^# configuration file (.+):$\n?/m);
  const files = new Map<string, string>();
  for (let index = 1; index + 1 < parts.length; index += 2) files.set(parts[index] ?? '', parts[index + 1] ?? '');
  return files;
}

function globOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // An unclosed bracket.
    return /^$/;
  }
}

interface Token {
  readonly text: string;
  readonly line: number;
  readonly kind: 'word' | ';' | '{' | '}';
}

function parse(text: string, file: string): Directive[] {
  const open: { head: Token[]; directives: Directive[] }[] = [];
  let directives: Directive[] = [];
  let words: Token[] = [];
  const directive = ([first, ...rest]: Token[], block: Directive[] | null): Directive => ({
    name: first?.text ?? '',
    arguments: rest.map((word) => word.text),
    file,
    line: first?.line ?? 0,
    block,
  });
  for (const token of tokensOf(text)) {
    if (token.kind === 'word') {
      words.push(token);
      continue;
    }
    if (token.kind === ';' && words.length > 0) directives.push(directive(words, null));
    if (token.kind === '{') {
      open.push({ head: words, directives });
      directives = [];
    }
    if (token.kind === '}') {
      const outer = open.pop();
      if (!outer) break;
      directives = [...outer.directives, directive(outer.head, directives)];
    }
    words = [];
  }
  return open[0]?.directives ?? directives;
}

/** Words, with their quotes taken off, and what ends them. Code of Lua's is passed over as a whole. */
function* tokensOf(text: string): Generator<Token> {
  const pattern =
    /#[^\n]*|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|[;{}]|(?:\$\{[^}]*\}|\\[^]|[^\s;{}"'#\\])(?:\$\{[^}]*\}|\\[^]|[^\s;{}\\])*|\s+/g;
  let line = 1;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    const [whole, double, single] = found;
    if (whole === ';' || whole === '{' || whole === '}') yield { kind: whole, text: whole, line };
    else if (!/^[#\s]/.test(whole)) yield { kind: 'word', text: double ?? single ?? whole, line };
    line += whole.split('\n').length - 1;
    if (whole.endsWith('_by_lua_block')) {
      const end = endOfLua(text, pattern.lastIndex);
      line += text.slice(pattern.lastIndex, end).split('\n').length - 1;
      pattern.lastIndex = end;
      yield { kind: ';', text: ';', line };
    }
  }
}

function endOfLua(text: string, start: number): number {
  let depth = 0;
  for (let at = text.indexOf('{', start); at !== -1 && at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
