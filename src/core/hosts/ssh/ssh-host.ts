import { unheard } from '../../operation';
import type { Host } from '../host';
import { RemoteHost, type RemoteHostOptions } from '../remote/remote-host';
import { type SshAddress, openSshChannel } from './ssh-channel';

export interface SshHostOptions extends Pick<RemoteHostOptions, 'version' | 'installCommand' | 'rhythm'> {
  readonly address: SshAddress;
  /** This machine: it has the keys and the file of known hosts. */
  readonly master: Host;
}

const LOOK_WITHIN_MS = 10_000;

/** A server that is reached by SSH, where the program `kedge-host` is. Connected when it is first asked for something. */
export function createSshHost({ address, master, ...options }: SshHostOptions): RemoteHost {
  return new RemoteHost({
    ...options,
    name: address.server,
    master: master.name,
    // The connection belongs to whoever comes, and not to the task that came first.
    openChannel: () => openSshChannel(address, master, unheard('ssh', AbortSignal.timeout(LOOK_WITHIN_MS))),
  });
}
