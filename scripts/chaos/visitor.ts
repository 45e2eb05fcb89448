import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { VERSION_PAGE } from './versions';

/** What a visitor got. Times are of the process's own clock, ms. */
export interface Answer {
  readonly began: number;
  readonly ended: number;
  /** Null when the connection was cut, or refused. */
  readonly status: number | null;
  readonly retryAfter: string | null;
  readonly body: string;
}

/** What a visitor of a site may see in a round. */
export interface Allowed {
  /** Version the site begins with; null when it is not there. */
  readonly before: string | null;
  /** Version a task may bring; null when none does. */
  readonly after: string | null;
  /** True when a task may shut the site. */
  readonly maintenance: boolean;
}

/** From when until when something that answers visitors was away by our own doing; `until` is null while it is. */
export interface Outage {
  readonly from: number;
  until: number | null;
}

export type Verdict = 'before' | 'after' | 'maintenance' | 'outage' | 'absent' | 'cut' | { readonly broken: string };

/** Judges one answer by itself: it is one whole version, or the maintenance page, or excused by an outage. */
export function judgeAnswer(answer: Answer, allowed: Allowed, outages: readonly Outage[]): Verdict {
  const { status, body, began, ended } = answer;
  if (status === 200) return judgePage(body, allowed);
  if (status === 503 && answer.retryAfter !== null && allowed.maintenance) return 'maintenance';
  if (outages.some(({ from, until }) => from <= ended && (until === null || until >= began))) return 'outage';
  if (status === null) return allowed.before === null ? 'absent' : 'cut';
  return { broken: `answered ${status}: ${body.slice(0, 300)}` };
}

function judgePage(body: string, { before, after }: Allowed): Verdict {
  let versions: unknown[];
  try {
    versions = [...new Set(Object.values(JSON.parse(body) as Record<string, unknown>))];
  } catch {
    return { broken: `answered no version: ${body.slice(0, 300)}` };
  }
  const [version] = versions;
  if (versions.length !== 1) return { broken: `is put together of several versions: ${body}` };
  if (version === before) return 'before';
  if (version === after) return 'after';
  return { broken: `is version ${String(version)}, which nothing brings` };
}

/** So many requests in a row that got no answer are no accident of a reload: the site is not there. */
const CUT_IN_A_ROW = 10;

/** Judges the answers of one site in a row. */
export class Witness {
  readonly broken: string[] = [];
  readonly counts = { before: 0, after: 0, maintenance: 0, outage: 0, absent: 0, cut: 0 };
  private cutInARow = 0;
  private afterSeen = Number.POSITIVE_INFINITY;

  constructor(
    private readonly allowed: Allowed,
    private readonly outages: readonly Outage[],
  ) {}

  see(answer: Answer): Verdict {
    const verdict = judgeAnswer(answer, this.allowed, this.outages);
    if (typeof verdict === 'object') {
      this.broken.push(verdict.broken);
      return verdict;
    }
    this.counts[verdict] += 1;
    this.cutInARow = verdict === 'cut' ? this.cutInARow + 1 : 0;
    if (this.cutInARow === CUT_IN_A_ROW) this.broken.push(`gave no answer to ${CUT_IN_A_ROW} requests in a row`);
    if (verdict === 'after') this.afterSeen = Math.min(this.afterSeen, answer.ended);
    // A restore is shown when there is no way back any more.
    if (verdict === 'before' && answer.began > this.afterSeen)
      this.broken.push(`shows ${this.allowed.before} again after ${this.allowed.after} was seen`);
    return verdict;
  }
}

const INTERVAL_MS = 20;
/** Requests that wait for an answer at once: no more are sent meanwhile. */
const MOST_WAITING = 40;
const LONGEST_WAIT_MS = 60_000;

/** Asks one of the sites every 20 ms, each in turn, until it is stopped. */
export class Visitor {
  private readonly stopping = new AbortController();
  private readonly waiting = new Set<Promise<void>>();
  private readonly asking: Promise<void>;

  constructor(
    private readonly port: number,
    sites: readonly { readonly uri: string; readonly witness: Witness }[],
  ) {
    this.asking = this.ask(sites);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.asking;
    await Promise.all(this.waiting);
  }

  private async ask(sites: readonly { readonly uri: string; readonly witness: Witness }[]): Promise<void> {
    for (let turn = 0; !this.stopping.signal.aborted; turn += 1) {
      const site = sites[turn % sites.length];
      if (site && this.waiting.size < MOST_WAITING) {
        const asked = visit(this.port, site.uri).then((answer) => void site.witness.see(answer));
        this.waiting.add(asked);
        void asked.finally(() => this.waiting.delete(asked));
      }
      await delay(INTERVAL_MS);
    }
  }
}

/** Asks a site which version it is. */
export async function visit(port: number, uri: string): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve) => {
    const end = (status: number | null, retryAfter: string | null, body: string): void =>
      resolve({ began, ended: performance.now(), status, retryAfter, body });
    const asked = request(
      { host: '127.0.0.1', port, path: VERSION_PAGE, headers: { host: `${uri}:${port}` }, timeout: LONGEST_WAIT_MS },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          end(answer.statusCode ?? 0, answer.headers['retry-after'] ?? null, Buffer.concat(chunks).toString()),
        );
        answer.on('error', (error) => end(null, null, error.message));
      },
    );
    asked.on('error', (error) => end(null, null, error.message));
    asked.on('timeout', () => asked.destroy(new Error('timed out')));
    asked.end();
  });
}
