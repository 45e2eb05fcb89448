import { createHmac, timingSafeEqual } from 'node:crypto';
import { resolve } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { TaskType } from '../../contract/names';
import { requestText } from '../../contract/request-text';
import type { SecretReference } from '../../contract/target';
import type { RequestSignature } from '../../contract/tasks';
import { LONGEST_VALIDITY_MS, type RequestRecords, type RequestUse } from './request-records';

/** What the configuration demands of requests. */
export interface RequestRules {
  /** Keys a signature may be made with, the present one first. Without any, nothing has to be signed. */
  readonly keys: readonly SecretReference[];
  /** Types of task that are done only when they are signed. */
  readonly signed: readonly TaskType[];
  /** Folders of the master whose archives whoever may deploy may deploy. */
  readonly archiveFolders: readonly string[];
}

/** A task that is asked for: its type, and its input as it came, decoded before. */
export interface Request {
  readonly type: TaskType;
  readonly input: { readonly site: string; readonly signature?: RequestSignature | undefined };
}

export interface AuthorityParts {
  readonly master: string;
  readonly records: RequestRecords;
  /** As the configuration has them now. @throws KedgeError ConfigurationInvalid */
  rules(): Promise<RequestRules>;
  /** @throws KedgeError SecretUnavailable, OwnerRefused */
  readKey(reference: SecretReference): Promise<string>;
  now?(): Date;
}

/**
 * Says which requests are done. What a workflow was given is only its caller's word, so the word of those who hold the key of
 * this master is asked for, once for each task; what became of it is kept in `<state>`.
 */
export class RequestAuthority {
  constructor(private readonly parts: AuthorityParts) {}

  /**
   * Sees to it that a run of a task was asked for by somebody who may, and that nothing else has used the same request. Returns what
   * vouched for it; null where nothing has to. Changes nothing.
   * @throws KedgeError RequestUnsigned, SignatureInvalid, RequestExpired, RequestReplayed; SecretUnavailable, OwnerRefused
   */
  async examine(request: Request, by: RequestUse): Promise<RequestSignature | null> {
    const signature = await this.verified(request);
    if (signature === null) return null;
    const use = await this.parts.records.findUse(signature.nonce);
    // An attempt of the same run, perhaps after the worker was killed.
    if (use?.task === by.task && use.runId === by.runId) return signature;
    if (use !== undefined) throw replayed(request, use);
    const inTime = await this.parts.records.isAccepted(signature, this.now());
    if (!inTime) this.assertInTime(request, signature);
    return signature;
  }

  /** Uses the request up for a run, and for no other. @throws KedgeError RequestReplayed */
  async use(request: Request, signature: RequestSignature | null, by: RequestUse): Promise<void> {
    if (signature === null || (await this.parts.records.use(request.input.site, signature, by))) return;
    throw replayed(request, await this.parts.records.findUse(signature.nonce));
  }

  /**
   * Keeps durably that a request which waits for its turn was submitted in time: it may begin later than its signature says, once.
   * @throws KedgeError as {@link examine}
   */
  async accept(request: Request): Promise<void> {
    const signature = await this.verified(request);
    if (signature === null) return;
    const { records } = this.parts;
    const use = await records.findUse(signature.nonce);
    if (use !== undefined) throw replayed(request, use);
    if (signature.waitTurn && (await records.isAccepted(signature, this.now()))) return;
    this.assertInTime(request, signature);
    if (signature.waitTurn) await records.accept(request.input.site, signature, this.now());
  }

  /** Uses up a request that comes to nothing, so that nobody brings it forward later. @throws KedgeError as {@link examine} */
  async withdraw(request: Request): Promise<void> {
    const signature = await this.verified(request);
    if (signature !== null) await this.parts.records.use(request.input.site, signature, null);
  }

  /**
   * The path of an archive that a site may be deployed from: in a folder the configuration names, or one that the master's
   * own account vouched for. Without `..`; links in it are for {@link assertTrustedFile} to refuse.
   * @throws KedgeError FileRefused
   */
  async archivePath(site: string, archive: string): Promise<string> {
    const path = resolve('/', archive);
    const { archiveFolders } = await this.parts.rules();
    if (liesIn(archiveFolders, path)) return path;
    if (await this.parts.records.isAdmitted(site, path, this.now())) return path;
    throw new KedgeError('FileRefused', `${path} lies in none of the folders that sites are deployed from`, {
      site,
      state: 'nothing was changed',
      hint: `Name its folder in requests.deployFrom, move it to one of ${archiveFolders.join(', ')}, or run \`kedge deploy\` on the master as the worker's user.`,
    });
  }

  /** Vouches for an archive wherever it lies; for those who can write to `<state>`. */
  async admitArchive(site: string, archive: string): Promise<void> {
    const path = resolve('/', archive);
    const { archiveFolders } = await this.parts.rules();
    if (!liesIn(archiveFolders, path)) await this.parts.records.admitArchive(site, path, this.now());
  }

  /** The signature of a request that has to have one, after its HMAC was found right. */
  private async verified({ type, input }: Request): Promise<RequestSignature | null> {
    const { keys, signed } = await this.parts.rules();
    if (keys.length === 0 || !signed.includes(type)) return null;
    const { site, signature } = input;
    const context = { site, state: 'the site is unchanged' };
    if (!signature)
      throw new KedgeError('RequestUnsigned', `a ${type} of ${site} was asked for without a signature`, context);
    const text = requestText({ type, master: this.parts.master, input, signature });
    const given = Buffer.from(signature.hmac, 'hex');
    let fits = false;
    for (const reference of keys) {
      const hmac = createHmac('sha256', await this.parts.readKey(reference))
        .update(text)
        .digest();
      if (timingSafeEqual(hmac, given)) fits = true;
    }
    if (!fits)
      throw new KedgeError('SignatureInvalid', `the signature of a ${type} of ${site} does not belong to it`, context);
    return signature;
  }

  private assertInTime({ type, input: { site } }: Request, { expires }: RequestSignature): void {
    const now = this.now();
    const context = { site, state: 'the site is unchanged' };
    const left = new Date(expires).getTime() - now.getTime();
    if (left <= 0)
      throw new KedgeError(
        'RequestExpired',
        `a ${type} of ${site} was to be submitted until ${expires}, and now it is ${now.toISOString()}`,
        context,
      );
    if (left > LONGEST_VALIDITY_MS + CLOCK_DIFFERENCE_MS)
      throw new KedgeError(
        'RequestExpired',
        `a ${type} of ${site} is signed until ${expires}, more than a day after now, ${now.toISOString()}`,
        context,
      );
  }

  private now(): Date {
    return this.parts.now?.() ?? new Date();
  }
}

/** Between the signer's clock and ours. */
const CLOCK_DIFFERENCE_MS = 10 * 60_000;

/** Whether a path without `..` lies below one of the folders. */
function liesIn(folders: readonly string[], path: string): boolean {
  return folders.some((folder) => path.startsWith(`${resolve('/', folder).replace(/\/$/, '')}/`));
}

function replayed({ type, input: { site } }: Request, use: RequestUse | null | undefined): KedgeError {
  const what = use ? `was used already, by ${use.task}` : 'was given up';
  return new KedgeError('RequestReplayed', `this signed request for a ${type} of ${site} ${what}`, {
    site,
    state: 'this one changed nothing',
  });
}
