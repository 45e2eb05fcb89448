import type { Readable, Writable } from 'node:stream';

/** What a command is given of the process it runs in. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly environment: Record<string, string | undefined>;
  readonly workingFolder: string;
  /** Somebody sits in front of it: questions can be asked, lines redrawn. */
  readonly isTerminal: boolean;
}

export interface GlobalOptions {
  config?: string;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}
