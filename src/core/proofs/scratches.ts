import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DocumentKind } from '../../contract/documents-on-disk';
import type { Host } from '../hosts/host';
import { identify, isRunning } from '../hosts/processes';
import { decode, isUnreadable } from '../tasks/state-file';

const noteSchema = z.strictObject({
  version: z.literal(1),
  /** By its name in the configuration. */
  databaseServer: z.string(),
  database: z.string(),
  account: z.strictObject({ user: z.string(), hosts: z.array(z.string()) }),
  /** Folder of the master with what is imported. */
  folder: z.string(),
  by: z.strictObject({ pid: z.int(), started: z.string() }),
});

/** What a command makes on a database server and drops again. */
export type ScratchNote = Omit<z.infer<typeof noteSchema>, 'by' | 'version'>;

/** The first ones had no version. */
export const SCRATCH_NOTE: DocumentKind<z.infer<typeof noteSchema>> = {
  name: 'note of a scratch database',
  key: 'version',
  version: 1,
  schema: noteSchema,
  unnumbered: 1,
};

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
    await this.host.writeFile(this.pathOf(note), JSON.stringify({ version: 1, ...note, by }), { mode: 0o600 });
  }

  /** Nothing of it is left. */
  async remove(note: Pick<ScratchNote, 'database'>): Promise<void> {
    await this.host.removeFile(this.pathOf(note));
  }

  /** Those of processes that have ended, and what is wrong with those that cannot be read, a sentence each. */
  async left(): Promise<{ readonly notes: ScratchNote[]; readonly problems: string[] }> {
    const notes: ScratchNote[] = [];
    const problems: string[] = [];
    for (const name of await this.host.list(this.folder)) {
      if (!name.endsWith(NOTE) || name.startsWith('.')) continue;
      const path = join(this.folder, name);
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (text === null) continue;
      try {
        const { by, version: _, ...note } = decode(SCRATCH_NOTE, text, path);
        if (!(await isRunning(by))) notes.push(note);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        problems.push(error.message);
      }
    }
    return { notes, problems };
  }

  private pathOf({ database }: Pick<ScratchNote, 'database'>): string {
    return join(this.folder, `${database}${NOTE}`);
  }
}
