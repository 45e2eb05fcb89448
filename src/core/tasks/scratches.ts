import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Host } from '../hosts/host';
import { identify, isRunning } from '../hosts/processes';
import { decode } from './state-file';

const noteSchema = z.strictObject({
  /** By its name in the configuration. */
  databaseServer: z.string(),
  database: z.string(),
  account: z.strictObject({ user: z.string(), hosts: z.array(z.string()) }),
  /** Folder of the master with what is imported. */
  folder: z.string(),
  by: z.strictObject({ pid: z.int(), started: z.string() }),
});

/** What a command makes on a database server and drops again. */
export type ScratchNote = Omit<z.infer<typeof noteSchema>, 'by'>;

const NOTE = '.json';

/**
 * Scratch databases of commands, which have no journal: each a file of `<state>/scratch`, written before there is a database, that
 * says which process made it.
 */
export class Scratches {
  constructor(
    private readonly folder: string,
    private readonly host: Host,
  ) {}

  /** This process makes it from now on. */
  async add(note: ScratchNote): Promise<void> {
    await this.host.makeFolder(this.folder, { mode: 0o700 });
    const by = (await identify(process.pid)) ?? { pid: process.pid, started: '' };
    await this.host.writeFile(this.pathOf(note), JSON.stringify({ ...note, by }), { mode: 0o600 });
  }

  /** Nothing of it is left. */
  async remove(note: Pick<ScratchNote, 'database'>): Promise<void> {
    await this.host.removeFile(this.pathOf(note));
  }

  /** Those of processes that have ended. @throws KedgeError StateInvalid */
  async left(): Promise<ScratchNote[]> {
    const found: ScratchNote[] = [];
    for (const name of await this.host.list(this.folder)) {
      if (!name.endsWith(NOTE) || name.startsWith('.')) continue;
      const path = join(this.folder, name);
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (text === null) continue;
      const { by, ...note } = decode(noteSchema, text, path);
      if (!(await isRunning(by))) found.push(note);
    }
    return found;
  }

  private pathOf({ database }: Pick<ScratchNote, 'database'>): string {
    return join(this.folder, `${database}${NOTE}`);
  }
}
