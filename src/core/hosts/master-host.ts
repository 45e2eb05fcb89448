import type { FileHandle } from 'node:fs/promises';
import type { Command, Completed, Host } from './host';

/** A file that this process has open. */
export type OpenFile = FileHandle;

/** A program that is handed files which this process has open. */
export interface MasterCommand extends Command {
  /** Standard input instead of `input`: the program reads the open file itself, from its position on. */
  readonly inputFile?: OpenFile;
  /** Standard output instead of `output`: the program writes to the open file itself. */
  readonly outputFile?: OpenFile;
}

/**
 * The machine that this process runs on: its files can be opened here, and its programs can be handed what is open. It has the
 * backups and the state, it alone packs and unpacks archives, and its kernel has the locks.
 */
export interface MasterHost extends Host {
  /** As {@link Host.run}. */
  run(command: MasterCommand): Promise<Completed>;
  /** Opens a file, never through a link as its last component, nor waiting for who writes to a pipe. @throws the system's error */
  openForReading(path: string): Promise<OpenFile>;
  /** Opens a file of the worker's own for writing, made anew, for nobody else. @throws KedgeError DiskFull */
  openForWriting(path: string): Promise<OpenFile>;
}
