import { join } from 'node:path';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { ForeignVhost } from './nginx/foreign-vhost';
import { inTurn } from './in-turn';
import { drillMaintenance } from './maintenance-drill';
import { hostName } from './nginx/value';
import { assertOwnFolder } from '../flags/own-folder';
import { conflictsIn, reloadConfiguration, testConfiguration, waitUntilLoaded } from './nginx/reload';
import { renderSnippet, snippetPath } from './nginx/snippet';
import { renderVhost, stampOf, wasManaged } from './nginx/vhost';
import { filesOfVhost } from './vhost-files';
import type { VhostChange, VhostFiles } from './web-server';

const MAXIMUM_BYTES = 256 * 1024;

/** Nothing listens where the web server should. */
export const DOWN = Symbol('down');
/** The stamp of the vhost that answers at an address; null when another one or none does. */
export type RunningStamp = string | null | typeof DOWN;

/**
 * The folder of vhosts of one web server. Write, test, reload and seeing the result are one step, in turn for the server;
 * what does not pass is put back.
 */
export class VhostFolder {
  constructor(
    private readonly host: Host,
    private readonly address: WebServerAddress,
    /** At every address a managed vhost of the site listens on. */
    private readonly runningStamps: (site: SiteLocation, operation: Operation) => Promise<RunningStamp[]>,
    private readonly loadLimitMs: number,
  ) {}

  /** @throws KedgeError VhostTestFailed */
  async test(operation: Operation): Promise<void> {
    await this.inTurn(operation, () => testConfiguration(this.host, this.address, operation));
  }

  /** @throws KedgeError FileRefused for a link */
  async read(site: SiteLocation): Promise<VhostFiles> {
    return { vhost: await this.contentOf(this.vhostPath(site)), snippet: await this.contentOf(this.snippetPath(site)) };
  }

  /** What the vhost mode of a site asks for. @throws KedgeError ConfigurationInvalid */
  wanted(site: SiteLocation): VhostFiles {
    return {
      vhost: site.vhost === 'managed' ? renderVhost(this.address, site) : null,
      snippet: site.vhost === 'include' ? renderSnippet(this.address, site) : null,
    };
  }

  /** @throws KedgeError VhostTestFailed, VhostEdited, VhostUnfit, FileRefused, OwnerRefused */
  async write(site: SiteLocation, operation: Operation): Promise<VhostChange> {
    const wanted = this.wanted(site);
    return this.inTurn(operation, async () => {
      const before = await this.read(site);
      if (site.vhost === 'none' && before.vhost === null && before.snippet === null) return { changed: false, before };
      await assertOwnFolder(this.host, this.address.vhosts);
      if (wanted.vhost !== null)
        for (const path of await filesOfVhost(this.host, site)) await this.host.assertTrusted(path);
      const after = {
        vhost: wanted.vhost === null ? await this.leftVhost(site, before, operation) : wanted.vhost,
        snippet: wanted.snippet === null ? await this.leftSnippet(site, before, operation) : wanted.snippet,
      };
      if (wanted.vhost !== null) this.assertOurs(site, this.vhostPath(site), before.vhost);
      if (wanted.snippet !== null) this.assertOurs(site, this.snippetPath(site), before.snippet);
      if (same(before, after) && (await this.isInForce(site, operation))) return { changed: false, before };
      let reloaded = false;
      try {
        await this.put(site, after);
        const tested = await testConfiguration(this.host, this.address, operation);
        const foreign = site.vhost === 'include' ? await this.foreignVhost(site, operation) : null;
        if (foreign && foreign.obstacles().length > 0) throw foreign.refuse(foreign.obstacles());
        reloaded = true;
        if (foreign) await this.loadSnippet(site, foreign, tested, operation);
        else {
          const leaving = before.vhost === null ? null : stampOf(before.vhost);
          await this.load(site, wanted.vhost === null ? null : stampOf(wanted.vhost), leaving, tested, operation);
        }
      } catch (error) {
        await this.put(site, { ...before, snippet: before.snippet ?? wanted.snippet });
        // Undo does this too, and waits for it; here it is a courtesy to tasks that have no undo.
        if (reloaded) await reloadConfiguration(this.host, this.address, operation).catch(() => undefined);
        throw error;
      }
      return { changed: true, before };
    });
  }

