import { posix } from 'node:path';
import { KedgeError } from '../../../contract/errors';
import type { Listen, SiteLocation, WebServerAddress } from '../../../contract/target';
import type { Host } from '../../hosts/host';
import type { Operation } from '../../operation';
import { type Door, drillMaintenance } from '../maintenance-drill';
import { type Directive, includes, placeOf } from './configuration';
import { provingConfiguration } from './reload';
import { type ServerBlock, namesHost, serverBlocksOf } from './server-blocks';
import { includeLine, snippetPath } from './snippet';
import { serverNames } from './vhost';
import type { DocumentRoot } from '../web-server';

/** The server blocks that serve a site without being Kedge's, as the web server's configuration has them. */
export class ForeignVhost {
  private constructor(
    private readonly address: WebServerAddress,
    private readonly site: SiteLocation,
    /** Folder that relative paths of the configuration begin at. */
    private readonly prefix: string,
    /** Server blocks that name the site, those of Kedge's folder left out. */
    readonly blocks: readonly ServerBlock[],
    private readonly everything: readonly ServerBlock[],
  ) {}

  /** @throws KedgeError VhostTestFailed, ConfigurationInvalid */
  static async read(
    host: Host,
    address: WebServerAddress,
    site: SiteLocation,
    operation: Operation,
  ): Promise<ForeignVhost> {
    const configuration = await provingConfiguration(host, address, operation);
    const everything = serverBlocksOf(configuration);
    const managed = `${address.vhosts}/${site.uri}.conf`;
    const blocks = everything.filter(
      (block) => block.directive.file !== managed && serverNames(site).some((name) => namesHost(block, name)),
    );
    return new ForeignVhost(address, site, configuration.folder, blocks, everything);
  }

  /** Where the site is served, addresses with TLS first. */
  get addresses(): Listen[] {
    const byKey = new Map(this.doors().map(({ listen }) => [keyOf(listen), listen]));
    return [...byKey.values()].sort((a, b) => Number(b.tls ?? false) - Number(a.tls ?? false));
  }

  /** The folders that each server block serves, its own before its locations'; without blocks that only pass on or redirect. */
  documentRoots(): DocumentRoot[] {
    return this.blocks.flatMap(({ directives }) => {
      const inside = flattened(directives);
      const has = (name: string): boolean => inside.some((directive) => directive.name === name);
      if (directives.some(({ name }) => name === 'return') || (has('proxy_pass') && !has('fastcgi_pass'))) return [];
      const roots = [...directives, ...inside].filter(({ name }) => name === 'root');
      return [...new Set(roots)].flatMap((root) => {
        const path = root.arguments[0] ?? '';
        return path === '' || path.includes('$')
          ? []
          : [{ path: posix.resolve(this.prefix, path), place: placeOf(root) }];
      });
    });
  }

  /** Names of what the server blocks give to PHP beside the request itself. */
  fastCgiParameters(): string[] {
    const names = this.blocks.flatMap(({ directives, inherited }) =>
      flattened([...directives, ...inherited]).flatMap(({ name, arguments: [parameter] }) =>
        name === 'fastcgi_param' && parameter !== undefined ? [parameter] : [],
      ),
    );
    return [...new Set(names)];
  }

  /** Places where the snippet is included, be it for this site or, by mistake, for another. */
  inclusions(): string[] {
    return this.everything.flatMap(({ directives }) =>
      directives.filter((directive) => this.isInclusion(directive)).map(placeOf),
    );
  }

  /** What the configuration alone shows to be in the way of the snippet. */
  obstacles(): string[] {
    if (this.blocks.length === 0) return [`no server block of ${this.address.name} names ${this.site.uri}`];
    return this.blocks.flatMap((block) => this.obstaclesIn(block, ['return']));
  }

  /** Asks every server block of the site, by every name and at every address. Returns what is in the way of the page. */
  async drill(host: Host, operation: Operation): Promise<string[]> {
    const found: string[] = [];
    for (const door of this.doors()) {
      const problem = await drillMaintenance(host, this.address, this.site, door, operation);
      if (problem !== null) found.push(this.explain(door.block, problem));
    }
    return found;
  }

  /** What a site with these obstacles is refused with. */
  refuse(obstacles: readonly string[]): KedgeError {
    return new KedgeError('VhostUnfit', obstacles.join('; '), {
      site: this.site.uri,
      server: this.address.name,
      hint: `Put the line \`${includeLine(this.address, this.site)}\` into every server block of ${this.site.uri}, before return, rewrite and if; reload the web server; then run \`kedge sites adopt ${this.site.uri}\`.`,
    });
  }

  private doors(): (Door & { readonly block: ServerBlock })[] {
    return this.blocks.flatMap((block) =>
      block.listens.flatMap((listen) =>
        serverNames(this.site)
          .filter((name) => namesHost(block, name))
          .map((name) => ({ listen, name, block })),
      ),
    );
  }

  private explain(block: ServerBlock, problem: string): string {
    const reasons = this.obstaclesIn(block, ['return', 'rewrite', 'if']);
    const cache = [...block.directives, ...block.inherited].find(({ name }) => name === 'open_file_cache');
    if (cache && cache.arguments[0] !== 'off')
      reasons.push(
        `open_file_cache in ${placeOf(cache)} hides the flag: set \`open_file_cache off;\` in the server block`,
      );
    return [problem, ...reasons].join(': ');
  }

  private obstaclesIn(block: ServerBlock, directives: readonly string[]): string[] {
    const at = block.directives.findIndex((directive) => this.isInclusion(directive));
    if (at === -1) return [`the server block in ${placeOf(block.directive)} does not include the snippet`];
    return block.directives
      .slice(0, at)
      .filter(({ name }) => directives.includes(name))
      .map((earlier) => `${earlier.name} in ${placeOf(earlier)} stands before the snippet and may win`);
  }

  private isInclusion(directive: Directive): boolean {
    return includes(directive, snippetPath(this.address, this.site), this.prefix);
  }
}

function keyOf({ address, port }: Listen): string {
  return `${address}:${port}`;
}

function flattened(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flattened(directive.block ?? [])]);
}
