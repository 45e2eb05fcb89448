import type { Duplex, Readable, Writable } from 'node:stream';
import type { Owner, VhostSite } from '../../contract/target';
import type { Operation } from '../operation';

/** A folder or file of the host that a sandbox shows. */
export interface Bind {
  /**
   * Path on the host. What it leads to is opened once, and that is shown. Links on the way are followed where only root
   * or the worker's user can have laid them; others, and what is swapped meanwhile, are FileRefused.
   */
  readonly from: string;
  /** Path in the sandbox. Default: the same. Inside another bind only where no untrusted account can write to that. */
  readonly to?: string;
}

export type Capability = 'CHOWN' | 'FOWNER' | 'FSETID' | 'DAC_OVERRIDE' | 'DAC_READ_SEARCH' | 'SETFCAP';

/**
 * What a confined program can reach: the system's programs read-only, an empty /tmp, and what is listed here.
 * Everything else does not exist for it, so a symlink or a rename has nowhere to lead.
 */
export interface Sandbox {
  readonly readOnly?: readonly Bind[];
  readonly writable?: readonly Bind[];
  /** Default false. */
  readonly network?: boolean;
  /**
   * Capabilities kept while the program runs as the worker's user; where that is not root, over its own files only.
   * Default none. Ignored with `owner`.
   */
  readonly capabilities?: readonly Capability[];
  readonly workingFolder?: string;
}

/** A confined program is held to all of them, whether they are given or not; an unconfined one to the first two. */
export interface Limits {
  /** The program is ended after this many ms: ProgramTimedOut, or ProgramLimitReached when it runs as an owner. */
  readonly timeoutMs?: number;
  /**
   * Bytes of captured standard output, and of the result wherever it goes, each. More ends the program: ProgramLimitReached. Default 1 MiB.
   * Of standard error the last 8 KiB are kept, whatever the limit.
   */
  readonly captureBytes?: number;
  /**
   * Memory of all its processes, /tmp and /dev/shm included; where the host has no control groups of each process alone,
   * see {@link LimitMeans}. Default 4 GiB, or half of what the machine has.
   */
  readonly memoryBytes?: number;
  /** Processes and threads at one time. Default 512. */
  readonly processes?: number;
  /** Largest file it may write. Default: none. */
  readonly fileBytes?: number;
  /** What fits into the /tmp of the sandbox. Default 256 MiB; /dev/shm takes 16 MiB. */
  readonly temporaryBytes?: number;
}

/**
 * What holds a sandbox to its limits on memory and processes, best first:
 * `control-group` counts all of it as one; `user-namespace` limits the memory of each process alone, and counts the
 * processes of the sandbox; `account` counts the processes of the owner wherever they run, so that he can use them up.
 */
export type LimitMeans = 'control-group' | 'user-namespace' | 'account';

export interface Command {
  /** Program and arguments. Never a shell line, never a secret. */
  readonly argv: readonly [string, ...string[]];
  /** Without: runs unconfined as the worker's user; for the admin's own commands only (`nginx -t`). */
  readonly sandbox?: Sandbox;
  /** Runs the program as this account, without any capability. Needs `sandbox`. */
  readonly owner?: Owner;
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input. Default: empty. When it fails the program is ended. */
  readonly input?: Readable | string | Buffer;
  /** Standard output goes here, with back-pressure, and is ended. Default: captured. */
  readonly output?: Writable;
  /**
   * Is shown all of standard error as it comes, of which the last 8 KiB alone are kept. Does not throw. The next piece comes when
   * what it returns has resolved.
   */
  readonly onErrorOutput?: (chunk: Buffer) => Promise<void> | void;
  /** Text the program reads at {@link SECRET_PATH}: never in argv, environment or a named file. */
  readonly secret?: string;
  /** Capture what the program writes to {@link RESULT_DESCRIPTOR}, apart from its standard output. */
  readonly wantsResult?: boolean;
  /** What `wantsResult` asks for goes here, with back-pressure, and is ended. Default: captured. */
  readonly resultOutput?: Writable;
  readonly limits?: Limits;
  /** Exit codes that are no error. Default [0]. */
  readonly acceptExitCodes?: readonly number[];
  readonly operation: Operation;
}

/** Where a program finds `Command.secret`. Seekable: the MariaDB clients refuse a pipe or socket here. */
export const SECRET_PATH = '/dev/fd/3';
export const RESULT_DESCRIPTOR = 4;

export interface Completed {
  readonly exitCode: number;
  /** Empty when the output went elsewhere. */
  readonly stdout: string;
  readonly stderr: string;
  /** Empty when it was not wanted, or went elsewhere. */
  readonly result: Buffer;
}

export interface FileStatus {
  readonly type: 'file' | 'folder' | 'link' | 'other';
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, including setuid, setgid and sticky. */
  readonly mode: number;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly device: number;
}

export interface FreeSpace {
  readonly bytes: number;
  /** Null where the file system does not count inodes. */
  readonly inodes: number | null;
  /** Mounted so, or since it failed. */
  readonly readOnly: boolean;
}

