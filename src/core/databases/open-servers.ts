import type { DatabaseServerAddress } from '../../contract/target';
import type { DatabaseServer } from './database-server';

/**
 * The database servers in use, each opened once for a piece of work. What is opened for a signal ends with it: statements
 * of a server that hangs are not waited for, and no other work loses its connection by that.
 */
export class OpenServers {
  private readonly byWork = new Map<AbortSignal | null, Map<string, Promise<DatabaseServer>>>();

  constructor(
    private readonly open: (
      address: DatabaseServerAddress,
      signal: AbortSignal | undefined,
      holder: string | undefined,
    ) => Promise<DatabaseServer>,
  ) {}

  /**
   * Without a signal it is shared, and stays open until {@link close}. With the name of a holder of the lock its statements are the
   * only ones of that name, see `becomeSole`. @throws the signal's reason
   */
  get(address: DatabaseServerAddress, signal?: AbortSignal, holder?: string): Promise<DatabaseServer> {
    signal?.throwIfAborted();
    const servers = this.serversOf(signal ?? null);
    const key = JSON.stringify([address, holder]);
    const known = servers.get(key);
    if (known) return known;
    const opening = this.open(address, signal, holder);
    servers.set(key, opening);
    opening.catch(() => servers.delete(key));
    return opening;
  }

  async close(): Promise<void> {
    const opened = [...this.byWork.values()].flatMap((servers) => [...servers.values()]);
    this.byWork.clear();
    await Promise.all(opened.map(async (opening) => (await opening.catch(() => undefined))?.close()));
  }

  private serversOf(work: AbortSignal | null): Map<string, Promise<DatabaseServer>> {
    const known = this.byWork.get(work);
    if (known) return known;
    const servers = new Map<string, Promise<DatabaseServer>>();
    this.byWork.set(work, servers);
    work?.addEventListener('abort', () => this.byWork.delete(work), { once: true });
    return servers;
  }
}
