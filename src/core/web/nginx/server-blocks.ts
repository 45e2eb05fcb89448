import type { Listen } from '../../../contract/target';
import type { Configuration, Directive } from './configuration';

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

/** The server blocks of a configuration. */
export function serverBlocksOf({ directives }: Pick<Configuration, 'directives'>): ServerBlock[] {
  return directives
    .filter(({ name }) => name === 'http')
    .flatMap(({ block }) =>
      (block ?? []).filter(({ name }) => name === 'server').map((server) => serverBlock(server, block ?? [])),
    );
}

/** Whether a server block names a host, by the rules of `server_name`. */
export function namesHost(block: ServerBlock, host: string): boolean {
  return block.names.some((given) => {
    if (given.startsWith('~')) return matchesExpression(given.slice(1), host);
    const name = given.toLowerCase();
    if (name.startsWith('*.')) return host.endsWith(name.slice(1));
    if (name.startsWith('.')) return host === name.slice(1) || host.endsWith(name);
    if (name.endsWith('.*')) return host.startsWith(name.slice(0, -1));
    return name === host;
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
