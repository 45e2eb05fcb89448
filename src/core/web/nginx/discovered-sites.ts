import { dirname, resolve } from 'node:path';
import { SITE_URI } from '../../../contract/names';
import type { ServedSite } from '../web-server-kind';
import type { Configuration, Directive } from './configuration';

/** The sites of a configuration: its server blocks, those of one document root taken together. */
export function readNginxSites({ directives }: Pick<Configuration, 'directives'>): ServedSite[] {
  const http = inHttp(directives);
  const upstreams = new Map(
    http
      .filter(({ name }) => name === 'upstream')
      .map(({ arguments: [name = ''], block }) => [name, valueOf(block ?? [], 'server') ?? '']),
  );
  const byRoot = new Map<string, ServedSite>();
  for (const server of http.filter(({ name }) => name === 'server')) {
    const block = server.block ?? [];
    const root = rootOf(block) ?? valueOf(http, 'root');
    if (root === undefined) continue;
    const valuesOf = (directive: string): (readonly string[])[] =>
      block.filter(({ name }) => name === directive).map((found) => found.arguments);
    const names = valuesOf('server_name').flat();
    const listens = valuesOf('listen');
    const php = fastCgiOf(block);
    const site = {
      names: names.map((name) => name.toLowerCase()).filter((name) => SITE_URI.test(name)),
      otherNames: names.filter((name) => !SITE_URI.test(name.toLowerCase()) && name !== '_' && name !== ''),
      root: root.length > 1 ? root.replace(/\/+$/, '') : root,
      php: php === null ? null : (upstreams.get(php) ?? php),
      files: [server.file],
      listen: listens.flatMap((values) => (values.includes('ssl') ? [] : plainListen(values[0] ?? ''))),
      tls: listens.some((values) => values.includes('ssl')),
    };
    byRoot.set(site.root, together(byRoot.get(site.root), site));
  }
  return [...byRoot.values()];
}

/** The folder of Kedge's own whose vhosts `http { }` includes; null when it does not. */
export function includedFolder({ directives, folder }: Pick<Configuration, 'directives' | 'folder'>): string | null {
  const pattern = inHttp(directives)
    .filter(({ name }) => name === 'include')
    .map(({ arguments: [file = ''] }) => resolve(folder, file))
    .find((file) => file.endsWith('/kedge.d/*.conf'));
  return pattern === undefined ? null : dirname(pattern);
}

function inHttp(directives: readonly Directive[]): Directive[] {
  return directives.filter(({ name }) => name === 'http').flatMap(({ block }) => block ?? []);
}

function together(known: ServedSite | undefined, site: ServedSite): ServedSite {
  if (known === undefined) return site;
  const both = (key: 'names' | 'otherNames' | 'files' | 'listen'): string[] => [
    ...new Set([...known[key], ...site[key]]),
  ];
  return {
    root: known.root,
    names: both('names'),
    otherNames: both('otherNames'),
    files: both('files'),
    listen: both('listen'),
    php: known.php ?? site.php,
    tls: known.tls || site.tls,
  };
}

function valueOf(block: readonly Directive[], name: string): string | undefined {
  return block.find((directive) => directive.name === name)?.arguments[0];
}

/** Of the server, else of its `location /`. */
function rootOf(block: readonly Directive[]): string | undefined {
  const top = block.find(
    (directive) => directive.name === 'location' && directive.arguments.length === 1 && directive.arguments[0] === '/',
  );
  return valueOf(block, 'root') ?? valueOf(top?.block ?? [], 'root');
}

function fastCgiOf(block: readonly Directive[]): string | null {
  for (const { name, arguments: values, block: inner } of block) {
    if (name === 'fastcgi_pass' && values[0] !== undefined) return values[0];
    const found = fastCgiOf(inner ?? []);
    if (found !== null) return found;
  }
  return null;
}

/** As the configuration of Kedge takes it; empty for what it does not take (sockets, names). */
function plainListen(value: string): string[] {
  const match = /^(?:(\[[0-9a-f:.]+\]|[0-9.]+|\*):)?(\d+)$/i.exec(value);
  if (match) return [match[1] === undefined || match[1] === '*' ? (match[2] ?? '') : value];
  return /^(\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+|\*)$/i.test(value) ? [value === '*' ? '80' : `${value}:80`] : [];
}
