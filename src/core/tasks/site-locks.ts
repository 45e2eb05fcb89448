import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { MasterHost, OpenFile } from '../hosts/master-host';
import { type LockWait, withKernelLock } from '../hosts/kernel-lock';
import type { Operation } from '../operation';

/** What whoever holds a site's lock works with. */
export interface LockHold {
  /** Aborts when the operation is cancelled, and when the lock is given back. */
  readonly signal: AbortSignal;
  /**
   * The name under which statements under this lock go to a database server, one connection at a time: known to nobody but
   * who can read the state.
   */
  readonly name: string;
}

/**
 * One lock a site, among all processes of the master: worker, a second worker, a command. Held for the moments in which a
 * decision and what follows from it must be one: whatever visitors notice. Its holder has it until it gives it back or dies,
 * also while it is stopped; a successor ends a holder that does not run any more (see `withKernelLock`).
 */
export class SiteLocks {
  constructor(
    private readonly folder: string,
    private readonly master: MasterHost,
    private readonly defaults: LockWait = {},
  ) {}

  /** The same locks, for who waits for them otherwise. */
  waiting(wait: LockWait): SiteLocks {
    return new SiteLocks(this.folder, this.master, { ...this.defaults, ...wait });
  }

  /** The same locks, for who waits for a holder that runs for as long as anything under a lock may take. */
  patient(): SiteLocks {
    const { patienceMs: _mine, ...others } = this.defaults;
    return new SiteLocks(this.folder, this.master, others);
  }

  /**
   * Waits for the lock and does `work` under it: nobody else's work for the site is under way then, and what was begun before is
   * never gone on with by a process that was stopped in it. `wait` says how long a holder that runs is waited for.
   * @throws the signal's reason; whatever `work` throws; KedgeError ProgramTimedOut, OwnerRefused for a holder that cannot be ended
   */
  async hold<T>(
    site: string,
    operation: Operation,
    work: (hold: LockHold) => Promise<T>,
    wait: LockWait = {},
  ): Promise<T> {
    await this.master.makeFolder(this.folder, { mode: 0o700 });
    const path = join(this.folder, `${site}.lock`);
    const held = async (file: OpenFile): Promise<T> => {
      const end = new AbortController();
      try {
        const name = await nameIn(file);
        return await work({ signal: AbortSignal.any([operation.signal, end.signal]), name });
      } finally {
        // What was opened under it ends with it.
        end.abort(new Error(`the lock of ${site} was given back`));
      }
    };
    return withKernelLock(path, this.master, operation, held, { ...this.defaults, ...wait });
  }
}

const NAME_BYTES = 16;

/** What the file of the lock says; made up by whoever holds it first. */
async function nameIn(file: OpenFile): Promise<string> {
  const length = 2 * NAME_BYTES;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  const known = buffer.subarray(0, bytesRead).toString('latin1');
  if (bytesRead === length && /^[0-9a-f]+$/.test(known)) return known;
  const name = randomBytes(NAME_BYTES).toString('hex');
  await file.truncate(0);
  await file.write(name, 0);
  return name;
}
