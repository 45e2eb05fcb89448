import type { DatabaseServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { DatabaseServer } from './database-server';

/** A database server, and the machine that reaches it at its address. */
export interface DatabaseServerPlace {
  readonly address: DatabaseServerAddress;
  readonly from: Host;
}

interface Opened {
  readonly from: Host;
  readonly server: Promise<DatabaseServer>;
}

/**
 * The database servers in use, each opened once for a piece of work. What is opened for a signal ends with it: statements
 * of a server that hangs are not waited for, and no other work loses its connection by that.
 */
export class OpenServers {
  private readonly byWork = new Map<AbortSignal | null, Map<string, Opened>>();
  /** Those that are reached otherwise now. Work may be going on by them. */
  private readonly replaced: Opened[] = [];

  constructor(
    private readonly open: (
      place: DatabaseServerPlace,
      signal: AbortSignal | undefined,
      holder: string | undefined,
    ) => Promise<DatabaseServer>,
  ) {}

  /**
   * Without a signal it is shared, and stays open until {@link close}. With the name of a holder of the lock its statements are the
   * only ones of that name, see `becomeSole`. @throws the signal's reason
   */
  get(place: DatabaseServerPlace, signal?: AbortSignal, holder?: string): Promise<DatabaseServer> {
    signal?.throwIfAborted();
    const servers = this.serversOf(signal ?? null);
    const key = JSON.stringify([place.address, holder]);
    const known = servers.get(key);
    // The machine may be reached otherwise than before.
    if (known?.from === place.from) return known.server;
    if (known && signal === undefined) this.replaced.push(known);
    const server = this.open(place, signal, holder);
    const opened = { from: place.from, server };
    servers.set(key, opened);
    server.catch(() => {
      if (servers.get(key) === opened) servers.delete(key);
    });
    return server;
  }

  async close(): Promise<void> {
    const opened = [...this.byWork.values()]
      .flatMap((servers) => [...servers.values()])
      .concat(this.replaced.splice(0));
    this.byWork.clear();
    await Promise.all(opened.map(async ({ server }) => (await server.catch(() => undefined))?.close()));
  }

  private serversOf(work: AbortSignal | null): Map<string, Opened> {
    const known = this.byWork.get(work);
    if (known) return known;
    const servers = new Map<string, Opened>();
    this.byWork.set(work, servers);
    work?.addEventListener('abort', () => this.byWork.delete(work), { once: true });
    return servers;
  }
}
