import { join } from 'node:path';
import { z } from 'zod';
import type { DocumentKind } from '../../contract/documents-on-disk';
import { NOTICE, NOTICE_EVENTS } from '../../contract/notices';
import { siteUriSchema } from '../../contract/target';
import { withFileLock } from '../hosts/file-lock';
import type { MasterHost } from '../hosts/master-host';
import { decode } from '../tasks/state-file';

const instant = z.iso.datetime();

/** What is wrong now and was told. */
const standingSchema = z.strictObject({
  event: z.enum(NOTICE_EVENTS),
  site: siteUriSchema.nullable(),
  task: z.string().nullable(),
  code: z.string().nullable(),
  since: instant,
  /** What makes it another one, that is told anew: a code, a task. */
  identity: z.string(),
});

/** A notice, whom it is for, and what became of it. */
const recordedSchema = z.strictObject({
  notice: NOTICE.schema,
  receivers: z.array(z.string()),
  /** Those that took it. */
  delivered: z.array(z.string()),
  /** When Temporal took it over; null while it waits for that. */
  started: instant.nullable(),
});
export type Recorded = z.infer<typeof recordedSchema>;

const noticeStatesSchema = z.strictObject({
  version: z.literal(1),
  /** The newest task that was looked at, by site and type: `example.com/backup`. */
  looked: z.record(z.string(), z.string()),
  /** Sites with an objective, and since when they have it: one without any backup is measured from there. */
  watched: z.record(siteUriSchema, instant),
  standing: z.record(z.string(), standingSchema),
  /** Oldest first. */
  recorded: z.array(recordedSchema),
});
export type NoticeStates = z.infer<typeof noticeStatesSchema>;

export const NOTICE_STATES: DocumentKind<NoticeStates> = {
  name: 'state of notices',
  key: 'version',
  version: 1,
  schema: noticeStatesSchema,
};

/** A thousand notices with the longest texts. */
const MAXIMUM_BYTES = 32 * 1024 * 1024;

/**
 * What was told, and what is to be delivered, in `<state>/notices/states.json`. A state and the notice of it are written at once, so
 * that neither is there without the other. All workers of the master change it in turn.
 */
export class NoticeFile {
  constructor(
    private readonly folder: string,
    private readonly host: MasterHost,
  ) {}

  /** Undefined before the first look. @throws KedgeError StateInvalid, NewerVersion, FileRefused */
  async read(): Promise<NoticeStates | undefined> {
    if ((await this.host.status(this.path)) === undefined) return undefined;
    return decode(NOTICE_STATES, (await this.host.readFile(this.path, MAXIMUM_BYTES)).toString('utf8'), this.path);
  }

  /**
   * Reads it, and writes what `change` makes of it, unless that is the same object. Returns what it says then.
   * @throws KedgeError as {@link read}, DiskFull; whatever `change` throws
   */
  async change(
    change: (states: NoticeStates | undefined) => NoticeStates | Promise<NoticeStates>,
  ): Promise<NoticeStates> {
    return withFileLock(join(this.folder, '.states.lock'), this.host, async () => {
      const before = await this.read();
      const next = await change(before);
      if (next !== before) await this.host.writeFile(this.path, `${JSON.stringify(next)}\n`, { mode: 0o600 });
      return next;
    });
  }

  /** A notice that was recorded here; undefined for any other. @throws KedgeError as {@link read} */
  async find(id: string): Promise<Recorded | undefined> {
    return (await this.read())?.recorded.find(({ notice }) => notice.id === id);
  }

  /** Changes what became of a notice; nothing happens when it is forgotten by now. */
  async amend(id: string, change: (recorded: Recorded) => Recorded): Promise<void> {
    await this.change((states = NOTHING_TOLD) => {
      if (!states.recorded.some(({ notice }) => notice.id === id)) return states;
      return { ...states, recorded: states.recorded.map((one) => (one.notice.id === id ? change(one) : one)) };
    });
  }

  private get path(): string {
    return join(this.folder, 'states.json');
  }
}

export const NOTHING_TOLD: NoticeStates = { version: 1, looked: {}, watched: {}, standing: {}, recorded: [] };
