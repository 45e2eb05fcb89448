import { randomBytes } from 'node:crypto';
import type { KedgeError } from '../../contract/errors';
import { type NamedReceiver, receiversOf } from '../../contract/notices';
import { siteOfTask } from '../../contract/names';
import { createCatalog } from '../catalog/file-catalog';
import type { MasterHost } from '../hosts/master-host';
import type { Journals } from '../tasks/journals';
import { type OpenTasks, lookForAttention } from './attention';
import { judgeAges } from './backup-ages';
import { judgeConfiguration } from './configuration-state';
import { DISK_KEY, expectBackups, judgeDisk } from './disk-forecast';
import { lookAtEndedTasks } from './ended-tasks';
import { type NoticeFile, type NoticeStates, type Recorded, NOTHING_TOLD } from './notice-states';
import { type RecentBackups, RecentBackupsReader } from './recent-backups';
import { type Seen, type Telling, settle } from './settle';

/** What is asked of the sites, and who is told, as the configuration says it now. */
export interface Watched {
  readonly receivers: readonly NamedReceiver[];
  /** Of every site of the configuration. */
  readonly sites: readonly string[];
  /** ms, of sites that have such an objective. */
  readonly maxAges: ReadonlyMap<string, number>;
  /** Folder of all backups. */
  readonly backups: string;
  /** Why no task begins with the configuration as it is now, and all of this is what it said last; null where they do. */
  readonly problem: KedgeError | null;
}

export interface LookoutParts {
  readonly masterName: string;
  readonly master: MasterHost;
  readonly file: NoticeFile;
  readonly journals: Pick<Journals, 'all' | 'find' | 'open' | 'unreadable'>;
  watched(): Promise<Watched>;
  readonly troubleOf: OpenTasks['troubleOf'];
  /** Has Temporal deliver a notice; returns when it will. It may have been asked before. @throws while Temporal is away */
  start(recorded: Recorded): Promise<void>;
  now(): Date;
  /** Is told what a person should know: a notice that some receiver did not take. */
  tell(text: string): void;
}

/** Delivery ends by itself after a day, see workflows/notify.ts. */
const DELIVERED_BY_MS = 26 * 3_600_000;
/** Nobody reads more after Temporal was away for long: the oldest are let go of. */
const MOST_RECORDED = 1_000;

/**
 * Looks at what receivers are told of, writes down what is news, and hands it to Temporal. Whatever ends it, the next look goes on: what was
 * written down is told, and nothing is told twice. It holds no task up, and waits for none.
 */
export class Lookout {
  private readonly recent: RecentBackupsReader;
  private looking: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;
  /** Why notices wait, as it was told. */
  private waiting: string | null = null;
  /** Why looks fail, as it was told. */
  private failing: string | null = null;

  constructor(private readonly parts: LookoutParts) {
    this.recent = new RecentBackupsReader(parts.master);
  }

  /** One look at a time; all who ask while one runs are given the next. One that fails is told, once for each reason: what is news waits. */
  look(): Promise<void> {
    this.next ??= this.looking.then(() => {
      this.next = null;
      this.looking = this.lookAndTell();
      return this.looking;
    });
    return this.next;
  }

  private async lookAndTell(): Promise<void> {
    const why = await this.lookOnce(this.parts.now()).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (why !== null && why !== this.failing) this.parts.tell(`nobody is told what goes wrong: ${why}`);
    this.failing = why;
  }

  private async lookOnce(now: Date): Promise<void> {
    const { file, journals, troubleOf } = this.parts;
    const watched = await this.parts.watched();
    // What takes long is looked at before anybody is kept waiting.
    const recent = await this.recentBackups(watched, now);
    const before = await file.read();
    const standing = before?.standing ?? {};
    const siteOf = (task: string): string | null => siteOfTask(task) ?? null;
    const tasks = { open: () => journals.open(), unreadable: () => journals.unreadable(), troubleOf };
    const seen = watched.receivers.length === 0 ? [] : await lookForAttention(tasks, standing, { siteOf, now });
    seen.push(judgeConfiguration(watched.problem, now), ...(await this.disk(watched, recent, before, now)));
    await file.change(async (states) => this.settled(states, { watched, recent, seen, now }));
    await this.handOver(now);
  }

