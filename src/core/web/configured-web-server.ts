import { isKedgeError, KedgeError } from '../../contract/errors';
import type { Listen, SecretReference, SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { isBelow } from '../sites/site-folder';
import { askApplication } from './application';
import type { Deadline } from '../flags/deadline';
import { hostName } from '../flags/host-name';
import {
  assertOpensByItself,
  assertStillShut,
  endsByItselfSince,
  keepMaintenance,
  lowerMaintenance,
  maintenanceIsOn,
  prepareFlags,
  raiseMaintenance,
  renewMaintenance,
} from '../flags/maintenance';
import { isListening } from '../php/fast-cgi';
import { assertOwnListener } from '../php/fpm-socket';
import { awaitRequests } from '../php/requests';
import { assertOwnFolder, assertPassable } from '../flags/own-folder';
import { newProbeName, withProbeFile } from '../flags/probe-file';
import { type PhpScript, runPhpScript } from '../php/php-script';
import { type PhpCache, refreshPhp } from '../php/refresh-php';
import { type WebResponse, ask, nobodyListened } from './request';
import { PROBE_HEADER } from './maintenance-page';
import { STAMP_PATH, stampOf } from './stamp';
import { type RunningAt, faultsOfFiles } from './vhost-decisions';
import { VhostFolder } from './vhost-folder';
import type { Dialect } from './dialect';
import type {
  ResponseAt,
  DocumentRoot,
  FileFault,
  ProbeAnswer,
  VhostBefore,
  VhostChange,
  VhostFiles,
  WebServer,
} from './web-server';

export interface WebServerOptions {
  readonly address: WebServerAddress;
  readonly host: Host;
  /** Reads the password that probes of a site get in with. Without it they go without. @throws KedgeError SecretUnavailable */
  readonly readSecret?: (reference: SecretReference) => Promise<string>;
  /** How long a reload may take until its result shows, ms. Default 10,000. */
  readonly loadLimitMs?: number;
}

/** Visitors wait as long, should a request not end. */
const REQUESTS_LIMIT_MS = 10_000;

/** A web server of the configuration, by the dialect of its kind. */
export class ConfiguredWebServer implements WebServer {
  readonly name: string;
  private readonly vhosts: VhostFolder;

  private readonly address: WebServerAddress;
  private readonly host: Host;
  private readonly readSecret: WebServerOptions['readSecret'];

  constructor(
    { address, host, readSecret, loadLimitMs = 10_000 }: WebServerOptions,
    private readonly dialect: Dialect,
  ) {
    this.name = address.name;
    this.address = address;
    this.host = host;
    this.readSecret = readSecret;
    this.vhosts = new VhostFolder(
      host,
      address,
      dialect,
      (site, operation) => this.running(site, operation),
      loadLimitMs,
    );
  }

  test(operation: Operation): Promise<void> {
    return this.vhosts.test(operation);
  }

  packageOf(program: string): string | null {
    return this.dialect.packageOf(program);
  }

  async assertVhosts(): Promise<void> {
    await assertOwnFolder(this.host, this.address.vhosts);
  }

  /** A missing one is made when it is first needed. */
  async assertFlags(): Promise<void> {
    const { flags } = this.address;
    if ((await this.host.status(flags)) !== undefined) await assertOwnFolder(this.host, flags);
    await assertPassable(this.host, flags);
  }

  async writeVhost(site: SiteLocation, operation: Operation): Promise<VhostChange> {
    if (site.vhost !== 'none') await prepareFlags(this.host, this.address.flags);
    return this.vhosts.write(site, operation);
  }

  assertWritable(site: SiteLocation, operation: Operation): Promise<void> {
    return this.vhosts.assertWritable(site, operation);
  }

  async lookBeforeWriting(site: SiteLocation, operation: Operation): Promise<VhostBefore> {
    if (site.vhost !== 'none') await prepareFlags(this.host, this.address.flags);
    return this.vhosts.lookBefore(site, operation);
  }

  putVhostBack(site: SiteLocation, before: VhostBefore, operation: Operation): Promise<void> {
    return this.vhosts.putBack(site, before, operation);
  }

  renderVhost(site: SiteLocation): VhostFiles {
    return this.vhosts.wanted(site);
  }

  readVhost(site: SiteLocation): Promise<VhostFiles> {
    return this.vhosts.read(site);
  }

  async faultsOfFiles(site: SiteLocation): Promise<FileFault[]> {
    return faultsOfFiles(await this.vhosts.read(site), this.vhosts.wanted(site));
  }

  async proveMaintenance(site: SiteLocation, operation: Operation): Promise<void> {
    if (site.vhost === 'include') await this.vhosts.proveSnippet(site, operation);
    if (site.vhost === 'managed') await this.proveManaged(site, operation);
  }

  maintenanceIsOn(uri: string): Promise<boolean> {
    return maintenanceIsOn(this.host, this.address.flags, uri);
  }

  raiseMaintenance(uri: string, deadline?: Deadline): Promise<void> {
    return raiseMaintenance(this.host, this.address.flags, uri, deadline);
  }

  endsByItselfSince(uri: string): Promise<number | null> {
    return endsByItselfSince(this.host, this.address.flags, uri);
  }

  renewMaintenance(uri: string, deadline: Deadline, operation: Operation): Promise<void> {
    return renewMaintenance(this.host, this.address.flags, uri, deadline, operation);
  }

  keepMaintenance(uri: string, operation: Operation): Promise<void> {
    return keepMaintenance(this.host, this.address.flags, uri, operation);
  }

  assertStillShut(uri: string): Promise<void> {
    return assertStillShut(this.host, this.address.flags, uri);
  }

  assertOpensByItself(): Promise<void> {
    return assertOpensByItself(this.host, this.address.flags);
  }

  lowerMaintenance(uri: string): Promise<void> {
    return lowerMaintenance(this.host, this.address.flags, uri);
  }

  awaitRequests(site: SiteLocation, { signal }: Operation): Promise<number> {
    return awaitRequests(this.host, site.phpSocket, REQUESTS_LIMIT_MS, signal);
  }

  async addressesOf(site: SiteLocation, operation: Operation): Promise<readonly Listen[]> {
    if (site.vhost !== 'include') return this.managedAddresses(site);
    return site.servedOn ?? (await this.vhosts.foreignVhost(site, operation)).addresses;
  }

  async request(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer> {
    const headers = await this.credentials(site, operation);
    return withoutBody(await this.ask(await this.firstAddress(site, operation), site, path, headers, operation));
  }

  async requestEverywhere(site: SiteLocation, path: string, operation: Operation): Promise<ResponseAt[]> {
    await this.firstAddress(site, operation);
    const answers: ResponseAt[] = [];
    for (const listen of await this.addressesOf(site, operation))
      answers.push({ listen, answer: withoutBody(await this.ask(listen, site, path, {}, operation)) });
    return answers;
  }

  async probe(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer> {
    const listen = await this.firstAddress(site, operation);
    return withoutBody(
      await this.askThroughMaintenance(listen, site, path, operation, await this.credentials(site, operation)),
    );
  }

  async askApplication(site: SiteLocation, pathOrUrl: string, operation: Operation): Promise<ProbeAnswer> {
    const { tls = false, port } = await this.firstAddress(site, operation);
    const documentRoot = await this.documentRootOf(site, operation);
    const address = `${tls ? 'https' : 'http'}://${hostName(site.uri)}:${port}`;
    const url = new URL(pathOrUrl.startsWith('/') ? `${address}${pathOrUrl}` : pathOrUrl);
    return askApplication(
      { site, host: this.host, documentRoot },
      url,
      await this.credentials(site, operation),
      operation,
    );
  }

  async documentRoots(site: SiteLocation, operation: Operation): Promise<readonly DocumentRoot[]> {
    if (site.vhost !== 'include') return [];
    return (await this.vhosts.foreignVhost(site, operation)).documentRoots;
  }

  async fastCgiParameters(site: SiteLocation, operation: Operation): Promise<readonly string[]> {
    if (site.vhost !== 'include') return [];
    return (await this.vhosts.foreignVhost(site, operation)).fastCgiParameters;
  }

  /** Links followed: PHP remembers for minutes where one led. */
  private async documentRootOf(site: SiteLocation, operation: Operation): Promise<string> {
    const own = (await this.host.realPath(site.root)) ?? site.root;
    const served = await this.documentRoots(site, operation);
    const folders = await Promise.all(served.map(async ({ path }) => (await this.host.realPath(path)) ?? path));
    return folders.find((folder) => isBelow(own, folder)) ?? folders[0] ?? own;
  }

  async phpListens(site: SiteLocation, { signal }: Operation): Promise<boolean> {
    if (!(await isListening(this.host, site.phpSocket, signal))) return false;
    await assertOwnListener(this.host, site);
    return true;
  }

  refreshPhp(site: SiteLocation, operation: Operation): Promise<PhpCache> {
    return refreshPhp(this.host, this.address.flags, site, operation);
  }

  runPhpScript<T>(site: SiteLocation, script: PhpScript<T>, operation: Operation): Promise<T | null> {
    return runPhpScript({ host: this.host, flags: this.address.flags }, site, script, operation);
  }

  /** Every address runs the file that is on disk. Where nobody listens, a request says so better. */
  private async proveManaged(site: SiteLocation, operation: Operation): Promise<void> {
    const { vhost } = await this.vhosts.read(site);
    const wanted = vhost === null ? null : stampOf(vhost);
    for (const listen of this.managedAddresses(site)) {
      const running = await this.runningAt(listen, site, operation);
      if (running.state === 'down' || (running.state === 'stamp' && running.stamp === wanted)) continue;
      throw new KedgeError(
        'VhostUnfit',
        `${this.name} does not run the managed vhost of ${site.uri} at ${listen.address}:${listen.port}`,
        {
          site: site.uri,
          server: this.name,
          hint: `Run \`kedge verify ${site.uri}\`, which loads it, or says which server block wins.`,
        },
      );
    }
  }

  private managedAddresses(site: SiteLocation): Listen[] {
    const { listen, listenTls = [] } = this.address;
    return [...(site.tls ? listenTls.map((address) => ({ ...address, tls: true })) : []), ...listen];
  }

  private async firstAddress(site: SiteLocation, operation: Operation): Promise<Listen> {
    const [first] = await this.addressesOf(site, operation);
    if (first) return first;
    if (site.vhost !== 'include')
      throw new KedgeError('ConfigurationInvalid', `${this.name} listens nowhere`, {
        server: this.name,
        site: site.uri,
      });
    throw new KedgeError('ProbeFailed', `no server block of ${this.name} serves ${site.uri}`, {
      server: this.name,
      site: site.uri,
    });
  }

  private async running(site: SiteLocation, operation: Operation): Promise<RunningAt[]> {
    const running: RunningAt[] = [];
    for (const listen of this.managedAddresses(site)) running.push(await this.runningAt(listen, site, operation));
    return running;
  }

  private async runningAt(listen: Listen, site: SiteLocation, operation: Operation): Promise<RunningAt> {
    const at = `${listen.address}:${listen.port}`;
    try {
      const { status, body } = await this.askThroughMaintenance(listen, site, STAMP_PATH, operation);
      const stamp = body.toString('latin1');
      return status === 200 && /^[0-9a-f]{64}$/.test(stamp) ? { at, state: 'stamp', stamp } : { at, state: 'other' };
    } catch (error) {
      if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
      return { at, state: nobodyListened(error) ? 'down' : 'other' };
    }
  }

  private askThroughMaintenance(
    listen: Listen,
    site: SiteLocation,
    path: string,
    operation: Operation,
    credentials: Readonly<Record<string, string>> = {},
  ): Promise<WebResponse> {
    const token = newProbeName(operation);
    const place = { host: this.host, flags: this.address.flags, uri: site.uri };
    return withProbeFile(place, token, '', () =>
      this.ask(listen, site, path, { ...credentials, [PROBE_HEADER]: token }, operation),
    );
  }

  /** Without the password a site is asked as everybody asks it: what that proves is said by its answer. */
  private async credentials(site: SiteLocation, { log }: Operation): Promise<{ readonly authorization?: string }> {
    const { uri, probe } = site;
    if (probe === undefined || this.readSecret === undefined) return {};
    try {
      const login = `${probe.user}:${await this.readSecret(probe.password)}`;
      return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
    } catch (error) {
      if (!isKedgeError(error)) throw error;
      log.warn(`probes of ${uri} go without the password in its \`probe:\`: ${error.message}`);
      return {};
    }
  }

  private ask(
    listen: Listen,
    site: SiteLocation,
    path: string,
    headers: Readonly<Record<string, string>>,
    { signal }: Operation,
  ): Promise<WebResponse> {
    return ask({ server: this.name, host: this.host, listen, uri: site.uri, path, headers, signal });
  }
}

function withoutBody({ body: _body, ...answer }: WebResponse): ProbeAnswer {
  return answer;
}
