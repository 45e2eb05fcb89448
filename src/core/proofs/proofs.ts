import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../hosts/host';

/** What a server said to definitions: null when it took them, else why it did not. */
export type Verdict = string | null;

/**
 * What servers said to the definitions of backups, each a file of `<state>/proofs` by the digest of what decides about it: nobody
 * imports the same definitions twice to see whether the same server takes them. A file that is empty says that it does.
 */
export class Proofs {
  constructor(
    private readonly folder: string,
    private readonly host: Host,
  ) {}

  /** A name for definitions on a server as it is, and by what an account may reach. */
  static nameOf(definitions: string, conditions: string, lacking: readonly unknown[]): string {
    return createHash('sha256')
      .update(JSON.stringify([VERSION, definitions, conditions, lacking]))
      .digest('hex');
  }

  /** The file; whoever removes it has the server asked again. */
  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** Undefined where nobody has asked. */
  async find(name: string): Promise<Verdict | undefined> {
    try {
      return (await readFile(this.pathOf(name), 'utf8')) || null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async add(name: string, verdict: Verdict): Promise<void> {
    await this.host.makeFolder(this.folder, { mode: 0o700 });
    await this.host.writeFile(this.pathOf(name), verdict ?? '', { mode: 0o600 });
  }
}

/** Another one when an import is done in another way. */
const VERSION = 1;
