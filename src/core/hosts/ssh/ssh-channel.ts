import { connect, isIP } from 'node:net';
import { Client, type ClientChannel, utils } from 'ssh2';
import { KedgeError } from '../../../contract/errors';
import { HOST_NAME } from '../../../contract/host-name';
import type { Operation } from '../../operation';
import type { Host } from '../host';
import type { ByteChannel, ChannelEnd } from '../remote/byte-channel';
import { type KnownKeys, type SshPlace, algorithmsFor, readKnownKeys, refusalOf } from './known-hosts';

export interface SshAddress extends SshPlace {
  readonly user: string;
  /** A private key on the master, without a passphrase. One of the two is needed, or both. */
  readonly identityFile?: string;
  /** The socket of an agent that has keys. */
  readonly agent?: string;
}

/** What the server is asked to run; where its key is restricted to a command, that is run, whatever is asked for. */
const PROGRAM = 'kedge-host';
const LOGIN_WITHIN_MS = 20_000;
const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVES = 3;
const SAID_BYTES = 2048;
const LAST_WORD_WITHIN_MS = 1_000;
const NOBODY = 0o077;

/**
 * A channel by SSH to the program at a server, over a connection of its own. The key of the server has to be known: nothing is said
 * to another. One try.
 * @throws KedgeError HostKeyRefused, HostLoginRefused, HostUnreachable; SecretUnavailable or OwnerRefused for the identity file;
 *   ConfigurationInvalid for what is no name of a host
 */
export async function openSshChannel(address: SshAddress, master: Host, operation: Operation): Promise<ByteChannel> {
  const { server, host } = address;
  if (isIP(host) === 0 && !HOST_NAME.test(host))
    throw new KedgeError('ConfigurationInvalid', `${JSON.stringify(host)} is no name of a host`, { server });
  const known = await readKnownKeys(master, address, operation);
  const privateKey =
    address.identityFile === undefined ? undefined : await readIdentity(address.identityFile, address, master);
  return new SshConnection(address, known, privateKey).open();
}

/** @throws KedgeError SecretUnavailable, OwnerRefused */
async function readIdentity(file: string, { server }: SshAddress, master: Host): Promise<Buffer> {
  const unusable = (why: string, hint?: string): KedgeError =>
    new KedgeError('SecretUnavailable', `the identity file ${file} for ${server} ${why}`, {
      server,
      ...(hint === undefined ? {} : { hint }),
    });
  const content = await master.readTrustedFile(file).catch((error: unknown) => {
    if (error instanceof KedgeError && error.code === 'FileRefused') throw unusable('cannot be read');
    throw error;
  });
  const status = await master.status((await master.realPath(file)) ?? file);
  if (status && (status.mode & NOBODY) !== 0)
    throw new KedgeError('OwnerRefused', `the identity file ${file} can be read by others`, {
      server,
      hint: `Run \`chmod 600 ${file}\`, and think of a new key.`,
    });
  const parsed = utils.parseKey(content);
  if (!(parsed instanceof Error)) return content;
  if (/passphrase/i.test(parsed.message))
    throw unusable('has a passphrase', 'Nobody is there to type it: give its key to an agent, or use a key without.');
  throw unusable('is no private key');
}

class SshConnection {
  private readonly client = new Client();
  private readonly socket;
  /** Why the connection is no good, as told first. */
  private failure: KedgeError | null = null;
  private agentSaid = '';

  constructor(
    private readonly address: SshAddress,
    private readonly known: KnownKeys,
    private readonly privateKey: Buffer | undefined,
  ) {
    this.socket = connect({ host: address.host, port: address.port });
    this.socket.setNoDelay(true);
  }

  async open(): Promise<ByteChannel> {
    try {
      return await this.started();
    } catch (error) {
      this.socket.destroy();
      throw error;
    }
  }

  private started(): Promise<ByteChannel> {
    const { address, client, socket } = this;
    const { server, user } = address;
    return new Promise((resolve, reject) => {
      const fail = (error: KedgeError): void => reject((this.failure ??= error));
      client.on('error', (error: Error & { level?: string }) => {
        // Another way to log in may be left.
        if (error.level === 'agent') this.agentSaid = `; of the agent at ${address.agent}: ${error.message}`;
        else fail(this.describe(error));
      });
      client.on('close', () => fail(unreachable(address, 'it closed the connection')));
      client.on('ready', () => {
        client.exec(PROGRAM, { allowHalfOpen: true }, (error, channel) => {
          if (error)
            fail(
              new KedgeError('HostLoginRefused', `${server} starts no program for ${user}: ${error.message}`, {
                server,
                hint: 'Look at the options of the key in authorized_keys there, and at what sshd allows the account.',
              }),
            );
          // Listened to at once: a program that ends at once says so in the same bytes as that it began.
          else resolve(channelOf(channel, client, () => socket.destroy()));
        });
      });
      try {
        client.connect({
          sock: this.socket,
          username: user,
          ...(this.privateKey === undefined ? {} : { privateKey: this.privateKey }),
          ...(address.agent === undefined ? {} : { agent: address.agent }),
          algorithms: { serverHostKey: algorithmsFor(this.known) },
          hostVerifier: (key: Buffer) => {
            const refusal = refusalOf(key, this.known, address);
            if (refusal) fail(refusal);
            return refusal === null;
          },
          readyTimeout: LOGIN_WITHIN_MS,
          keepaliveInterval: KEEP_ALIVE_MS,
          keepaliveCountMax: KEEP_ALIVES,
        });
      } catch (error) {
        fail(this.describe(error as Error));
      }
    });
  }

  private describe(error: Error & { level?: string }): KedgeError {
    const { server, user, host, port } = this.address;
    if (error.level !== 'client-authentication') return unreachable(this.address, error.message);
    return new KedgeError('HostLoginRefused', `${server} refuses the login of ${user} by SSH${this.agentSaid}`, {
      server,
      hint: `Try it by hand: \`ssh -v -p ${port} ${user}@${host}\`. Is the key in authorized_keys of ${user} there?`,
    });
  }
}

function unreachable({ server, host, port }: SshAddress, why: string): KedgeError {
  return new KedgeError('HostUnreachable', `${server} cannot be reached by SSH at ${host} port ${port}: ${why}`, {
    server,
  });
}

function channelOf(channel: ClientChannel, client: Client, cut: () => void): ByteChannel {
  let said = Buffer.alloc(0);
  let exitCode: number | null = null;
  let lost: string | null = null;
  channel.stderr.on('data', (chunk: Buffer) => {
    said = Buffer.concat([said, chunk]).subarray(-SAID_BYTES);
  });
  channel.on('exit', (code: number | null, signal?: string) => {
    exitCode = code;
    if (code === null) lost = `${PROGRAM} was ended by ${signal ?? 'a signal'}`;
  });
  client.on('error', (error) => (lost ??= error.message));
  const ended = new Promise<ChannelEnd>((resolve) => {
    const end = (): void => {
      cut();
      resolve({ exitCode, said: said.toString('utf8'), lost });
    };
    channel.on('close', end);
    client.on('close', end);
  });
  const close = (): void => {
    if (!channel.readableEnded) return cut();
    // With what the program ended is told behind the end of what it wrote.
    const timer = setTimeout(cut, LAST_WORD_WITHIN_MS);
    void ended.then(() => clearTimeout(timer));
    channel.end();
  };
  return { input: channel, output: channel, close, ended };
}
