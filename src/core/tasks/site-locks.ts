import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';

/**
 * One lock a site, among all processes of the master: worker, a second worker, a command. Held for the moments in which a
 * decision and what follows from it must be one: the switch, the commit, taking a site over by hand. The kernel gives it
 * up when its holder dies.
 */
export class SiteLocks {
  constructor(
    private readonly folder: string,
    private readonly master: Host,
  ) {}

  /** Waits for the lock and does `work` under it. @throws the signal's reason; whatever `work` throws */
  async hold<T>(site: string, operation: Operation, work: () => Promise<T>): Promise<T> {
    await this.master.makeFolder(this.folder, { mode: 0o700 });
    const release = new PassThrough();
    let told = (): void => undefined;
    const held = new Promise<void>((resolve) => (told = resolve));
    const output = new Writable({
      write(_chunk, _encoding, done) {
        told();
        done();
      },
    });
    const holding = this.master.run({
      argv: ['flock', '--exclusive', join(this.folder, `${site}.lock`), 'sh', '-c', 'echo held; exec cat'],
      input: release,
      output,
      operation,
    });
    try {
      await Promise.race([held, holding]);
      return await work();
    } finally {
      release.end();
      // It ended early only when it was cancelled, which `work` has been told too.
      await holding.catch(() => undefined);
    }
  }
}
