import type { SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { VhostFiles } from './web-server';

/**
 * What writes vhosts in the language of one kind of web server, and does nothing else: a server renders those of its sites by it. The dialect
 * of the kind has the same functions.
 */
export interface VhostRenderer {
  /** @throws KedgeError ConfigurationInvalid for names and paths that the server would misread */
  renderVhost(address: WebServerAddress, site: SiteLocation): string;
  /** @throws KedgeError ConfigurationInvalid */
  renderSnippet(address: WebServerAddress, site: SiteLocation): string;
  fileNames(site: Pick<SiteLocation, 'uri'>): Record<keyof VhostFiles, string>;
  /** @throws KedgeError FileRefused, OwnerRefused, ConfigurationInvalid */
  readTemplate(host: Host, path: string): Promise<string>;
}
