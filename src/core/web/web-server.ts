import type { ContentMark } from '../../contract/backup-record';
import type { Listen, SiteLocation } from '../../contract/target';
import type { Deadline } from '../flags/deadline';
import type { Operation } from '../operation';
import type { PhpScript } from '../php/php-script';
import type { PhpCache } from '../php/refresh-php';

export interface ProbeAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  /** Where a redirect leads, as the answer has it. */
  readonly location: string | null;
  /** Schemes of authentication that the answer asks for, as it has them. */
  readonly challenge: string | null;
  /** Status and `<title>`. */
  readonly mark: ContentMark;
}

/** What Kedge has in the folder of vhosts for a site, or should have; null where there is none. */
export interface VhostFiles {
  /** The managed vhost. */
  readonly vhost: string | null;
  /** The snippet that the administrator's vhost includes. */
  readonly snippet: string | null;
}

/** What `writeVhost` found, for its undo: the files, and what ran. */
export interface VhostBefore extends VhostFiles {
  /** Stamps of Kedge's vhosts of the site that ran, by the addresses at which they did; null where nobody looked. */
  readonly ran: Readonly<Record<string, string>> | null;
}

/** What is wrong with a file of these, for a site that no task works on. */
export interface FileFault {
  readonly file: keyof VhostFiles;
  readonly fault: 'missing' | 'edited by hand' | 'written by somebody else' | 'outdated' | 'left from another mode';
}

export interface VhostChange {
  /** False when the files on disk already were as they should be and the server ran them: nothing was reloaded. */
  readonly changed: boolean;
  /** The files before, for `undo`. */
  readonly before: VhostFiles;
}

/** What one address of the web server answered. */
export interface ResponseAt {
  readonly listen: Listen;
  readonly answer: ProbeAnswer;
}

/** A folder that a server block serves, and where that stands. */
export interface DocumentRoot {
  readonly path: string;
  /** `file:line` of the directive. */
  readonly place: string;
}

/** The web server of a site (nginx; others by the same contract). Idempotent. Serialised per server. */
export interface WebServer {
  readonly name: string;

  /** The package that Debian and Fedora have a program of this kind of web server in; null for another program. */
  packageOf(program: string): string | null;
  /** Sees to it that vhosts can be written, and by nobody else. @throws KedgeError FileRefused, OwnerRefused */
  assertVhosts(): Promise<void>;
  /** The same of flags, which the web server has to see. @throws KedgeError FileRefused, OwnerRefused, MaintenanceFailed */
  assertFlags(): Promise<void>;

  /** The configuration test alone. @throws KedgeError VhostTestFailed with the server's message */
  test(operation: Operation): Promise<void>;
  /**
   * Brings what Kedge keeps for the site to what its vhost mode asks for: writes the managed vhost, or the snippet, and
   * removes what another mode left; tests, reloads, and sees the result by requests. Puts the files back when that fails,
   * except that a new snippet stays: somebody has to include it.
   * @throws KedgeError VhostTestFailed; VhostEdited (a hash in the first line notices hand edits); VhostUnfit when somebody
   *   else's server blocks do not show the maintenance page
   */
  writeVhost(site: SiteLocation, operation: Operation): Promise<VhostChange>;
  /**
   * Sees, and writes nothing, whether what is there already is in the way of `writeVhost`: files of others or edited ones, a configuration
   * that the server refuses, a site that no server block names. What only the result shows, such as a missing line, is not seen.
   * @throws KedgeError as writeVhost
   */
  assertWritable(site: SiteLocation, operation: Operation): Promise<void>;
  /** What is to be put back should `writeVhost` have to be undone. @throws KedgeError FileRefused, OwnerRefused, MaintenanceFailed */
  lookBeforeWriting(site: SiteLocation, operation: Operation): Promise<VhostBefore>;
  /**
   * Puts earlier files back as they were, tests, reloads, and sees that what ran before runs again: no more than that is asked of
   * the server. Does nothing where all is as it was.
   */
  putVhostBack(site: SiteLocation, before: VhostBefore, operation: Operation): Promise<void>;
  /** What `writeVhost` would write. @throws KedgeError ConfigurationInvalid */
  renderVhost(site: SiteLocation): VhostFiles;
  readVhost(site: SiteLocation): Promise<VhostFiles>;
  /** How what is there differs from what `writeVhost` would write. @throws KedgeError ConfigurationInvalid, FileRefused */
  faultsOfFiles(site: SiteLocation): Promise<FileFault[]>;
  /**
   * Sees, with requests that no visitor notices, that every server block of the site shows the maintenance page when it
   * is asked to, and stops at once when it is not; or that every address runs the managed vhost. Nothing to see for `none`.
   * @throws KedgeError VhostUnfit, with what is in the way and the line to add
   */
  proveMaintenance(site: SiteLocation, operation: Operation): Promise<void>;

