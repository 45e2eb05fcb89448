import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { WebServerOptions } from './configured-web-server';
import type { WebServer } from './web-server';

/** What Kedge knows of one kind of web server: everything that speaks its language. */
export interface WebServerKind {
  create(options: WebServerOptions): WebServer;
  /** The template of managed vhosts that an administrator begins one of his own with. */
  readonly template: string;
  /**
   * An administrator's template. Whoever could change it would configure the web server.
   * @throws KedgeError FileRefused, OwnerRefused; ConfigurationInvalid, with file and line
   */
  readTemplate(host: Host, path: string): Promise<string>;
  /** What a server of this kind serves on a host, by its configuration file; null: its own default. @throws Error, with file and line */
  discover(host: Host, configuration: string | null, operation: Operation): Promise<Served>;
}

/** A web server as it was found, with what it serves. */
export interface Served {
  readonly server: DiscoveredWebServer;
  readonly sites: readonly ServedSite[];
  /** Files that Kedge once wrote. */
  readonly managedFiles: readonly string[];
  /** What an administrator is to know about the configuration. */
  readonly notes: readonly string[];
}

export interface DiscoveredWebServer {
  readonly test: readonly [string, ...string[]];
  readonly reload: readonly [string, ...string[]];
  /** Folder named kedge.d that its configuration includes; null when it does not. */
  readonly vhosts: string | null;
  /** Folder of its main file. */
  readonly folder: string;
  readonly listen: readonly string[];
}

/** What the server blocks of one document root have in common. */
export interface ServedSite {
  /** Host names, in the order they stand there. */
  readonly names: readonly string[];
  /** Names that are patterns or no host names, as they stand there. */
  readonly otherNames: readonly string[];
  readonly root: string;
  /** Where its PHP is sent: `unix:/run/php/x.sock`, `127.0.0.1:9000`; null when nowhere. */
  readonly php: string | null;
  readonly files: readonly string[];
  /** Where it is reached without TLS, as `listen` says it: `80`, `[::]:80`. */
  readonly listen: readonly string[];
  readonly tls: boolean;
}
