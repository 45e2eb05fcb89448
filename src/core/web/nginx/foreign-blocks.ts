import { posix } from 'node:path';
import type { SiteLocation, WebServerAddress } from '../../../contract/target';
import type { Host } from '../../hosts/host';
import type { Operation } from '../../operation';
import type { ForeignBlock, ForeignConfiguration } from '../dialect';
import { serverNames } from '../server-names';
import type { DocumentRoot } from '../web-server';
import { type Configuration, type Directive, includes, placeOf } from './configuration';
import { provingConfiguration } from './reload';
import { type ServerBlock, namesHost, serverBlocksOf } from './server-blocks';
import { fileNames } from './snippet';

/** What server blocks that are not Kedge's have to do with a site. @throws KedgeError VhostTestFailed, ConfigurationInvalid */
export async function readForeignBlocks(
  host: Host,
  address: WebServerAddress,
  site: SiteLocation,
  operation: Operation,
): Promise<ForeignConfiguration> {
  const configuration = await provingConfiguration(host, address, operation);
  const everything = serverBlocksOf(configuration);
  const files = fileNames(site);
  const snippet: Inclusion = { path: posix.join(address.vhosts, files.snippet), folder: configuration.folder };
  const own = posix.join(address.vhosts, files.vhost);
  const blocks = everything.flatMap((block) => {
    const names = serverNames(site).filter((name) => namesHost(block, name));
    return names.length === 0 || block.directive.file === own ? [] : [describe(block, names, snippet, configuration)];
  });
  const inclusions = everything.flatMap(({ directives }) =>
    directives.filter((directive) => isInclusion(directive, snippet)).map(placeOf),
  );
  return { blocks, inclusions };
}

/** The snippet, and the folder that relative paths of the configuration begin at. */
interface Inclusion {
  readonly path: string;
  readonly folder: string;
}

function describe(
  block: ServerBlock,
  names: readonly string[],
  snippet: Inclusion,
  { folder }: Configuration,
): ForeignBlock {
  return {
    place: placeOf(block.directive),
    names,
    listens: block.listens,
    documentRoots: documentRootsOf(block, folder),
    fastCgiParameters: fastCgiParametersOf(block),
    obstacles: before(snippet, block, ['return']),
    suspects: [...before(snippet, block, ['return', 'rewrite', 'if']), ...hidingCache(block)],
  };
}

function documentRootsOf({ directives }: ServerBlock, folder: string): DocumentRoot[] {
  const inside = flattened(directives);
  const has = (name: string): boolean => inside.some((directive) => directive.name === name);
  if (directives.some(({ name }) => name === 'return') || (has('proxy_pass') && !has('fastcgi_pass'))) return [];
  const roots = [...directives, ...inside].filter(({ name }) => name === 'root');
  return [...new Set(roots)].flatMap((root) => {
    const path = root.arguments[0] ?? '';
    return path === '' || path.includes('$') ? [] : [{ path: posix.resolve(folder, path), place: placeOf(root) }];
  });
}

function fastCgiParametersOf({ directives, inherited }: ServerBlock): string[] {
  return flattened([...directives, ...inherited]).flatMap(({ name, arguments: [parameter] }) =>
    name === 'fastcgi_param' && parameter !== undefined ? [parameter] : [],
  );
}

/** What stands before the snippet, of these directives. */
function before(snippet: Inclusion, { directive, directives }: ServerBlock, names: readonly string[]): string[] {
  const at = directives.findIndex((each) => isInclusion(each, snippet));
  if (at === -1) return [`the server block in ${placeOf(directive)} does not include the snippet`];
  return directives
    .slice(0, at)
    .filter(({ name }) => names.includes(name))
    .map((earlier) => `${earlier.name} in ${placeOf(earlier)} stands before the snippet and may win`);
}

function hidingCache({ directives, inherited }: ServerBlock): string[] {
  const cache = [...directives, ...inherited].find(({ name }) => name === 'open_file_cache');
  return cache === undefined || cache.arguments[0] === 'off'
    ? []
    : [`open_file_cache in ${placeOf(cache)} hides the flag: set \`open_file_cache off;\` in the server block`];
}

function isInclusion(directive: Directive, { path, folder }: Inclusion): boolean {
  return includes(directive, path, folder);
}

function flattened(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flattened(directive.block ?? [])]);
}
