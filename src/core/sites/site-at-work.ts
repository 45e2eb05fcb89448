import type { SiteLocation, Target } from '../../contract/target';
import type { DatabaseServer } from '../databases/database-server';
import type { Host } from '../hosts/host';
import type { WebServer } from '../web/web-server';
import type { SiteFolder } from './site-folder';
import type { SiteKind } from './site-kind';

/**
 * A site with all that serves it, found once from its target. It alone knows which machine is which: what is done for a site
 * gets it, and looks nothing up by a name of the configuration.
 */
export interface SiteAtWork {
  readonly target: Target;
  readonly uri: string;
  /** `target.site` */
  readonly location: SiteLocation;
  /** The machine of its folders, its web server and its PHP. */
  readonly host: Host;
  /** That machine is the master's own: what is packed and unpacked lies there already. */
  readonly onMaster: boolean;
  /** Its folders as visitors have them. */
  readonly folder: SiteFolder;
  readonly kind: SiteKind;
  readonly webServer: WebServer;
  /**
   * Statements end with the signal. With the name of a holder of the lock, they are the only ones of that name.
   * @throws KedgeError SecretUnavailable, OwnerRefused, DatabaseUnreachable
   */
  readonly databaseServer: (signal?: AbortSignal, holder?: string) => Promise<DatabaseServer>;
  /** Every machine on which programs run for it, the master's among them; each once. */
  readonly hosts: () => readonly Host[];
}

/** Ends what runs for a site under a mark, on whichever machine; returns once it is gone. @throws KedgeError ProgramFailed */
export async function endProcessesOf(site: Pick<SiteAtWork, 'hosts'>, mark: string): Promise<void> {
  await Promise.all(site.hosts().map((host) => host.endProcesses(mark)));
}