  /** Undo of `write`; nothing happens where `write` did nothing. A new snippet stays. @throws KedgeError VhostTestFailed */
  async putBack(site: SiteLocation, before: VhostFiles, operation: Operation): Promise<void> {
    return this.inTurn(operation, async () => {
      const found = await this.read(site);
      const wanted = {
        vhost: this.unlessEdited(this.vhostPath(site), found.vhost, before.vhost, operation),
        snippet: this.unlessEdited(this.snippetPath(site), found.snippet, before.snippet ?? found.snippet, operation),
      };
      if (same(found, wanted) && wanted.vhost === null && site.vhost !== 'managed') return;
      if (found.vhost !== before.vhost && wanted.vhost === found.vhost && same(found, wanted)) return;
      const running = combined(await this.runningStamps(site, operation));
      const wantedStamp = wanted.vhost === null ? null : stampOf(wanted.vhost);
      const foreign = wanted.vhost !== null && wantedStamp === null;
      if (same(found, wanted) && (foreign || running === wantedStamp || running === DOWN)) return;
      await assertOwnFolder(this.host, this.address.vhosts);
      await this.put(site, wanted);
      // A server that is down reads the files when it starts.
      if (running === DOWN) return;
      const tested = await testConfiguration(this.host, this.address, operation);
      // Somebody else's server block may win against a vhost that comes back beside it, and serves the site as well.
      if (site.vhost === 'managed' && !(foreign && found.vhost === wanted.vhost))
        await this.load(site, wantedStamp, running, tested, operation);
      else await reloadConfiguration(this.host, this.address, operation);
    });
  }

  /** The server blocks of somebody else's that serve a site. @throws KedgeError VhostTestFailed */
  foreignVhost(site: SiteLocation, operation: Operation): Promise<ForeignVhost> {
    return ForeignVhost.read(this.host, this.address, site, operation);
  }

  /** What stands in the way of a snippet that is on disk as it should be. @throws KedgeError VhostTestFailed, VhostUnfit */
  async proveSnippet(site: SiteLocation, operation: Operation): Promise<void> {
    const foreign = await this.foreignVhost(site, operation);
    const { snippet } = await this.read(site);
    const absent = snippet === null ? [`${this.snippetPath(site)} is not written`] : [];
    const obstacles = [...absent, ...foreign.obstacles()];
    if (obstacles.length === 0) obstacles.push(...(await foreign.drill(this.host, operation)));
    if (obstacles.length > 0) throw foreign.refuse(obstacles);
  }

  /** The managed vhost that another mode left: it goes, once somebody else serves the site. */
  private async leftVhost(site: SiteLocation, { vhost }: VhostFiles, operation: Operation): Promise<string | null> {
    if (vhost === null) return null;
    if (stampOf(vhost) === null) {
      operation.log.warn(`${this.vhostPath(site)} was edited by hand and is left as it is: it is yours now`);
      return vhost;
    }
    const foreign = await this.foreignVhost(site, operation);
    if (foreign.blocks.length > 0) return null;
    throw new KedgeError(
      'VhostUnfit',
      `${site.uri} would be served by nobody: its vhost mode is ${site.vhost}, and no server block but Kedge's names it`,
      {
        site: site.uri,
        server: this.address.name,
        state: 'the managed vhost goes on serving the site',
        hint: `Write a server block for ${site.uri} of your own first (${this.vhostPath(site)} may be its model), or set \`vhost: managed\` again.`,
      },
    );
  }

  /** The snippet that another mode left: it goes, once nobody includes it. */
  private async leftSnippet(site: SiteLocation, { snippet }: VhostFiles, operation: Operation): Promise<string | null> {
    if (snippet === null) return null;
    const inclusions = (await this.foreignVhost(site, operation)).inclusions();
    if (inclusions.length === 0) return null;
    operation.log.warn(
      `${this.snippetPath(site)} is not needed any more, but is included in ${inclusions.join(' and ')}: take the line out`,
    );
    return snippet;
  }

  private async isInForce(site: SiteLocation, operation: Operation): Promise<boolean> {
    if (site.vhost === 'none') return true;
    if (site.vhost === 'include') return this.snippetIsInForce(site, operation);
    const wanted = stampOf(renderVhost(this.address, site));
    return (await this.runningStamps(site, operation)).every((running) => running === wanted);
  }

  private async snippetIsInForce(site: SiteLocation, operation: Operation): Promise<boolean> {
    try {
      const foreign = await this.foreignVhost(site, operation);
      return foreign.obstacles().length === 0 && (await foreign.drill(this.host, operation)).length === 0;
    } catch (error) {
      const { servedOn = [] } = site;
      if (!isKedgeError(error) || error.code !== 'VhostTestFailed' || servedOn.length === 0) throw error;
      // Somebody broke the configuration since preflight. What runs is what counts.
      for (const listen of servedOn) {
        const door = { listen, name: site.uri };
        if ((await drillMaintenance(this.host, this.address, site, door, operation)) !== null) throw error;
      }
      return true;
    }
  }

