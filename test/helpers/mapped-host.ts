import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Owner } from '../../src/contract/target';
import type {
  Bind,
  Command,
  Completed,
  FileAttributes,
  FileStatus,
  FreeSpace,
  Host,
  HostAccount,
  LimitMeans,
  SocketAddress,
} from '../../src/core/hosts/host';
import { createLocalHost } from '../../src/core/hosts/local-host';
import type { Operation } from '../../src/core/operation';

/**
 * Another machine, for code that has to know which one it works on: each of its paths lies below a folder of this machine, so that a
 * file that is written on the wrong host is missing where it is looked for. Confined programs see its own paths; the administrator's
 * commands, which run unconfined, name the mapped ones themselves.
 */
export class MappedHost implements Host {
  private readonly real: Host;

  /** `folder`: where its root lies here. */
  constructor(
    readonly name: string,
    private readonly folder: string,
  ) {
    this.real = createLocalHost({ name });
  }

  account(): Promise<HostAccount> {
    return this.real.account();
  }

  /** Where a path of this host lies on the machine. There is one kernel, and what it tells is at one place. */
  at(path: string): string {
    return path.startsWith('/proc/') ? path : join(this.folder, path);
  }

  run(command: Command): Promise<Completed> {
    // Descriptors of this process are nothing that another machine could be handed.
    if ('inputFile' in command || 'outputFile' in command) throw new Error(`${this.name} is another machine`);
    if (command.sandbox === undefined) return this.real.run(command);
    const { readOnly = [], writable = [] } = command.sandbox;
    const mapped = ({ from, to = from }: Bind): Bind => ({ from: this.at(from), to });
    return this.real.run({
      ...command,
      sandbox: { ...command.sandbox, readOnly: readOnly.map(mapped), writable: writable.map(mapped) },
    });
  }

  limitMeans(): Promise<LimitMeans> {
    return this.real.limitMeans();
  }

  endProcesses(mark: string): Promise<number> {
    return this.real.endProcesses(mark);
  }

  listMarks(): Promise<string[]> {
    return this.real.listMarks();
  }

  endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number> {
    return this.real.endSocketHolders(sockets, uid);
  }

  /** Its sockets are its own; its ports are those of this machine. */
  connectTo(address: SocketAddress, signal: AbortSignal): Promise<Duplex> {
    const mapped = 'socketPath' in address ? { socketPath: this.at(address.socketPath) } : address;
    return this.real.connectTo(mapped, signal);
  }

  now(): Promise<number> {
    return this.real.now();
  }

  readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return this.real.readFile(this.at(path), maximumBytes);
  }

  readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return this.real.readTrustedFile(this.at(path), maximumBytes);
  }

  assertTrusted(path: string): Promise<void> {
    return this.real.assertTrusted(this.at(path));
  }

  writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    return this.real.writeFile(this.at(path), content, attributes);
  }

  status(path: string): Promise<FileStatus | undefined> {
    return this.real.status(this.at(path));
  }

  async realPath(path: string): Promise<string | null> {
    const found = await this.real.realPath(this.at(path));
    return found === null ? null : this.back(found);
  }

  list(path: string): Promise<string[]> {
    return this.real.list(this.at(path));
  }

  makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    return this.real.makeFolder(this.at(path), attributes);
  }

  rename(from: string, to: string): Promise<void> {
    return this.real.rename(this.at(from), this.at(to));
  }

  removeFile(path: string): Promise<void> {
    return this.real.removeFile(this.at(path));
  }

  removeTree(path: string, operation: Operation): Promise<void> {
    return this.real.removeTree(this.at(path), operation);
  }

  withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    return this.real.withLock(this.at(path), operation, work);
  }

  freeSpace(path: string): Promise<FreeSpace> {
    return this.real.freeSpace(this.at(path));
  }

  async mountsBelow(path: string): Promise<string[]> {
    const found = (await this.real.mountsBelow(this.at(path))).map((point) => this.back(point));
    return path === '/' ? [...found, '/proc'] : found;
  }

  lookUpOwner(user: string): Promise<Owner> {
    return this.real.lookUpOwner(user);
  }

  private back(path: string): string {
    return path.startsWith(`${this.folder}/`) ? path.slice(this.folder.length) : path;
  }
}
