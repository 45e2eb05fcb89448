import type { SecretReference, WebServerAddress } from '../../contract/target';
import type { Catalog } from '../catalog/catalog';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { EndpointAddress } from '../metrics/endpoint';
import type { SiteAtWork } from '../sites/site-at-work';
import type { Journals } from '../tasks/journals';
import type { Mirrors } from '../sync/mirrors';
import type { SiteStates } from '../tasks/site-state';
import type { Sweeper } from '../recovery/sweep';
import type { WebServer } from '../web/web-server';

/** What doctor looks at: the master and everything its configuration names. */
export interface Installation {
  readonly master: Host;
  readonly configurationPath: string;
  /** Files that the configuration names and that are read or run with rights that sites do not have. */
  readonly configuredFiles: () => Promise<readonly string[]>;
  readonly folders: readonly Folder[];
  readonly signingKeys: SigningKeys;
  /** Whether the configuration has backups proved when they are made. */
  readonly provesBackups: boolean;
  /** Where the worker answers Prometheus; null where it does not. */
  readonly metrics: EndpointAddress | null;
  readonly sweeper: Pick<Sweeper, 'search'>;
  readonly mirrors: Pick<Mirrors, 'sites'>;
  /** Those that are other machines. */
  readonly remoteServers: readonly ReachedServer[];
  readonly databaseServers: readonly ConfiguredDatabaseServer[];
  readonly webServers: readonly ConfiguredWebServer[];
  readonly sites: readonly ConfiguredSite[];
}

/** The keys that requests are signed with. */
export interface SigningKeys {
  /** The present one first; empty where requests are done unsigned. */
  readonly references: readonly SecretReference[];
  /** @throws KedgeError SecretUnavailable, OwnerRefused */
  readonly read: (reference: SecretReference) => Promise<string>;
}

/** A folder of the master's own. */
export interface Folder {
  /** As the configuration calls it. */
  readonly name: 'backups' | 'state' | 'spool';
  readonly path: string;
}

export interface ReachedServer {
  readonly name: string;
  /** Reaches the program there. @throws KedgeError HostUnreachable, HostKeyRefused, HostLoginRefused, HostProgramUnfit */
  readonly connect: () => Promise<void>;
  /** Sees that sites there are opened again whose master is lost. @throws KedgeError HostProgramUnfit */
  readonly assertOpensByItself: () => Promise<void>;
}

export interface ConfiguredDatabaseServer {
  readonly name: string;
  readonly kind: 'mariadb' | 'mysql';
  /** Opens it. @throws KedgeError SecretUnavailable, OwnerRefused */
  readonly open: () => Promise<DatabaseServer>;
}

export interface ConfiguredWebServer {
  readonly address: WebServerAddress;
  readonly host: Host;
  readonly server: WebServer;
}

export interface ConfiguredSite {
  readonly uri: string;
  /** Name of its web server. */
  readonly webServer: string;
  /** Resolved once for all checks. @throws KedgeError ConfigurationInvalid for an unknown owner */
  readonly resolve: () => Promise<SiteAtWork>;
  readonly master: Host;
  readonly mirrors: Mirrors;
  readonly states: SiteStates;
  readonly catalog: Catalog;
  readonly journals: Journals;
  /** Whether the workflow run of a task is open; null while Temporal cannot be asked. */
  readonly isRunning: (workflowId: string, runId: string) => Promise<boolean | null>;
}
