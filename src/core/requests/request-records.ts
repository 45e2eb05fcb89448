import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { DocumentKind } from '../../contract/documents-on-disk';
import { isKedgeError } from '../../contract/errors';
import type { RequestSignature } from '../../contract/tasks';
import { createFile } from '../hosts/create-file';
import type { Host } from '../hosts/host';
import { decode } from '../tasks/state-file';

const instant = z.iso.datetime();

const recordSchema = z.strictObject({
  version: z.literal(1),
  site: z.string(),
  /** Nothing depends on the record any more after this. */
  keepUntil: instant,
});

/** Who used a signed request up: the run of a task; null when it was given up. */
const useSchema = recordSchema.extend({
  by: z.strictObject({ task: z.string(), runId: z.string() }).nullable(),
});
export type RequestUse = NonNullable<z.infer<typeof useSchema>['by']>;

const ofVersion1 = { name: 'record of a signed request', key: 'version', version: 1 } as const;
/** Of requests that were accepted, and of archives that were vouched for. */
export const REQUEST_RECORD: DocumentKind<z.infer<typeof recordSchema>> = { ...ofVersion1, schema: recordSchema };
/** Of requests that were used. */
export const REQUEST_USE: DocumentKind<z.infer<typeof useSchema>> = { ...ofVersion1, schema: useSchema };
/** Of either: until when it is kept. */
const ANY_RECORD: DocumentKind<z.infer<typeof recordSchema>> = { ...ofVersion1, schema: recordSchema.loose() };

/** How long an accepted turn may wait before it begins. */
export const LONGEST_WAIT_MS = 7 * 24 * 3_600_000;
/** The longest a signature may be valid. */
export const LONGEST_VALIDITY_MS = 24 * 3_600_000;
/** Clocks that are set back. */
const MARGIN_MS = 24 * 3_600_000;

/**
 * What became of signed requests, in `<state>/requests/`: which were accepted, which were used, and for which archives the
 * master's own account vouched. Each file is made once and never changed; it is kept for longer than a request can be valid.
 */
export class RequestRecords {
  constructor(
    private readonly folder: string,
    private readonly host: Host,
  ) {}

  /**
   * Uses a request up, for a run of a task or for nobody. Of several who try one alone succeeds, whoever is killed meanwhile;
   * the same run finds that it did. Returns whether the request is theirs.
   */
  async use(site: string, { nonce, expires }: RequestSignature, by: RequestUse | null): Promise<boolean> {
    const keepUntil = new Date(new Date(expires).getTime() + LONGEST_WAIT_MS + MARGIN_MS).toISOString();
    const made = await this.create(`${nonce}.used`, { version: 1, site, keepUntil, by } satisfies z.infer<
      typeof useSchema
    >);
    return made || isSame(await this.findUse(nonce), by);
  }

  /**
   * By whom a request was used; null when it was given up, undefined when it was not used.
   * @throws KedgeError StateInvalid, NewerVersion
   */
  async findUse(nonce: string): Promise<RequestUse | null | undefined> {
    return (await this.read(`${nonce}.used`, REQUEST_USE))?.by;
  }

  /** Keeps that a request was submitted in time. */
  async accept(site: string, { nonce }: RequestSignature, now: Date): Promise<void> {
    const keepUntil = new Date(now.getTime() + LONGEST_WAIT_MS).toISOString();
    await this.create(`${nonce}.accepted`, { version: 1, site, keepUntil });
  }

  /** Whether a request was submitted in time, and its turn may still begin. @throws KedgeError StateInvalid, NewerVersion */
  async isAccepted({ nonce }: RequestSignature, now: Date): Promise<boolean> {
    return isKept(await this.read(`${nonce}.accepted`, REQUEST_RECORD), now);
  }

  /** Vouches for an archive that lies in none of the configured folders: who can write here may deploy anything. */
  async admitArchive(site: string, path: string, now: Date): Promise<void> {
    const keepUntil = new Date(now.getTime() + LONGEST_WAIT_MS).toISOString();
    const name = archiveName(site, path);
    await this.host.removeFile(join(this.folder, name));
    await this.create(name, { version: 1, site, keepUntil });
  }

  /** @throws KedgeError StateInvalid, NewerVersion */
  async isAdmitted(site: string, path: string, now: Date): Promise<boolean> {
    return isKept(await this.read(archiveName(site, path), REQUEST_RECORD), now);
  }

  /** Removes what nothing depends on any more; what a newer Kedge wrote stays. @throws KedgeError StateInvalid */
  async forgetOld(now: Date): Promise<void> {
    for (const name of await this.host.list(this.folder)) {
      if (name.startsWith('.')) continue;
      const record = await this.read(name, ANY_RECORD).catch((error: unknown) => {
        if (isKedgeError(error) && error.code === 'NewerVersion') return null;
        throw error;
      });
      if (record !== null && !isKept(record, now)) await this.host.removeFile(join(this.folder, name));
    }
  }

  private async create(name: string, record: object): Promise<boolean> {
    await this.host.makeFolder(this.folder, { mode: 0o700 });
    return createFile(this.host, join(this.folder, name), `${JSON.stringify(record, null, 2)}\n`);
  }

  private async read<T>(name: string, kind: DocumentKind<T>): Promise<T | undefined> {
    const path = join(this.folder, name);
    if ((await this.host.status(path)) === undefined) return undefined;
    return decode(kind, (await this.host.readFile(path)).toString('utf8'), path);
  }
}

function isKept(record: { keepUntil: string } | undefined, now: Date): boolean {
  return record !== undefined && now < new Date(record.keepUntil);
}

function isSame(one: RequestUse | null | undefined, other: RequestUse | null): boolean {
  if (!one || !other) return one === other;
  return one.task === other.task && one.runId === other.runId;
}

function archiveName(site: string, path: string): string {
  return `${createHash('sha256').update(`${site}\0${path}`).digest('hex')}.archive`;
}
