import type { DatabaseServerAddress, Target, WebServerAddress } from '../contract/target';
import type { Catalog } from '../core/catalog/catalog';
import type { DatabaseServer } from '../core/databases/database-server';
import type { Host } from '../core/hosts/host';
import type { RemoteHost } from '../core/hosts/remote/remote-host';
import type { OnlineParts } from '../core/recovery/bring-online';
import type { PreflightParts } from '../core/preflight/parts';
import type { Proofs } from '../core/proofs/proofs';
import type { ProvingParts } from '../core/proofs/prove-backup';
import type { Sweeper } from '../core/recovery/sweep';
import type { TaskLogs } from '../core/tasks/task-log';
import type { WebServer } from '../core/web/web-server';

/** The parts of a master, as operations act through them; each takes those it needs. Built in `src/composition.ts`. */
export interface Parts extends PreflightParts, ProvingParts, OnlineParts {
  readonly catalog: Catalog;
  readonly logs: TaskLogs;
  readonly sweeper: Sweeper;
  /** @throws KedgeError SecretUnavailable, OwnerRefused, DatabaseUnreachable */
  databaseServer(address: DatabaseServerAddress): Promise<DatabaseServer>;
  /** Null where backups are not proved. */
  proofs(): Promise<Proofs | null>;
  /** Without the secrets that were met so far; those of a site are looked for in what belongs to it. */
  redact<T>(value: T, site?: string | null): T;
  /** @throws KedgeError SiteUnknown, ConfigurationInvalid */
  resolveTarget(site: string): Promise<Target>;
  /** The machine that a server of the configuration is. */
  hostOf(server: string): Host;
  /** A server that is another machine, by its connection; null for the master. */
  remoteHostOf(server: string): RemoteHost | null;
  webServer(address: WebServerAddress): WebServer;
}

/** What somebody takes a site over through. */
export type TakeOverParts = Pick<Parts, keyof OnlineParts | 'redact'>;
