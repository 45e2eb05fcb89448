import Table from 'cli-table3';
import ora, { type Ora } from 'ora';
import { createColors } from 'picocolors';
import type { GlobalOptions, Io } from '../io';
import { printable, printableJson, printableLines } from '../../contract/printable';
import { errorDocument, errorLines } from './errors';

/**
 * The one way commands speak. With --json stdout holds one document and all else goes to stderr; on a terminal what runs
 * now stands in a line that is redrawn. Whatever a line says, it stays one line, and the terminal obeys nothing in it
 * but the printer's own colours; JSON says the same with escapes.
 */
export class Printer {
  readonly colors: ReturnType<typeof createColors>;
  private spinner: Ora | null = null;

  constructor(
    private readonly io: Io,
    private readonly options: GlobalOptions,
  ) {
    this.colors = createColors(io.isTerminal && io.environment['NO_COLOR'] === undefined);
  }

  /** The document of a command: JSON with --json, else the lines for people. */
  result(document: unknown, lines: readonly string[]): void {
    this.colouredResult(document, lines.map(printable));
  }

  /** As {@link result}, of lines with colours, whose maker has made printable what is not our own text. */
  colouredResult(document: unknown, lines: readonly string[]): void {
    this.idle();
    if (this.options.json) this.io.stdout.write(`${printableJson(document, 2)}\n`);
    else for (const line of lines) this.io.stdout.write(`${line}\n`);
  }

  /** One document a line, for what has no end (`log -f --json`). */
  jsonLine(document: unknown): void {
    this.io.stdout.write(`${printableJson(document)}\n`);
  }

  /** A line about what goes on. */
  note(line: string): void {
    this.marked('', line);
  }

  detail(line: string): void {
    if (this.options.verbose) this.note(line);
  }

  warn(line: string): void {
    this.idle();
    this.io.stderr.write(`${this.colors.yellow('warning:')} ${printable(line)}\n`);
  }

  done(line: string): void {
    this.marked(`${this.colors.green('✓')} `, line);
  }

  /** As {@link done}, of what did not go well. */
  failed(line: string): void {
    this.marked(`${this.colors.red('✗')} `, line);
  }

  /** What runs now; only a terminal shows it. */
  running(line: string): void {
    if (!this.io.isTerminal || this.options.quiet || this.options.json) return;
    this.spinner ??= ora({ stream: process.stderr, discardStdin: false });
    this.spinner.text = printable(line);
    if (!this.spinner.isSpinning) this.spinner.start();
  }

  idle(): void {
    this.spinner?.stop();
  }

  failure(error: unknown): void {
    this.idle();
    if (this.options.json) this.io.stdout.write(`${printableJson(errorDocument(error), 2)}\n`);
    for (const line of errorLines(error, this.colors)) this.io.stderr.write(`${line}\n`);
    if (!this.options.verbose || !(error instanceof Error)) return;
    for (const line of printableLines(error.stack ?? '')) this.io.stderr.write(`${line}\n`);
  }

  /** A table as lines, without frame. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
    const blank = {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
    };
    const inner = { left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };
    const table = new Table({
      head: [...head],
      chars: { ...blank, ...inner },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    });
    for (const row of rows) table.push(row.map(printable));
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd());
  }

  private marked(mark: string, line: string): void {
    if (this.options.quiet) return;
    this.idle();
    this.io.stderr.write(`${mark}${printable(line)}\n`);
  }
}
