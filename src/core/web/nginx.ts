import { randomBytes } from 'node:crypto';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { Listen, SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { DOWN, ManagedVhosts, type RunningStamp } from './managed-vhosts';
import { lowerMaintenance, maintenanceIsOn, prepareFlags, raiseMaintenance } from './maintenance';
import { withProbeFile } from './probe-file';
import { refreshPhp } from './refresh-php';
import { type Answer, ask, nobodyListened } from './request';
import { PROBE_HEADER, renderVhost, STAMP_PATH } from './vhost';
import type { ProbeAnswer, VhostChange, WebServer } from './web-server';

export interface NginxOptions {
  readonly address: WebServerAddress;
  readonly host: Host;
  /** How long a reload may take until its result shows, ms. Default 10,000. */
  readonly loadLimitMs?: number;
}

/** nginx as a {@link WebServer}. */
export function createNginx({ address, host, loadLimitMs = 10_000 }: NginxOptions): WebServer {
  return new Nginx(address, host, loadLimitMs);
}

class Nginx implements WebServer {
  readonly name: string;
  readonly listen: readonly Listen[];
  private readonly vhosts: ManagedVhosts;

  constructor(
    private readonly address: WebServerAddress,
    private readonly host: Host,
    loadLimitMs: number,
  ) {
    this.name = address.name;
    this.listen = address.listen;
    this.vhosts = new ManagedVhosts(
      host,
      address,
      (site, operation) => this.runningStamp(site, operation),
      loadLimitMs,
    );
  }

  test(operation: Operation): Promise<void> {
    return this.vhosts.test(operation);
  }

  async writeVhost(site: SiteLocation, operation: Operation): Promise<VhostChange> {
    if (site.vhost === 'none') return { changed: false, before: null };
    await prepareFlags(this.host, this.address.flags);
    return this.vhosts.write(site, operation);
  }

  async putVhostBack(site: SiteLocation, before: string | null, operation: Operation): Promise<void> {
    if (site.vhost === 'managed') await this.vhosts.putBack(site, before, operation);
  }

  renderVhost(site: SiteLocation): string {
    return renderVhost(this.address, site);
  }

  readVhost(site: SiteLocation): Promise<string | null> {
    return this.vhosts.read(site);
  }

  maintenanceIsOn(uri: string): Promise<boolean> {
    return maintenanceIsOn(this.host, this.address.flags, uri);
  }

  raiseMaintenance(uri: string): Promise<void> {
    return raiseMaintenance(this.host, this.address.flags, uri);
  }

  lowerMaintenance(uri: string): Promise<void> {
    return lowerMaintenance(this.host, this.address.flags, uri);
  }

  async request(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer> {
    return withoutBody(await this.ask(site, path, {}, operation));
  }

  async probe(site: SiteLocation, path: string, operation: Operation): Promise<ProbeAnswer> {
    return withoutBody(await this.askThroughMaintenance(site, path, operation));
  }

  refreshPhp(site: SiteLocation, operation: Operation): Promise<number | null> {
    return refreshPhp(this.host, this.address.flags, site, operation);
  }

  private async runningStamp(site: SiteLocation, operation: Operation): Promise<RunningStamp> {
    try {
      const { status, body } = await this.askThroughMaintenance(site, STAMP_PATH, operation);
      const stamp = body.toString('latin1');
      return status === 200 && /^[0-9a-f]{64}$/.test(stamp) ? stamp : null;
    } catch (error) {
      if (!isKedgeError(error) || error.code !== 'ProbeFailed') throw error;
      return nobodyListened(error) ? DOWN : null;
    }
  }

  private askThroughMaintenance(site: SiteLocation, path: string, operation: Operation): Promise<Answer> {
    const token = randomBytes(16).toString('hex');
    const place = { host: this.host, flags: this.address.flags, uri: site.uri };
    return withProbeFile(place, token, '', () => this.ask(site, path, { [PROBE_HEADER]: token }, operation));
  }

  private ask(
    site: SiteLocation,
    path: string,
    headers: Readonly<Record<string, string>>,
    { signal }: Operation,
  ): Promise<Answer> {
    const [listen] = this.address.listen;
    if (!listen)
      throw new KedgeError('ConfigurationInvalid', `${this.name} listens nowhere`, {
        server: this.name,
        site: site.uri,
      });
    return ask({ server: this.name, listen, uri: site.uri, path, headers, signal });
  }
}

function withoutBody({ status, retryAfter, mark }: Answer): ProbeAnswer {
  return { status, retryAfter, mark };
}
