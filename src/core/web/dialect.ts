import type { Listen, SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { DocumentRoot, VhostFiles } from './web-server';

/** What one kind of web server adds to the folder of vhosts and to requests: its language, and its programs. */
export interface Dialect {
  /** The package that Debian and Fedora have a program of this kind of web server in; null for another program. */
  packageOf(program: string): string | null;

  /**
   * The managed vhost of a site, under its stamp: it shows the maintenance page while the flag of the site is there, unless a probe
   * brings a token, and tells its stamp to a probe.
   * @throws KedgeError ConfigurationInvalid for names and paths that the server would misread
   */
  renderVhost(site: SiteLocation): string;
  /** What the administrator's vhost includes to the same end, under its stamp. @throws KedgeError ConfigurationInvalid */
  renderSnippet(site: SiteLocation): string;
  /** Names of the files of a site in the folder of vhosts. The server reads the vhost by itself, and the snippet where it is included. */
  fileNames(site: SiteLocation): Record<keyof VhostFiles, string>;
  /** The line that belongs into each server block of the site. */
  includeLine(snippet: string): string;

  /** The configuration test. @throws KedgeError VhostTestFailed with the server's message; as Host.run */
  test(operation: Operation): Promise<TestedConfiguration>;
  /** Asks the server to load its configuration; it does so on its own time. @throws KedgeError as Host.run */
  reload(operation: Operation): Promise<void>;
  /**
   * What server blocks that are not Kedge's have to do with a site.
   * @throws KedgeError VhostTestFailed; ConfigurationInvalid where it cannot be read
   */
  readForeign(site: SiteLocation, operation: Operation): Promise<ForeignConfiguration>;
}

/** Makes the dialect of a web server. */
export type SpeaksTo = (host: Host, address: WebServerAddress) => Dialect;

/** A configuration that the server takes. */
export interface TestedConfiguration {
  /** What the server says about names of the site that another server block has too, a sentence each. */
  conflicts(site: SiteLocation): string[];
}

export interface ForeignConfiguration {
  /** Those that name the site. */
  readonly blocks: readonly ForeignBlock[];
  /** `file:line` wherever the snippet of the site is included, in blocks of other sites too. */
  readonly inclusions: readonly string[];
}

/** A server block that names the site and is not Kedge's. */
export interface ForeignBlock {
  /** `file:line` */
  readonly place: string;
  /** Names of the site that it answers to. */
  readonly names: readonly string[];
  /** Where it can be asked by TCP. */
  readonly listens: readonly Listen[];
  /** Folders that it serves, its own before its locations'; none where it only passes on or redirects. */
  readonly documentRoots: readonly DocumentRoot[];
  /** Names of what it gives to PHP beside the request itself. */
  readonly fastCgiParameters: readonly string[];
  /** What is in the way of the snippet for sure. */
  readonly obstacles: readonly string[];
  /** What may be in its way where it is not obeyed, the obstacles among it. */
  readonly suspects: readonly string[];
}