  private unlessEdited(path: string, found: string | null, wanted: string | null, operation: Operation): string | null {
    if (found === null || found === wanted || stampOf(found) !== null) return wanted;
    // Holding up the undo, and with it the maintenance page, would serve nobody.
    operation.log.warn(`${path} was edited during the task and is left as it is`);
    return found;
  }

  private async contentOf(path: string): Promise<string | null> {
    if ((await this.host.status(path)) === undefined) return null;
    return (await this.host.readFile(path, MAXIMUM_BYTES)).toString('utf8');
  }

  private async put(site: SiteLocation, { vhost, snippet }: VhostFiles): Promise<void> {
    const write = async (path: string, content: string | null): Promise<void> => {
      // What somebody else put there keeps its owner and mode.
      if (content === (await this.contentOf(path))) return;
      if (content === null) await this.host.removeFile(path);
      else await this.host.writeFile(path, content, { mode: 0o644 });
    };
    await write(this.vhostPath(site), vhost);
    await write(this.snippetPath(site), snippet);
  }

  /**
   * Reloads, and sees with requests that the server took it: a reload can fail silently, or another block win. Where no
   * stamp is wanted, `leaving` has to go.
   */
  private async load(
    site: SiteLocation,
    wanted: string | null,
    leaving: RunningStamp,
    tested: string,
    operation: Operation,
  ): Promise<void> {
    const conflicts = this.warnOfConflicts(site, tested, operation);
    await reloadConfiguration(this.host, this.address, operation);
    const isLoaded = async (): Promise<boolean> => {
      const running = await this.runningStamps(site, operation);
      if (wanted === null) return !running.includes(leaving) || leaving === null;
      return running.every((stamp) => stamp === wanted);
    };
    if (await waitUntilLoaded(isLoaded, this.loadLimitMs, operation.signal)) return;
    throw new KedgeError(
      'VhostTestFailed',
      [`${this.address.name} was reloaded but does not run the vhost of ${site.uri}`, ...conflicts].join(': '),
      {
        site: site.uri,
        server: this.address.name,
        hint: `Look in the error log of the web server, and for another server block of this name; does its configuration include ${this.address.vhosts}/*.conf? To keep a server block of your own, set \`vhost: include\`.`,
      },
    );
  }

  private async loadSnippet(
    site: SiteLocation,
    foreign: ForeignVhost,
    tested: string,
    operation: Operation,
  ): Promise<void> {
    const conflicts = this.warnOfConflicts(site, tested, operation);
    await reloadConfiguration(this.host, this.address, operation);
    let obstacles: string[] = [];
    const isLoaded = async (): Promise<boolean> => {
      obstacles = await foreign.drill(this.host, operation);
      return obstacles.length === 0;
    };
    await waitUntilLoaded(isLoaded, this.loadLimitMs, operation.signal);
    if (obstacles.length > 0) throw foreign.refuse([...obstacles, ...conflicts]);
  }

  private warnOfConflicts(site: SiteLocation, tested: string, operation: Operation): string[] {
    const conflicts = conflictsIn(tested, site);
    for (const conflict of conflicts) operation.log.warn(conflict);
    return conflicts;
  }

  private assertOurs(site: SiteLocation, path: string, content: string | null): void {
    if (content === null || stampOf(content) !== null) return;
    const what = wasManaged(content) ? 'was edited by hand' : 'was not written by Kedge';
    throw new KedgeError('VhostEdited', `${path} on ${this.address.name} ${what}`, {
      site: site.uri,
      server: this.address.name,
    });
  }

  private vhostPath(site: SiteLocation): string {
    return join(this.address.vhosts, `${hostName(site.uri)}.conf`);
  }

  private snippetPath(site: SiteLocation): string {
    return snippetPath(this.address, site);
  }

  private inTurn<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    // The folder of vhosts, not the name, is what must not be changed by two at once.
    return inTurn(`${this.host.name} ${this.address.vhosts}`, async () => {
      operation.signal.throwIfAborted();
      return work();
    });
  }
}

function same(one: VhostFiles, other: VhostFiles): boolean {
  return one.vhost === other.vhost && one.snippet === other.snippet;
}

/** What the web server runs, when the addresses it listened on before are not known. */
function combined(running: readonly RunningStamp[]): RunningStamp {
  const stamp = running.find((each) => typeof each === 'string');
  if (stamp !== undefined) return stamp;
  return running.every((each) => each === DOWN) ? DOWN : null;
}
