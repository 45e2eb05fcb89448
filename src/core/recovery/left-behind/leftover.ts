import type { DatabaseServer } from '../../databases/database-server';
import type { Host } from '../../hosts/host';
import type { MasterHost } from '../../hosts/master-host';
import type { Operation } from '../../operation';
import type { Scratches } from '../../proofs/scratches';
import type { Journals } from '../../tasks/journals';
import type { SiteLocks } from '../../tasks/site-locks';
import type { SiteStates } from '../../tasks/site-state';
import type { Machines } from './machines';

/** One thing that a closed task, or a crash, left behind. */
export interface Leftover {
  /** `the staging folder /srv/.kedge/1a2b3c4d5e` */
  readonly what: string;
  /** Whose journal says that Kedge made it; null for a file that a crash cut short. */
  readonly task: string | null;
  /** Idempotent. Looks once more whether a site has come to use it. */
  readonly remove: (operation: Operation) => Promise<void>;
}

/** What the sweeper acts through. */
export interface SweepParts {
  readonly master: MasterHost;
  readonly journals: Journals;
  readonly states: SiteStates;
  /** The host of each web server, by its name in the configuration. */
  readonly webHosts: ReadonlyMap<string, Host>;
  /** By the name in the configuration. */
  readonly databaseServers: ReadonlyMap<string, (signal?: AbortSignal, holder?: string) => Promise<DatabaseServer>>;
  readonly locks: SiteLocks;
  readonly scratches: Scratches;
  /** Folders of the master in which files are written durably; those below `backups` are looked through too. */
  readonly folders: { readonly state: string; readonly backups: string };
  /** Folder of the master for sockets that lead to other machines. */
  readonly sockets: string;
  /** Folders of maintenance flags. */
  readonly flags: readonly { readonly host: Host; readonly path: string }[];
}

/** The same, as one search has them. */
export interface SearchParts extends SweepParts {
  /** What looks at files and processes of a web server's machine asks it by this. */
  readonly machines: Machines;
}
