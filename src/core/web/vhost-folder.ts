import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isNativeError } from 'node:util/types';
import { isKedgeError, KedgeError } from '../../contract/errors';
import type { SiteLocation, WebServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import { withMutex } from '../keyed-mutex';
import type { Operation } from '../operation';
import type { Dialect, TestedConfiguration } from './dialect';
import { ForeignVhost } from './foreign-vhost';
import { type DrilledSite, drillMaintenance } from './maintenance-drill';
import { assertOwnFolder, isOwnFolder } from '../flags/own-folder';
import { stampOf } from './stamp';
import {
  type BeforePuttingBack,
  type BeforeWriting,
  type Notice,
  type PutBackDecision,
  type RunningAt,
  type Seen,
  type WriteDecision,
  decidePutBack,
  decideWrite,
  isRunning,
  ranOf,
} from './vhost-decisions';
import { filesOfVhost } from './vhost-files';
import { waitUntilLoaded } from './wait-until-loaded';
import type { VhostBefore, VhostChange, VhostFiles } from './web-server';

const MAXIMUM_BYTES = 256 * 1024;

/** Beside what it guards; its name keeps it out of `include …/*.conf`. */
const LOCK = '.kedge.lock';

/**
 * The folder of vhosts of one web server. Write, test, reload and seeing the result are one step, and one process does it at a
 * time, by a lock on the server itself; what does not pass is put back. What to do is decided in vhost-decisions.ts.
 */
export class VhostFolder {
  constructor(
    private readonly host: Host,
    private readonly address: WebServerAddress,
    private readonly dialect: Dialect,
    /** At every address a managed vhost of the site listens on. */
    private readonly running: (site: SiteLocation, operation: Operation) => Promise<RunningAt[]>,
    private readonly loadLimitMs: number,
  ) {}

  /** @throws KedgeError VhostTestFailed */
  async test(operation: Operation): Promise<void> {
    await this.alone(operation, () => this.dialect.test(operation));
  }

  /** @throws KedgeError FileRefused for a link */
  async read(site: SiteLocation): Promise<VhostFiles> {
    return {
      vhost: await this.contentOf(this.pathOf(site, 'vhost')),
      snippet: await this.contentOf(this.pathOf(site, 'snippet')),
    };
  }

  /** What undo puts back. Only of a managed vhost it is seen what ran. @throws KedgeError FileRefused for a link */
  async lookBefore(site: SiteLocation, operation: Operation): Promise<VhostBefore> {
    const files = await this.read(site);
    return { ...files, ran: site.vhost === 'managed' ? ranOf(await this.running(site, operation)) : null };
  }

  /** What the vhost mode of a site asks for. @throws KedgeError ConfigurationInvalid */
  wanted(site: SiteLocation): VhostFiles {
    return {
      vhost: site.vhost === 'managed' ? this.dialect.renderVhost(site) : null,
      snippet: site.vhost === 'include' ? this.dialect.renderSnippet(site) : null,
    };
  }

  /** @throws KedgeError VhostTestFailed, VhostEdited, VhostUnfit, FileRefused, OwnerRefused */
  async write(site: SiteLocation, operation: Operation): Promise<VhostChange> {
    const wanted = this.wanted(site);
    return this.alone(operation, async () => {
      const before = await this.read(site);
      const decision = await this.decideWrite(site, before, wanted, operation);
      if (decision.action === 'refuse') throw this.refusal(site, decision);
      this.tell(site, decision.notices, operation);
      if (decision.action === 'nothing') return { changed: false, before };
      let reloaded = false;
      try {
        await this.put(site, decision.files);
        const tested = await this.dialect.test(operation);
        const foreign = decision.see === 'snippet' ? await this.foreignVhost(site, operation) : null;
        if (foreign && foreign.obstacles.length > 0) throw foreign.refuse(foreign.obstacles);
        reloaded = true;
        if (foreign) await this.loadSnippet(site, foreign, tested, operation);
        else if (decision.see !== 'snippet') await this.load(site, decision.see, tested, operation);
      } catch (error) {
        await this.put(site, decision.otherwise);
        // Undo does this too, and waits for it; here it is a courtesy to tasks that have no undo.
        if (reloaded) await this.dialect.reload(operation).catch(() => undefined);
        throw error;
      }
      return { changed: true, before };
    });
  }

  /** What is there already is not in the way of `write`. @throws KedgeError as write */
  async assertWritable(site: SiteLocation, operation: Operation): Promise<void> {
    return this.alone(operation, async () => {
      const files = await this.read(site);
      // Whether it runs is nobody's fault before it is written.
      const decision = await this.decideWrite(site, files, this.wanted(site), operation, true);
      if (decision.action === 'refuse') throw this.refusal(site, decision);
      if (site.vhost === 'none') return;
      await this.dialect.test(operation);
      const foreign = site.vhost === 'include' ? await this.foreignVhost(site, operation) : null;
      if (foreign?.servesSite === false) throw foreign.refuse(foreign.obstacles);
    });
  }

  /** Undo of `write`; nothing happens where `write` did nothing. A new snippet stays. @throws KedgeError VhostTestFailed */
  async putBack(site: SiteLocation, before: VhostBefore, operation: Operation): Promise<void> {
    return this.alone(operation, async () => {
      const decision = await this.decidePutBack(site, before, operation);
      this.tell(site, decision.notices, operation);
      if (decision.action === 'nothing') return;
      await assertOwnFolder(this.host, this.address.vhosts);
      await this.put(site, decision.files);
      if (decision.load === 'nothing') return;
      const tested = await this.dialect.test(operation);
      if (decision.load === 'reload') await this.dialect.reload(operation);
      else await this.load(site, decision.load, tested, operation);
    });
  }

  /** The server blocks of the administrator's that serve a site. @throws KedgeError VhostTestFailed */
  async foreignVhost(site: SiteLocation, operation: Operation): Promise<ForeignVhost> {
    const includeLine = this.dialect.includeLine(this.pathOf(site, 'snippet'));
    return new ForeignVhost({ ...this.drilled(site), includeLine }, await this.dialect.readForeign(site, operation));
  }

  private drilled(site: SiteLocation): DrilledSite {
    const stamp = stampOf(this.dialect.renderSnippet(site)) ?? '';
    return { host: this.host, address: this.address, site, stamp };
  }

  /** What stands in the way of a snippet that is on disk as it should be. @throws KedgeError VhostTestFailed, VhostUnfit */
  async proveSnippet(site: SiteLocation, operation: Operation): Promise<void> {
    const foreign = await this.foreignVhost(site, operation);
    const { snippet } = await this.read(site);
    const absent = snippet === null ? [`${this.pathOf(site, 'snippet')} is not written`] : [];
    const obstacles = [...absent, ...foreign.obstacles];
    if (obstacles.length === 0) obstacles.push(...(await foreign.drill(operation)));
    if (obstacles.length > 0) throw foreign.refuse(obstacles);
  }

  private async decideWrite(
    site: SiteLocation,
    found: VhostFiles,
    wanted: VhostFiles,
    operation: Operation,
    inForce: boolean | null = null,
  ): Promise<Exclude<WriteDecision, { action: 'look' }>> {
    let known: BeforeWriting = { mode: site.vhost, found, wanted, others: null, inForce };
    if (site.vhost !== 'none' || found.vhost !== null || found.snippet !== null)
      await assertOwnFolder(this.host, this.address.vhosts);
    if (wanted.vhost !== null)
      for (const path of await filesOfVhost(this.host, site)) await this.host.assertTrusted(path);
    for (;;) {
      const decision = decideWrite(known);
      if (decision.action !== 'look') return decision;
      if (decision.at === 'inForce') known = { ...known, inForce: await this.isInForce(site, operation) };
      else {
        const foreign = await this.foreignVhost(site, operation);
        known = { ...known, others: { serve: foreign.servesSite, inclusions: foreign.inclusions } };
      }
    }
  }

  private async decidePutBack(
    site: SiteLocation,
    before: VhostBefore,
    operation: Operation,
  ): Promise<Exclude<PutBackDecision, { action: 'look' }>> {
    const known: BeforePuttingBack = { mode: site.vhost, found: await this.read(site), before, running: null };
    const decision = decidePutBack(known);
    if (decision.action !== 'look') return decision;
    const asked = decidePutBack({ ...known, running: await this.running(site, operation) });
    if (asked.action === 'look') throw new Error('what runs was looked at');
    return asked;
  }

  private refusal(site: SiteLocation, { file, because }: Extract<WriteDecision, { action: 'refuse' }>): KedgeError {
    const about = { site: site.uri, server: this.address.name };
    const path = this.pathOf(site, file);
    if (because !== 'served by nobody then')
      return new KedgeError(
        'VhostEdited',
        `${path} on ${this.address.name} was ${because === 'edited by hand' ? because : 'not written by Kedge'}`,
        about,
      );
    return new KedgeError(
      'VhostUnfit',
      `${site.uri} would be served by nobody: its vhost mode is ${site.vhost}, and no server block but Kedge's names it`,
      {
        ...about,
        state: 'the managed vhost goes on serving the site',
        hint: `Write a server block for ${site.uri} of your own first (${path} may be its model), or set \`vhost: managed\` again.`,
      },
    );
  }

  private tell(site: SiteLocation, notices: readonly Notice[], { log }: Operation): void {
    for (const { file, what, places = [] } of notices) {
      const path = this.pathOf(site, file);
      if (what === 'is yours now') log.warn(`${path} was edited by hand and is left as it is: it is yours now`);
      if (what === 'was edited meanwhile') log.warn(`${path} was edited during the task and is left as it is`);
      if (what === 'is still included')
        log.warn(`${path} is not needed any more, but is included in ${places.join(' and ')}: take the line out`);
    }
  }

  private async isInForce(site: SiteLocation, operation: Operation): Promise<boolean> {
    if (site.vhost === 'none') return true;
    if (site.vhost === 'include') return this.snippetIsInForce(site, operation);
    const see = { stamp: stampOf(this.dialect.renderVhost(site)), leaving: null };
    return isRunning(await this.running(site, operation), see);
  }

  private async snippetIsInForce(site: SiteLocation, operation: Operation): Promise<boolean> {
    try {
      const foreign = await this.foreignVhost(site, operation);
      return foreign.obstacles.length === 0 && (await foreign.drill(operation)).length === 0;
    } catch (error) {
      const { servedOn = [] } = site;
      if (!isKedgeError(error) || error.code !== 'VhostTestFailed' || servedOn.length === 0) throw error;
      // Somebody broke the configuration since preflight. What runs is what counts.
      for (const listen of servedOn) {
        const door = { listen, name: site.uri };
        if ((await drillMaintenance(this.drilled(site), door, operation)) !== null) throw error;
      }
      return true;
    }
  }

  private async contentOf(path: string): Promise<string | null> {
    if ((await this.host.status(path)) === undefined) return null;
    return (await this.host.readFile(path, MAXIMUM_BYTES)).toString('utf8');
  }

  private async put(site: SiteLocation, { vhost, snippet }: VhostFiles): Promise<void> {
    const write = async (path: string, content: string | null): Promise<void> => {
      // What somebody else put there keeps its owner and mode.
      if (content === (await this.contentOf(path))) return;
      if (this.host.putVhostFile) await this.host.putVhostFile({ path, site, sha256: digestOf(content) });
      else if (content === null) await this.host.removeFile(path);
      else await this.host.writeFile(path, content, { mode: 0o644 });
    };
    await write(this.pathOf(site, 'vhost'), vhost);
    await write(this.pathOf(site, 'snippet'), snippet);
  }

  /** Reloads, and sees with requests that the server took it: a reload can fail silently, or another block win. */
  private async load(site: SiteLocation, see: Seen, tested: TestedConfiguration, operation: Operation): Promise<void> {
    const conflicts = this.warnOfConflicts(site, tested, operation);
    await this.dialect.reload(operation);
    const isLoaded = async (): Promise<boolean> => isRunning(await this.running(site, operation), see);
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
    tested: TestedConfiguration,
    operation: Operation,
  ): Promise<void> {
    const conflicts = this.warnOfConflicts(site, tested, operation);
    await this.dialect.reload(operation);
    let obstacles: string[] = [];
    const isLoaded = async (): Promise<boolean> => {
      obstacles = await foreign.drill(operation);
      return obstacles.length === 0;
    };
    await waitUntilLoaded(isLoaded, this.loadLimitMs, operation.signal);
    if (obstacles.length > 0) throw foreign.refuse([...obstacles, ...conflicts]);
  }

  private warnOfConflicts(site: SiteLocation, tested: TestedConfiguration, operation: Operation): string[] {
    const conflicts = tested.conflicts(site);
    for (const conflict of conflicts) operation.log.warn(conflict);
    return conflicts;
  }

  private pathOf(site: SiteLocation, file: keyof VhostFiles): string {
    return join(this.address.vhosts, this.dialect.fileNames(site)[file]);
  }

  /**
   * Does `work` while nobody else of Kedge changes, tests or loads the configuration: in this process, and in any other. The folder of
   * vhosts, not the name of the server, is what must not be changed by two at once. Where it is missing, or others can change it,
   * nobody of Kedge writes; who cannot make the lock cannot write either.
   */
  private alone<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    const { vhosts } = this.address;
    return withMutex(`${this.host.name} ${vhosts}`, async () => {
      operation.signal.throwIfAborted();
      if (!(await isOwnFolder(this.host, vhosts))) return work();
      let hasLock = false;
      const locked = this.host.withLock(join(vhosts, LOCK), operation, () => {
        hasLock = true;
        return work();
      });
      return locked.catch((error: unknown) => {
        if (!hasLock && isNativeError(error) && 'code' in error && /^(?:EACCES|EROFS)$/.test(String(error.code)))
          return work();
        throw error;
      });
    });
  }
}

function digestOf(content: string | null): string | null {
  return content === null ? null : createHash('sha256').update(content).digest('hex');
}
