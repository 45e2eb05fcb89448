import type { FileHandle } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { KedgeError } from '../../contract/errors';
import type { Owner } from '../../contract/target';
import { assertTrusted, ownUid, readTrustedFile } from '../../trust/trusted-path';
import type { Operation } from '../operation';
import { lookUpAccount } from './accounts';
import { connectSocket } from './connect-socket';
import { diskFullOr } from './disk-full';
import { writeFileDurably } from './durable-file';
import {
  freeSpaceOf,
  makeFolders,
  namesIn,
  openForReading,
  openForWriting,
  readSmallFile,
  removeOne,
  renameWithoutReplacing,
  splitPath,
} from './files';
import { isMissing, statusOf } from './file-status';
import type { Completed, FileAttributes, FileStatus, FreeSpace, HostAccount, LimitMeans, SocketAddress } from './host';
import { withKernelLock } from './kernel-lock';
import { type Limiter, limiterFor } from './limiter';
import type { MasterCommand, MasterHost } from './master-host';
import { readMountPointsBelow } from './mounts';
import { realPathOf } from './real-path';
import { endMarkedProcesses, endSocketHolders, listMarks } from './processes';
import { type RunGuard, run } from './run';

/** This machine, for who decides what may be done on it. */
export interface GuardedMachine extends MasterHost {
  /** As `run`, held to what guards it. */
  runGuarded(command: MasterCommand, guard: RunGuard): Promise<Completed>;
}

/** This machine as a host. What limits its programs is the best there is, or no better than `atBest`. */
export function createLocalHost(options: { name: string; atBest?: LimitMeans }): GuardedMachine {
  const uid = ownUid();
  return new LocalHost(options.name, uid, () => limiterFor(uid === 0, options.atBest));
}

class LocalHost implements GuardedMachine {
  constructor(
    readonly name: string,
    private readonly uid: number,
    private readonly limiter: () => Promise<Limiter>,
  ) {}

  async account(): Promise<HostAccount> {
    return { uid: this.uid, privileged: this.uid === 0 };
  }

  async run(command: MasterCommand): Promise<Completed> {
    return run(command, { server: this.name, uid: this.uid, limiter: this.limiter });
  }

  async runGuarded(command: MasterCommand, guard: RunGuard): Promise<Completed> {
    return run(command, { server: this.name, uid: this.uid, limiter: this.limiter, guard });
  }

  async limitMeans(): Promise<LimitMeans> {
    return (await this.limiter()).means;
  }

  async endProcesses(mark: string): Promise<number> {
    const inGroups = (await (await this.limiter()).groups?.end(mark)) ?? 0;
    return inGroups + (await endMarkedProcesses(mark, this.name));
  }

  listMarks(): Promise<string[]> {
    return listMarks();
  }

  openForReading(path: string): Promise<FileHandle> {
    return openForReading(path);
  }

  openForWriting(path: string): Promise<FileHandle> {
    return openForWriting(path, this.name);
  }

  endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number> {
    return endSocketHolders(sockets, uid, this.name);
  }

  connectTo(address: SocketAddress, signal: AbortSignal): Promise<Duplex> {
    return connectSocket(address, this, signal);
  }

  async now(): Promise<number> {
    return Date.now();
  }

  readFile(path: string, maximumBytes?: number): Promise<Buffer> {
    return readSmallFile(path, this.name, maximumBytes);
  }

  async readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer> {
    try {
      return readTrustedFile(path, maximumBytes);
    } catch (error) {
      if (!isMissing(error as NodeJS.ErrnoException)) throw error;
      throw new KedgeError('FileRefused', `${path} on ${this.name} does not exist`, { server: this.name });
    }
  }

  async assertTrusted(path: string): Promise<void> {
    assertTrusted(path);
  }

  async writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void> {
    await this.writing(writeFileDurably(path, content, attributes));
  }

  realPath(path: string): Promise<string | null> {
    return realPathOf(path);
  }

  status(path: string): Promise<FileStatus | undefined> {
    return statusOf(path);
  }

  list(path: string): Promise<string[]> {
    return namesIn(path);
  }

  async makeFolder(path: string, attributes: FileAttributes): Promise<void> {
    await this.writing(makeFolders(path, attributes, this.name));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.writing(renameWithoutReplacing(from, to, this.name));
  }

  removeFile(path: string): Promise<void> {
    return removeOne(path);
  }

  async removeTree(path: string, operation: Operation): Promise<void> {
    if ((await statusOf(path)) === undefined) return;
    const { parent, name } = splitPath(path);
    await this.run({
      argv: ['rm', '-rf', '--one-file-system', '--', `/folder/${name}`],
      sandbox: { writable: [{ from: parent, to: '/folder' }], capabilities: ['DAC_OVERRIDE', 'FOWNER'] },
      operation,
    });
    if ((await statusOf(path)) === undefined) return;
    throw new KedgeError('FileRefused', `${path} on ${this.name} could not be removed`, {
      server: this.name,
      hint: 'Is another file system mounted below it, or a file immutable?',
    });
  }

  withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    return withKernelLock(path, this, operation, () => work());
  }

  freeSpace(path: string): Promise<FreeSpace> {
    return freeSpaceOf(path);
  }

  mountsBelow(path: string): Promise<string[]> {
    return readMountPointsBelow(path);
  }

  lookUpOwner(user: string): Promise<Owner> {
    return lookUpAccount(this, user);
  }

  private async writing<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      throw diskFullOr(error, this.name);
    });
  }
}
