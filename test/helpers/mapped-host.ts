import { join } from 'node:path';
import type {
  Command,
  Completed,
  FileAttributes,
  FileStatus,
  FreeSpace,
  LimitMeans,
  Sandbox,
} from '../../src/core/hosts/host';
import { createLocalHost } from '../../src/core/hosts/local-host';
import type { MasterCommand, MasterHost, OpenFile } from '../../src/core/hosts/master-host';
import type { Owner } from '../../src/contract/target';
import type { Operation } from '../../src/core/operation';

/**
 * A host that has every path below a folder of its own: what code means for another host is not there, as on a machine of its own.
 * Programs see what a sandbox shows at the paths it says; unconfined ones, which are the administrator's, name paths of this machine
 * themselves. Paths below the folder are taken as they are: the master's own files are opened by this process too. Processes of
 * other such hosts are none of this one's.
 */
export class MappedHost implements MasterHost {
  private readonly local: MasterHost;

  constructor(
    readonly name: string,
    readonly folder: string,
  ) {
    this.local = createLocalHost({ name });
  }

  get uid(): number {
    return this.local.uid;
  }

  get privileged(): boolean {
    return this.local.privileged;
  }

  /** Where a path of this host lies on the machine. */
  real(path: string): string {
    return path === this.folder || path.startsWith(`${this.folder}/`) ? path : join(this.folder, path);
  }

  run(command: MasterCommand): Promise<Completed> {
    return this.local.run({
      ...command,
      ...(command.sandbox === undefined ? {} : { sandbox: this.mapped(command.sandbox) }),
      operation: { ...command.operation, mark: this.marked(command.operation.mark) },
    } satisfies Command);
  }

  limitMeans(): Promise<LimitMeans> {
    return this.local.limitMeans();
  }

  endProcesses(mark: string): Promise<number> {
    return this.local.endProcesses(this.marked(mark));
  }

  async listMarks(): Promise<string[]> {
    const own = this.marked('');
    return (await this.local.listMarks()).filter((mark) => mark.startsWith(own)).map((mark) => mark.slice(own.length));
  }

  endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number> {
    return this.local.endSocketHolders(sockets, uid);
  }

  openForReading(path: string): Promise<OpenFile> {
    return this.local.openForReading(this.real(path));
  }

  openForWriting(path: string): Promise<OpenFile> {
    return this.local.openForWriting(this.real(path));
  }

  async readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    // The kernel is no file of the host's: it tells sockets by the paths of the machine.
    if (!path.startsWith('/proc/')) return this.local.readFile(this.real(path), maximumBytes);
    const text = (await this.local.readFile(path, maximumBytes)).toString('latin1');
    return Buffer.from(text.replaceAll(`${this.folder}/`, '/'), 'latin1');
  }

  readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return this.local.readTrustedFile(this.real(path), maximumBytes);
  }

  assertTrusted(path: string): Promise<void> {
    return this.local.assertTrusted(this.real(path));
  }

  writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    return this.local.writeFile(this.real(path), content, attributes);
  }

  status(path: string): Promise<FileStatus | undefined> {
    return this.local.status(this.real(path));
  }

  async realPath(path: string): Promise<string | null> {
    const found = await this.local.realPath(this.real(path));
    return found === null || path.startsWith(this.folder) ? found : this.seen(found);
  }

  list(path: string): Promise<string[]> {
    return this.local.list(this.real(path));
  }

  makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    return this.local.makeFolder(this.real(path), attributes);
  }

  rename(from: string, to: string): Promise<void> {
    return this.local.rename(this.real(from), this.real(to));
  }

  removeFile(path: string): Promise<void> {
    return this.local.removeFile(this.real(path));
  }

  removeTree(path: string, operation: Operation): Promise<void> {
    return this.local.removeTree(this.real(path), { ...operation, mark: this.marked(operation.mark) });
  }

  withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    return this.local.withLock(this.real(path), { ...operation, mark: this.marked(operation.mark) }, work);
  }

  freeSpace(path: string): Promise<FreeSpace> {
    return this.local.freeSpace(this.real(path));
  }

  async mountsBelow(path: string): Promise<string[]> {
    return (await this.local.mountsBelow(this.real(path))).map((point) => this.seen(point));
  }

  lookUpOwner(user: string): Promise<Owner> {
    return this.local.lookUpOwner(user);
  }

  private seen(real: string): string {
    return real.startsWith(`${this.folder}/`) ? real.slice(this.folder.length) : real;
  }

  private marked(mark: string): string {
    return `${this.name}:${mark}`;
  }

  private mapped({ readOnly, writable, ...rest }: Sandbox): Sandbox {
    const map = (binds: Sandbox['readOnly']) =>
      binds && { binds: binds.map(({ from, to }) => ({ from: this.real(from), to: to ?? from })) };
    const [shown, changed] = [map(readOnly), map(writable)];
    return { ...rest, ...(shown && { readOnly: shown.binds }), ...(changed && { writable: changed.binds }) };
  }
}
