import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Lab, type WordPressSite, shell } from '../e2e';
import { until } from '../until';

/** A write as its writer knows it. */
export interface Write {
  /** `http1`, `cron`, `script`, `daemon`, `files`. */
  readonly writer: string;
  readonly number: number;
  /** The writer was told that it is done. */
  readonly done: boolean;
  /** When it was told, ms. */
  readonly at: number;
}

/** Writers of rows outside of the web server, all of them as the site's account. */
export const ROW_WRITERS = ['cron', 'script', 'daemon'] as const;
const VISITORS = ['http1', 'http2', 'http3'];

/** Everything that writes into a site at once, without pause, and what it was told. */
export class Writers {
  private readonly folder: string;
  private readonly processes: { child: ChildProcess; ended: Promise<unknown> }[] = [];
  private readonly visits: Write[] = [];
  private visiting: Promise<unknown> = Promise.resolve();
  private going = false;

  private constructor(
    private readonly lab: Lab,
    private readonly site: WordPressSite,
    /** No two writes of a writer have one number, in whichever round. */
    private readonly first: number,
  ) {
    this.folder = join(lab.folder, `writers-${randomBytes(4).toString('hex')}`);
  }

  /** Makes the site take entries. Once a site. */
  static async prepare(lab: Lab, site: WordPressSite): Promise<void> {
    const plugins = join(site.root, 'wp-content/mu-plugins');
    await mkdir(plugins, { recursive: true });
    await copyFile(join(__dirname, 'desk.php'), join(plugins, 'desk.php'));
    await lab.mariadb.query(
      `CREATE TABLE \`${site.database}\`.wp_desk (writer VARCHAR(20), number INT, PRIMARY KEY (writer, number))`,
    );
  }

  /** Starts them, and waits until each has written. They number their writes from `first` on. */
  static async start(lab: Lab, site: WordPressSite, first: number): Promise<Writers> {
    const writers = new Writers(lab, site, first);
    await mkdir(writers.folder);
    for (const name of ['cron.php', 'writer.php']) await copyFile(join(__dirname, name), join(writers.folder, name));
    await chmod(writers.folder, 0o755);
    for (const writer of [...ROW_WRITERS, 'files']) {
      const log = join(writers.folder, `${writer}.log`);
      await writeFile(log, '');
      if (process.getuid?.() === 0) await chown(log, ...idsOf(site.owner));
      writers.spawn(writer, log);
    }
    writers.going = true;
    writers.visiting = Promise.all(VISITORS.map((visitor) => writers.visit(visitor)));
    await writers.untilEachWrote([...VISITORS, ...ROW_WRITERS, 'files'], Date.now());
    return writers;
  }

  /** Everything that was written or refused so far. */
  writes(): Write[] {
    const logged = [...ROW_WRITERS, 'files'].flatMap((writer) =>
      readFileSync(join(this.folder, `${writer}.log`), 'utf8')
        .split('\n')
        // The last line may be a part.
        .slice(0, -1)
        .map((line) => {
          const [what, number, at] = line.split(' ');
          return { writer, number: Number(number), done: what === 'done', at: Number(at) };
        }),
    );
    return [...this.visits, ...logged];
  }

  /** Waits until each of these was told `done`, or that it is refused, later than `after`. */
  async untilEachWrote(names: readonly string[], after: number, done = true): Promise<void> {
    for (const name of names) {
      await until(`${name} ${done ? 'has written' : 'is refused'}`, () =>
        this.writes().some((write) => write.writer === name && write.done === done && write.at > after),
      );
    }
  }

  /** Posts one entry by HTTP. `until` names a file that its script waits for, and works for a while after. */
  async post(writer: string, number: number, until?: string): Promise<number> {
    const { body, headers } = entry(writer, number, until);
    const { asked, answered } = this.ask(headers);
    asked.end(body);
    const status = await answered;
    this.visits.push({ writer, number, done: status === 201, at: Date.now() });
    return status;
  }

  /**
   * Begins to post an entry, and stops in the middle of the file, when the web server has looked at the request already.
   * The function that it returns sends the rest.
   */
  async postSlowly(writer: string, number: number): Promise<() => Promise<number>> {
    const { body, headers } = entry(writer, number);
    const { asked, answered } = this.ask({ ...headers, Expect: '100-continue' });
    await new Promise<void>((resolve) => {
      asked.once('continue', resolve);
      asked.flushHeaders();
    });
    asked.write(body.subarray(0, 1000));
    return async () => {
      asked.end(body.subarray(1000));
      const status = await answered;
      this.visits.push({ writer, number, done: status === 201, at: Date.now() });
      return status;
    };
  }

  async stop(): Promise<void> {
    this.going = false;
    for (const { child, ended } of this.processes.splice(0)) {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, 'SIGTERM');
      await ended;
    }
    await this.visiting;
  }

  private async visit(visitor: string): Promise<void> {
    for (let number = this.first; this.going; number += 1) {
      const status = await this.post(visitor, number).catch(() => 0);
      if (status !== 201) await delay(20);
    }
  }

  private ask(headers: Record<string, string | number>): { asked: ClientRequest; answered: Promise<number> } {
    const asked = request({
      host: '127.0.0.1',
      port: this.lab.nginx.port,
      method: 'POST',
      path: '/?rest_route=/desk/v1/entry',
      headers: { host: `${this.site.uri}:${this.lab.nginx.port}`, ...headers },
      timeout: 60_000,
    });
    const answered = new Promise<number>((resolve, reject) => {
      asked.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)));
      asked.on('error', reject);
      asked.on('timeout', () => asked.destroy(new Error('no answer')));
    });
    answered.catch(() => undefined);
    return { asked, answered };
  }

  private spawn(writer: string, log: string): void {
    const argv =
      writer === 'cron'
        ? [
            'sh',
            '-c',
            'n=$4; while :; do n=$((n + 1)); php "$1/cron.php" "$2" "$3" $n; sleep 0.1; done',
            'sh',
            this.folder,
            this.site.root,
            log,
            String(this.first),
          ]
        : ['php', join(this.folder, 'writer.php'), writer, this.site.root, log, String(this.first)];
    const become =
      process.getuid?.() === 0 ? [`--reuid=${this.site.owner}`, `--regid=${this.site.owner}`, '--init-groups'] : [];
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...become, '--', ...argv], {
      stdio: 'ignore',
      detached: true,
    });
    this.processes.push({ child, ended: new Promise((resolve) => child.once('close', resolve)) });
  }
}

function entry(
  writer: string,
  number: number,
  until?: string,
): { body: Buffer; headers: Record<string, string | number> } {
  const boundary = `kedge${randomBytes(8).toString('hex')}`;
  const fields = { writer, number: String(number), ...(until === undefined ? {} : { until }) };
  const texts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const body = Buffer.concat([
    Buffer.from(
      `${texts.join('')}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    randomBytes(20_000),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return {
    body,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': body.length },
  };
}

function idsOf(owner: string): [number, number] {
  return [Number(shell('id', '-u', owner)), Number(shell('id', '-g', owner))];
}
