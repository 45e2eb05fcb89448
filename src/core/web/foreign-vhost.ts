import { KedgeError } from '../../contract/errors';
import type { Listen } from '../../contract/target';
import type { Operation } from '../operation';
import type { ForeignBlock, ForeignConfiguration } from './dialect';
import { type DrilledSite, drillMaintenance } from './maintenance-drill';
import type { DocumentRoot } from './web-server';

/** A site that the administrator's server blocks serve. */
export interface ForeignSite extends DrilledSite {
  /** The line by which they include the snippet. */
  readonly includeLine: string;
}

/** The server blocks that serve a site without being Kedge's, as the web server's configuration has them. */
export class ForeignVhost {
  constructor(
    private readonly of: ForeignSite,
    private readonly configuration: ForeignConfiguration,
  ) {}

  get servesSite(): boolean {
    return this.configuration.blocks.length > 0;
  }

  /** Places where the snippet is included, be it for this site or, by mistake, for another. */
  get inclusions(): readonly string[] {
    return this.configuration.inclusions;
  }

  /** Where the site is served, addresses with TLS first. */
  get addresses(): Listen[] {
    const listens = this.configuration.blocks.flatMap((block) => (block.names.length === 0 ? [] : block.listens));
    const byKey = new Map(listens.map((listen) => [`${listen.address}:${listen.port}`, listen]));
    return [...byKey.values()].sort((a, b) => Number(b.tls ?? false) - Number(a.tls ?? false));
  }

  get documentRoots(): DocumentRoot[] {
    return this.configuration.blocks.flatMap((block) => block.documentRoots);
  }

  get fastCgiParameters(): string[] {
    return [...new Set(this.configuration.blocks.flatMap((block) => block.fastCgiParameters))];
  }

  /** What the configuration alone shows to be in the way of the snippet. */
  get obstacles(): string[] {
    const { address, site } = this.of;
    if (!this.servesSite) return [`no server block of ${address.name} names ${site.uri}`];
    return this.configuration.blocks.flatMap((block) => block.obstacles);
  }

  /** Asks every server block of the site, by every name and at every address. Returns what is in the way of the page. */
  async drill(operation: Operation): Promise<string[]> {
    const found: string[] = [];
    for (const block of this.configuration.blocks)
      for (const listen of block.listens)
        for (const name of block.names) {
          const problem = await drillMaintenance(this.of, { listen, name }, operation);
          if (problem !== null) found.push(explained(problem, block));
        }
    return found;
  }

  /** What a site with these obstacles is refused with. */
  refuse(obstacles: readonly string[]): KedgeError {
    const { site, address, includeLine } = this.of;
    return new KedgeError('VhostUnfit', obstacles.join('; '), {
      site: site.uri,
      server: address.name,
      hint: `Put the line \`${includeLine}\` into every server block of ${site.uri}, before return, rewrite and if; reload the web server; then run \`kedge sites adopt ${site.uri}\`.`,
    });
  }
}

function explained(problem: string, { suspects }: ForeignBlock): string {
  return [problem, ...suspects].join(': ');
}
