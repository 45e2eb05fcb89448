import { appendFile, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import { siteOfTask } from '../../contract/names';
import { ToldWarnings } from '../../contract/payload-bounds';
import { printable, printableJson } from '../../contract/printable';
import type { Log } from '../operation';

export const taskLogLineSchema = z.looseObject({
  time: z.string(),
  level: z.enum(['info', 'warning', 'error']),
  step: z.string(),
  message: z.string(),
});
export type TaskLogLine = z.infer<typeof taskLogLineSchema>;

/** The logs of tasks, `<state>/tasks/<task>.ndjson`: a line each. What a message or field says is redacted before it is written. */
export class TaskLogs {
  constructor(
    private readonly folder: string,
    private readonly redact: <T>(value: T, site: string | null) => T,
  ) {}

  /** A log for one step; `told` collects what was warned about. A message of any length is in it, in several lines if need be. */
  of(
    task: string,
    step: string,
    attempt: number,
  ): Log & { readonly told: ToldWarnings; error(message: string): void; settled(): Promise<void> } {
    const told = new ToldWarnings();
    const site = siteOfTask(task) ?? null;
    let writing: Promise<void> = Promise.resolve();
    const write = (level: TaskLogLine['level'], message: string, fields?: Record<string, unknown>): void => {
      const { event, ...others } = fields ?? {};
      const [first = '', ...rest] = piecesOf(this.redact(message, site));
      const frame = { time: new Date().toISOString(), level, step, attempt };
      const line = {
        ...this.redact(others, site),
        ...(event === undefined ? {} : { event }),
        ...{ ...frame, message: first },
      };
      const lines = [line, ...rest.map((piece) => ({ ...frame, message: `… ${piece}` }))];
      writing = writing.then(async () => {
        for (const each of lines) await this.append(task, each);
      });
    };
    return {
      told,
      info: (message, fields) => write('info', message, fields),
      warn: (message, fields) => {
        told.add(printable(this.redact(message, site)));
        write('warning', message, fields);
      },
      error: (message) => write('error', message),
      settled: () => writing,
    };
  }

  /**
   * Lines of a log from a byte offset on, of at most so many bytes, and the offset after them. A line not yet whole is left
   * for the next call; one that cannot be read is there as it stands, as a warning.
   */
  async read(
    task: string,
    offset = 0,
    maximumBytes = MAXIMUM_READ_BYTES,
  ): Promise<{ lines: TaskLogLine[]; next: number }> {
    const file = await open(this.pathOf(task), 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (!file) return { lines: [], next: offset };
    try {
      const size = (await file.stat()).size;
      const length = Math.max(0, Math.min(size - offset, maximumBytes));
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      const whole = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
      // Kedge writes none that long: waiting for its end would hide what comes behind it.
      const end = whole === 0 && bytesRead === maximumBytes ? bytesRead : whole;
      const texts = buffer.subarray(0, end).toString('utf8').split('\n').filter(Boolean);
      return { lines: texts.map(parseLine), next: offset + end };
    } finally {
      await file.close();
    }
  }

  /** Removes the log of a task that is forgotten. */
  async remove(task: string): Promise<void> {
    await rm(this.pathOf(task), { force: true });
  }

  private async append(task: string, line: object): Promise<void> {
    const path = this.pathOf(task);
    const text = `${printableJson(line)}\n`;
    try {
      await appendFile(path, text, { mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return reportUnwritable(path, error);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await appendFile(path, text, { mode: 0o600 }).catch((cause: unknown) => reportUnwritable(path, cause));
    }
  }

  private pathOf(task: string): string {
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(task))
      throw new KedgeError('TaskUnknown', `${JSON.stringify(task)} is no task id`);
    return join(this.folder, `${task}.ndjson`);
  }
}

const MAXIMUM_READ_BYTES = 1024 * 1024;
/** Characters of a line's message: a page that crosses Temporal holds any line. */
const LINE_CHARACTERS = 8 * 1024;
/** Of a line that cannot be read. */
const SHOWN_CHARACTERS = 500;

/** A log that cannot be written (disk full) does not fail the task, whose undo may be what makes room. */
function reportUnwritable(path: string, error: unknown): void {
  process.emitWarning(
    printable(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`),
    'KedgeTaskLog',
  );
}

function parseLine(text: string): TaskLogLine {
  try {
    return taskLogLineSchema.parse(JSON.parse(text));
  } catch {
    const message = `a line of the log cannot be read: ${text.slice(0, SHOWN_CHARACTERS)}`;
    return { time: '', level: 'warning', step: 'log', message };
  }
}

function piecesOf(message: string): string[] {
  if (message.length <= LINE_CHARACTERS) return [message];
  const pieces: string[] = [];
  for (let at = 0; at < message.length;) {
    let end = at + LINE_CHARACTERS;
    if (end < message.length) {
      const blank = message.lastIndexOf(' ', end - 1) + 1;
      // Between two words where there is a place, and within no character.
      if (blank > at + LINE_CHARACTERS / 2) end = blank;
      else if (/[\ud800-\udbff]/.test(message.charAt(end - 1))) end -= 1;
    }
    pieces.push(message.slice(at, end));
    at = end;
  }
  return pieces;
}