  maintenanceIsOn(uri: string): Promise<boolean>;
  /**
   * Raises the flag and waits for nothing: see `request`. With a deadline the machine of the web server opens the site again behind it by
   * itself, whatever has become of the master, unless `keepMaintenance` comes first.
   */
  raiseMaintenance(uri: string, deadline?: Deadline): Promise<void>;
  /** Since when a flag is up that says when it is over, ms by the clock of its machine; null where none is: one of an administrator's does not. */
  endsByItselfSince(uri: string): Promise<number | null>;
  /** Has such a flag say this, from now on; nothing where none is. */
  renewMaintenance(uri: string, deadline: Deadline, operation: Operation): Promise<void>;
  /** From here the flag stays until it is lowered. @throws KedgeError MaintenanceLimitReached when the machine has opened the site */
  keepMaintenance(uri: string, operation: Operation): Promise<void>;
  /** Sees that the flag still stands. @throws KedgeError MaintenanceLimitReached */
  assertStillShut(uri: string): Promise<void>;
  /** Sees that the machine would open a site by itself. @throws KedgeError HostProgramUnfit */
  assertOpensByItself(): Promise<void>;
  lowerMaintenance(uri: string): Promise<void>;

  /**
   * Waits until the requests that PHP of the site has now have ended, those of neighbours in one pool among them. Returns
   * how many have not after ten seconds.
   */
  awaitRequests(site: SiteLocation, operation: Operation): Promise<number>;

  /** Addresses the site is served at, those with TLS first. @throws KedgeError VhostTestFailed */
  addressesOf(site: SiteLocation, operation: Operation): Promise<readonly Listen[]>;
  /** One GET as a visitor would make it, one with the credentials for probes where there are some, at the first address of the site. Never follows redirects. */
  request(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer>;
  /** The same at every address of the site. @throws KedgeError ProbeFailed when one does not answer, or there is none */
  requestEverywhere(site: SiteLocation, path: string, operation: Operation): Promise<ResponseAt[]>;
  /** One GET through maintenance, by a one-time token whose file is gone afterwards. */
  probe(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer>;

  /**
   * One GET that the application itself answers, past the web server and its maintenance page. A whole URL is a path asked
   * for under that address.
   * @throws KedgeError ProbeFailed when PHP does not answer, or there is no address
   */
  askApplication(site: SiteLocation, pathOrUrl: string, operation: Operation): Promise<ProbeAnswer>;
  /** Folders in which the administrator's server blocks look for files of the site; none where that is Kedge's own to say. */
  documentRoots(site: SiteLocation, operation: Operation): Promise<readonly DocumentRoot[]>;

  /** Names of the parameters that the administrator's server blocks give to PHP of the site. */
  fastCgiParameters(site: SiteLocation, operation: Operation): Promise<readonly string[]>;

  /**
   * True when PHP of the site takes connections; one that died leaves its socket behind.
   * @throws KedgeError ProbeFailed when another account than the site's has its port; the signal's reason
   */
  phpListens(site: SiteLocation, operation: Operation): Promise<boolean>;
  /** Makes PHP see the code and settings now on disk: invalidates every cached script under the site folder through FPM's socket. */
  refreshPhp(site: SiteLocation, operation: Operation): Promise<PhpCache>;
  /**
   * Runs a script of Kedge's in the site's FPM, as the site's owner; null when it gives no answer of its own.
   * @throws KedgeError ProbeFailed when PHP does not answer
   */
  runPhpScript<T>(site: SiteLocation, script: PhpScript<T>, operation: Operation): Promise<T | null>;
}
