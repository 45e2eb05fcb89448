import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/** Of a page that is looked at, CSS pixels. */
const WIDTH = 1360;
const HEIGHT = 940;
const PATIENCE_MS = 30_000;

/** Texts of a page; Markdown stands in frames, whose content is not for others. */
const SHOWN = `(document.body?.innerText ?? '') + [...document.querySelectorAll('iframe')].map(({ src }) => '\\nframe of ' + src).join('')`;

const answerSchema = z.object({
  id: z.number().optional(),
  result: z.looseObject({}).optional(),
  error: z.object({ message: z.string() }).optional(),
});
const targetSchema = z.object({ targetId: z.string() });
const sessionSchema = z.object({ sessionId: z.string() });
const evaluatedSchema = z.object({ result: z.object({ value: z.unknown().optional() }) });
const pictureSchema = z.object({ data: z.base64() });

/** A Chromium without a window, spoken to by its DevTools protocol over two pipes. It dies with this process. */
export class Browser {
  private readonly waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  private next = 1;
  private said = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly profile: string,
  ) {
    let text = '';
    (child.stdio[4] as Readable).on('data', (chunk: Buffer) => {
      const messages = `${text}${chunk.toString()}`.split('\0');
      text = messages.pop() ?? '';
      for (const message of messages) this.hear(message);
    });
    child.stderr?.on('data', (chunk: Buffer) => (this.said = `${this.said}${chunk.toString()}`.slice(-2000)));
    child.once('error', (error) => this.fail(error));
    child.once('exit', (code) => this.fail(new Error(`${child.spawnfile} ended with ${code}: ${this.said}`)));
  }

  /** @throws Error where there is no such program */
  static async start(program: string): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'kedge-screenshots-'));
    const options = [
      '--headless=new',
      '--remote-debugging-pipe',
      '--no-first-run',
      '--hide-scrollbars',
      '--disable-gpu',
    ];
    // It looks at pages of this machine alone, and root gets no sandbox of Chromium's.
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', program, ...options, ...asRoot, `--user-data-dir=${profile}`],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      },
    );
    return new Browser(child, profile);
  }

  /**
   * The picture of a page, as PNG, once it shows all the texts. `press`: a key that is pressed once the page shows a text of its
   * own. @throws Error with what it shows when it never does
   */
  async picture(
    url: string,
    texts: readonly string[],
    press?: { readonly key: string; readonly behind: string },
  ): Promise<Buffer> {
    const { targetId } = targetSchema.parse(await this.ask('Target.createTarget', { url: 'about:blank' }));
    const attached = await this.ask('Target.attachToTarget', { targetId, flatten: true });
    const { sessionId } = sessionSchema.parse(attached);
    await this.ask(
      'Emulation.setDeviceMetricsOverride',
      { width: WIDTH, height: HEIGHT, deviceScaleFactor: 1, mobile: false },
      sessionId,
    );
    await this.ask('Page.navigate', { url }, sessionId);
    if (press) {
      await this.untilShown(sessionId, [press.behind]);
      const key = { key: press.key, text: press.key, code: `Key${press.key.toUpperCase()}` };
      for (const type of ['keyDown', 'keyUp']) await this.ask('Input.dispatchKeyEvent', { type, ...key }, sessionId);
    }
    await this.untilShown(sessionId, texts);
    const { data } = pictureSchema.parse(await this.ask('Page.captureScreenshot', { format: 'png' }, sessionId));
    await this.ask('Target.closeTarget', { targetId });
    return Buffer.from(data, 'base64');
  }

  private async untilShown(sessionId: string, texts: readonly string[]): Promise<void> {
    for (const began = performance.now(); ;) {
      const evaluated = await this.ask('Runtime.evaluate', { expression: SHOWN }, sessionId);
      const shown = String(evaluatedSchema.parse(evaluated).result.value);
      if (texts.every((text) => shown.includes(text))) break;
      if (performance.now() - began > PATIENCE_MS)
        throw new Error(`the page does not show all of ${JSON.stringify(texts)}, but: ${shown}`);
      await delay(100);
    }
    // What moves into its place has come to rest.
    await delay(3_000);
  }

  async stop(): Promise<void> {
    this.child.removeAllListeners('exit');
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await ended;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  private ask(method: string, params: object, sessionId?: string): Promise<unknown> {
    const id = this.next;
    this.next += 1;
    const message = JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      (this.child.stdio[3] as Writable).write(`${message}\0`);
    });
  }

  private hear(message: string): void {
    const { id, result, error } = answerSchema.parse(JSON.parse(message));
    const asked = id === undefined ? undefined : this.waiting.get(id);
    if (id === undefined || !asked) return;
    this.waiting.delete(id);
    if (error) asked.reject(new Error(error.message));
    else asked.resolve(result);
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
