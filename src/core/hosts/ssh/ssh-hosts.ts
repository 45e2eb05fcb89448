import type { RemoteHost } from '../remote/remote-host';
import type { SshAddress } from './ssh-channel';
import { type SshHostOptions, createSshHost } from './ssh-host';

/**
 * The servers that are reached by SSH: one connection each, made when something is first asked for. A server that is reached
 * otherwise than before gets a new one, and the old one is ended: what runs over it fails as HostUnreachable, and goes on over the new.
 */
export class SshHosts {
  private readonly hosts = new Map<string, { readonly address: string; readonly host: RemoteHost }>();
  /** Somebody may hold one still, and ask it for something. */
  private readonly former: RemoteHost[] = [];

  constructor(
    private readonly options: Omit<SshHostOptions, 'address' | 'installCommand'> & {
      /** The command that puts the program there, for a person. */
      readonly installCommand: (server: string) => string;
    },
  ) {}

  /** The server as it is reached now. The same address gives the same host. */
  of(address: SshAddress): RemoteHost {
    const { host: machine, port, user, identityFile, agent, knownHosts } = address;
    const text = JSON.stringify([machine, port, user, identityFile, agent, knownHosts]);
    const known = this.hosts.get(address.server);
    if (known?.address === text) return known.host;
    this.forget(address.server);
    const host = createSshHost({
      ...this.options,
      address,
      installCommand: this.options.installCommand(address.server),
    });
    this.hosts.set(address.server, { address: text, host });
    return host;
  }

  /** Ends the connections to all other servers than these. */
  retain(servers: ReadonlySet<string>): void {
    for (const server of this.hosts.keys()) if (!servers.has(server)) this.forget(server);
  }

  /** Ends all of them, and what runs there with them. */
  async close(): Promise<void> {
    const all = [...this.former, ...[...this.hosts.values()].map(({ host }) => host)];
    await Promise.all(all.map((host) => host.close()));
  }

  private forget(server: string): void {
    const known = this.hosts.get(server);
    if (!known) return;
    this.hosts.delete(server);
    this.former.push(known.host);
    void known.host.close();
  }
}