export interface FileAttributes {
  /** Permission bits. */
  readonly mode: number;
  /** Default: the worker's user. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Where something listens, as a host reaches it. */
export type SocketAddress =
  | { readonly socketPath: string }
  /** An address, or a name, which the host looks up. */
  | { readonly host: string; readonly port: number };

/** Who the worker is on a host. */
export interface HostAccount {
  readonly uid: number;
  /** True when that is root. */
  readonly privileged: boolean;
}

/** A file of a site in the folder of vhosts, as a host is asked for it that renders it itself. */
export interface VhostFileRequest {
  readonly path: string;
  readonly site: VhostSite;
  /** Of the text that is to be there afterwards, in hex; null where the file is to be gone. */
  readonly sha256: string | null;
}

/**
 * A server as the work sees it. One implementation is this machine; others reach theirs by SSH. The contract suite
 * (test/core/hosts) runs over each. No method follows a symlink at the last component of a path. For paths that an
 * untrusted account can change meanwhile there are `run`, `makeFolder`, `rename` and `removeTree`; `status` and other
 * looks may tell of something else there, and the rest is for folders that only root or the worker's user can change.
 */
export interface Host {
  readonly name: string;
  /** The account the worker acts as there: of another machine that is known once it was reached. @throws KedgeError when it cannot be */
  account(): Promise<HostAccount>;

  /**
   * Runs a program and waits for it. When it returns or throws, no process of it lives on; only an unconfined one that
   * ends by itself may leave a daemon in a session of its own, as the restart of a server does.
   * @throws KedgeError ProgramMissing, ProgramFailed (message holds the end of standard error), ProgramTimedOut,
   *   ProgramLimitReached, ProgramKilled when something else than Kedge and its limits ended it (nobody may take that for
   *   a fault of what the program worked on), SandboxUnavailable, FileRefused (see {@link Bind.from}); the signal's reason
   *   when cancelled.
   */
  run(command: Command): Promise<Completed>;
  /** What limits programs here; found out once. */
  limitMeans(): Promise<LimitMeans>;
  /**
   * Ends every process whose mark is `mark` or starts with `mark` + `/`, and waits until they are gone. Returns how many.
   * Processes of other accounts than the worker's are none of Kedge's, whatever mark they carry.
   */
  endProcesses(mark: string): Promise<number>;
  /** Marks of every process of the worker's account that carries one, each once. */
  listMarks(): Promise<string[]>;
  /** Ends every process of an account that has one of these sockets open, by their inodes. Returns how many. */
  endSocketHolders(sockets: ReadonlySet<number>, uid: number): Promise<number>;

  /**
   * Connects to whoever listens there, from this host: its files, its loopback addresses, its names. The stream holds up whoever
   * sends faster than the other end takes, either way, and each end may be ended alone (`allowHalfOpen`, to be set to false at once by
   * who wants to end with the other). It is destroyed when the signal is aborted, with the reason, and when this host is lost, with
   * HostUnreachable; an error that nobody listens for does no harm. Who asked for it destroys it.
   * @throws the error of the system there, with its `code` (ECONNREFUSED, ENOENT, ENOTFOUND, …) and the name of this host as `server`:
   *   the caller knows what it means that nobody listens; KedgeError HostUnreachable when this host itself is not reached; the
   *   signal's reason
   */
  connectTo(address: SocketAddress, signal: AbortSignal): Promise<Duplex>;

  /** The time by the clock of this host, ms since 1970, which times of its files are told by. */
  now(): Promise<number>;

  /** @throws KedgeError FileRefused when missing, no regular file, or larger than `maximumBytes`. */
  readFile(path: string, maximumBytes?: number): Promise<Buffer>;
  /** A file that nobody but root and the worker can have written or laid there. @throws KedgeError OwnerRefused; as `readFile` */
  readTrustedFile(path: string, maximumBytes?: number): Promise<Buffer>;
  /**
   * Sees to it that nobody but root and the worker can have written a file, or laid what is in a folder, that another program
   * reads or runs with rights that sites do not have. Nothing happens when it is missing.
   * @throws KedgeError OwnerRefused
   */
  assertTrusted(path: string): Promise<void>;
  /** Durable and atomic: temporary name in the same folder, fsync, rename, fsync of the folder. */
  writeFile(path: string, content: string | Buffer, attributes: FileAttributes): Promise<void>;
  /**
   * Sees to a file of a site in the folder of vhosts where no text of a configuration is taken from elsewhere: it holds what this host renders for the
   * site, or what it held before. A host without it has such files written by `writeFile`.
   * @throws KedgeError HostRefused when neither has this digest, or a value of the site is none that may stand there; ConfigurationInvalid
   */
  putVhostFile?(request: VhostFileRequest): Promise<void>;
  /** Undefined when nothing is there. Describes a link itself. */
  status(path: string): Promise<FileStatus | undefined>;
  /** Where a path leads, every link on it followed, also where nothing is there any more; null for links in a circle. */
  realPath(path: string): Promise<string | null>;
  /** Names in a folder, sorted; empty when the folder is missing. */
  list(path: string): Promise<string[]>;
  /** Makes the folder and missing parents, all with these attributes; keeps what exists. Durable. */
  makeFolder(path: string, attributes: FileAttributes): Promise<void>;
  /** Renames within one file system, then fsyncs both folders. Never replaces anything: FileRefused when `to` exists. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or link; nothing happens when it is missing. Durable. */
  removeFile(path: string): Promise<void>;
  /** `rm -rf --one-file-system` in a sandbox that shows only the parent. Nothing happens when it is missing. */
  removeTree(path: string, operation: Operation): Promise<void>;
  /**
   * Does `work` while no other process does work under the lock of this file on this host, whoever's master it is. The file is made
   * where it is missing, and stays. A holder that does not run any more is ended, see `withKernelLock`; nobody takes a lock twice.
   * @throws KedgeError DiskFull, ProgramTimedOut when a holder cannot be ended; the signal's reason; whatever `work` throws
   */
  withLock<T>(path: string, operation: Operation, work: () => Promise<T>): Promise<T>;
  freeSpace(path: string): Promise<FreeSpace>;
  /** Mount points at and below a path. */
  mountsBelow(path: string): Promise<string[]>;
  /** @throws KedgeError ConfigurationInvalid for an unknown account. */
  lookUpOwner(user: string): Promise<Owner>;
}
