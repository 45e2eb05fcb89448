import type { ContentMark } from '../../contract/backup-record';
import type { Listen, SiteLocation } from '../../contract/target';
import type { Operation } from '../operation';

export interface ProbeAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  /** Status and `<title>`. */
  readonly mark: ContentMark;
}

export interface VhostChange {
  /** False when the file on disk already was as it should be and the server ran it: nothing was reloaded. */
  readonly changed: boolean;
  /** The file before, for `undo`; null when there was none. */
  readonly before: string | null;
}

/** The web server of a site (nginx; others by the same contract). Idempotent. Serialised per server. */
export interface WebServer {
  readonly name: string;

  /** The configuration test alone. @throws KedgeError VhostTestFailed with the server's message */
  test(operation: Operation): Promise<void>;
  /**
   * Writes the managed vhost, tests, reloads; puts the file back when the test fails. With vhost `none` nothing happens.
   * @throws KedgeError VhostTestFailed, VhostEdited (a hash in the first line notices hand edits)
   */
  writeVhost(site: SiteLocation, operation: Operation): Promise<VhostChange>;
  /** Puts an earlier vhost back as it was (null: removes it), tests, reloads. */
  putVhostBack(site: SiteLocation, before: string | null, operation: Operation): Promise<void>;
  /** What `writeVhost` would write. */
  renderVhost(site: SiteLocation): string;
  readVhost(site: SiteLocation): Promise<string | null>;

  maintenanceIsOn(uri: string): Promise<boolean>;
  /** Raises the flag and waits for nothing: see `request`. */
  raiseMaintenance(uri: string): Promise<void>;
  lowerMaintenance(uri: string): Promise<void>;

  /** One GET as a visitor would make it, on the first address the server listens on. Never follows redirects. */
  request(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer>;
  /** One GET through maintenance, by a one-time token whose file is gone afterwards. */
  probe(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer>;

  /**
   * Makes PHP see the code and settings now on disk: invalidates every cached script under the site folder through
   * FPM's socket. Returns how many scripts were invalidated, or null where opcache cannot be asked.
   */
  refreshPhp(site: SiteLocation, operation: Operation): Promise<number | null>;
  readonly listen: readonly Listen[];
}
