import { join } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { inTurn } from './in-turn';
import { hostName } from './nginx-value';
import { assertOwnFolder } from './own-folder';
import { conflictsIn, reloadConfiguration, testConfiguration, waitUntilLoaded } from './reload';
import { renderVhost, stampOf, wasManaged } from './vhost';
import type { VhostChange } from './web-server';

const MAXIMUM_BYTES = 256 * 1024;

/** Nothing listens where the web server should. */
export const DOWN = Symbol('down');
/** The stamp of the vhost that answers; null when another one or none does. */
export type RunningStamp = string | null | typeof DOWN;

/**
 * The vhost files of one web server. Write, test, reload and seeing the result are one step, in turn for the server; a
 * file that does not pass is put back.
 */
export class ManagedVhosts {
  constructor(
    private readonly host: Host,
    private readonly address: WebServerAddress,
    private readonly runningStamp: (site: SiteLocation, operation: Operation) => Promise<RunningStamp>,
    private readonly loadLimitMs: number,
  ) {}

  /** @throws KedgeError VhostTestFailed */
  async test(operation: Operation): Promise<void> {
    await this.inTurn(operation, () => testConfiguration(this.host, this.address, operation));
  }

  /** @throws KedgeError FileRefused for a link */
  async read(site: SiteLocation): Promise<string | null> {
    const path = this.pathOf(site);
    if ((await this.host.status(path)) === undefined) return null;
    return (await this.host.readFile(path, MAXIMUM_BYTES)).toString('utf8');
  }

  /** @throws KedgeError VhostTestFailed, VhostEdited, FileRefused, OwnerRefused */
  async write(site: SiteLocation, operation: Operation): Promise<VhostChange> {
    const wanted = renderVhost(this.address, site);
    return this.inTurn(operation, async () => {
      await assertOwnFolder(this.host, this.address.vhosts);
      const before = await this.read(site);
      if (before !== null && stampOf(before) === null) throw this.notOurs(site, before);
      if (before === wanted && (await this.runningStamp(site, operation)) === stampOf(wanted))
        return { changed: false, before };
      let reloaded = false;
      try {
        await this.put(site, wanted);
        const tested = await testConfiguration(this.host, this.address, operation);
        reloaded = true;
        await this.load(site, stampOf(wanted), null, tested, operation);
      } catch (error) {
        await this.put(site, before);
        // Undo does this too, and waits for it; here it is a courtesy to tasks that have no undo.
        if (reloaded) await reloadConfiguration(this.host, this.address, operation).catch(() => undefined);
        throw error;
      }
      return { changed: true, before };
    });
  }

  /** Undo of `write`; nothing happens where `write` did nothing. @throws KedgeError VhostTestFailed */
  async putBack(site: SiteLocation, before: string | null, operation: Operation): Promise<void> {
    return this.inTurn(operation, async () => {
      const found = await this.read(site);
      if (found !== null && found !== before && stampOf(found) === null) {
        // Holding up the undo, and with it the maintenance page, would serve nobody.
        operation.log.warn(`${this.pathOf(site)} was edited during the task and is left as it is`);
        return;
      }
      const running = await this.runningStamp(site, operation);
      const wantedStamp = before === null ? null : stampOf(before);
      const foreign = before !== null && wantedStamp === null;
      if (found === before && (foreign || running === wantedStamp || running === DOWN)) return;
      await assertOwnFolder(this.host, this.address.vhosts);
      await this.put(site, before);
      // A server that is down reads the file when it starts.
      if (running === DOWN) return;
      const tested = await testConfiguration(this.host, this.address, operation);
      await this.load(site, wantedStamp, running, tested, operation);
    });
  }

  private async put(site: SiteLocation, content: string | null): Promise<void> {
    if (content === null) await this.host.removeFile(this.pathOf(site));
    else await this.host.writeFile(this.pathOf(site), content, { mode: 0o644 });
  }

  /**
   * Reloads, and sees with requests that the server took it: a reload can fail silently, or another block win. Where no
   * stamp is wanted, `leaving` has to go.
   */
  private async load(
    site: SiteLocation,
    wanted: string | null,
    leaving: string | null,
    tested: string,
    operation: Operation,
  ): Promise<void> {
    const conflicts = conflictsIn(tested, site);
    for (const conflict of conflicts) operation.log.warn(conflict);
    await reloadConfiguration(this.host, this.address, operation);
    const isLoaded = async (): Promise<boolean> => {
      const running = await this.runningStamp(site, operation);
      return wanted === null ? running === null || running !== leaving : running === wanted;
    };
    if (await waitUntilLoaded(isLoaded, this.loadLimitMs, operation.signal)) return;
    throw new KedgeError(
      'VhostTestFailed',
      [`${this.address.name} was reloaded but does not run the vhost of ${site.uri}`, ...conflicts].join(': '),
      {
        site: site.uri,
        server: this.address.name,
        hint: `Look in the error log of the web server, and for another server block of this name; does its configuration include ${this.address.vhosts}/*.conf?`,
      },
    );
  }

  private notOurs(site: SiteLocation, content: string): KedgeError {
    const what = wasManaged(content) ? 'was edited by hand' : 'was not written by Kedge';
    return new KedgeError('VhostEdited', `${this.pathOf(site)} on ${this.address.name} ${what}`, {
      site: site.uri,
      server: this.address.name,
    });
  }

  private pathOf(site: SiteLocation): string {
    return join(this.address.vhosts, `${hostName(site.uri)}.conf`);
  }

  private inTurn<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    // The folder of vhosts, not the name, is what must not be changed by two at once.
    return inTurn(`${this.host.name} ${this.address.vhosts}`, async () => {
      operation.signal.throwIfAborted();
      return work();
    });
  }
}