  private async settled(
    known: NoticeStates | undefined,
    looked: { watched: Watched; recent: ReadonlyMap<string, RecentBackups>; seen: readonly Seen[]; now: Date },
  ): Promise<NoticeStates> {
    const { watched, recent, now } = looked;
    const states = known ?? NOTHING_TOLD;
    const telling: Telling = {
      master: this.parts.masterName,
      now,
      newId: () => randomBytes(12).toString('hex'),
      receiversOf: (about) => receiversOf(watched.receivers, about).map(({ name }) => name),
    };
    const ended = await lookAtEndedTasks(this.parts.journals, known?.looked ?? null);
    const ages = [...recent].flatMap(([site, backups]) => {
      const maxAge = watched.maxAges.get(site);
      return maxAge === undefined ? [] : [{ site, maxAge, recent: backups }];
    });
    const judged = judgeAges(ages, states, now.getTime());
    const next = settle(states, [...ended.seen, ...judged.seen, ...looked.seen], telling);
    const recorded = this.kept(next.recorded, now);
    const isSame =
      known !== undefined && next === states && recorded === next.recorded && judged.watched === states.watched;
    if (isSame && sameEntries(states.looked, ended.looked)) return states;
    return { ...next, looked: { ...ended.looked }, watched: judged.watched, recorded };
  }

  /** Of sites that somebody may be told of. */
  private async recentBackups({ sites, backups, receivers }: Watched, now: Date): Promise<Map<string, RecentBackups>> {
    const recent = new Map<string, RecentBackups>();
    if (receivers.length === 0) return recent;
    const catalog = createCatalog(backups, this.parts.master);
    for (const site of sites) recent.set(site, await this.recent.of(catalog, backups, site, now.getTime()));
    return recent;
  }

  private async disk(
    { backups, receivers }: Watched,
    recent: ReadonlyMap<string, RecentBackups>,
    states: NoticeStates | undefined,
    now: Date,
  ): Promise<Seen[]> {
    const { master } = this.parts;
    if (receivers.length === 0 || (await master.status(backups)) === undefined) return [];
    const free = await master.freeSpace(backups);
    const isTold = states?.standing[DISK_KEY] !== undefined;
    const seen = judgeDisk(expectBackups(recent, now.getTime()), { folder: backups, free, isTold, now });
    return seen === null ? [] : [seen];
  }

  /** What nothing depends on any more is forgotten; who did not take it is told of. */
  private kept(recorded: Recorded[], now: Date): Recorded[] {
    const isOver = ({ started }: Recorded): boolean =>
      started !== null && now.getTime() - new Date(started).getTime() > DELIVERED_BY_MS;
    const over = recorded.filter(isOver);
    const rest = over.length === 0 ? recorded : recorded.filter((one) => !isOver(one));
    for (const { notice, receivers, delivered } of over)
      for (const receiver of receivers.filter((one) => !delivered.includes(one)))
        this.parts.tell(`${receiver} did not take a notice within a day: ${notice.text}`);
    if (rest.length > MOST_RECORDED)
      this.parts.tell(`${rest.length - MOST_RECORDED} notices are let go of: nobody could deliver them for too long`);
    return over.length === 0 && rest.length <= MOST_RECORDED ? recorded : rest.slice(-MOST_RECORDED);
  }

  /** While Temporal is away what is recorded waits. */
  private async handOver(now: Date): Promise<void> {
    const { file } = this.parts;
    for (const recorded of (await file.read())?.recorded ?? []) {
      if (recorded.started !== null) continue;
      const why = await this.parts.start(recorded).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (why !== null && why !== this.waiting)
        this.parts.tell(`notices wait, for Temporal does not take them: ${why}`);
      this.waiting = why;
      if (why !== null) return;
      await file.amend(recorded.notice.id, (one) => ({ ...one, started: one.started ?? now.toISOString() }));
    }
  }
}

function sameEntries(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
