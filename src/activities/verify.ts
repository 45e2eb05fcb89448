import { KedgeError, isKedgeError } from '../contract/errors';
import type { SiteLocation } from '../contract/target';
import type { SiteLogin } from '../core/databases/database-server';
import type { Operation } from '../core/operation';
import { addressesOf, provenAddress } from '../core/sites/new-address';
import { restoreLabels } from '../core/sites/security-labels';
import type { SiteAtWork } from '../core/sites/site-at-work';
import { type SiteFolder, waitingFolder } from '../core/sites/site-folder';
import { assertStillLinked } from '../core/sites/served-root';
import type { Journal } from '../core/tasks/journal';
import { compareMarks } from '../core/web/content-mark';
import { defaultSocketOf } from '../core/php/default-socket';
import { proofOf, refusesAnew } from '../core/web/proof';
import type { ProbeAnswer, WebServer } from '../core/web/web-server';
import type { ContentMark } from '../contract/backup-record';
import type { ActivityDependencies } from './dependencies';
import { createdDatabase, createdOf, loginAddressOf, stagedOf } from './journal-parts';
import { type TaskRef, forwardStep } from './step';
import { WrongAnswers } from './wrong-answers';

/** Activities that look whether a site is right. */
export function createVerifyActivities(deps: ActivityDependencies) {
  const wrongAnswers = new WrongAnswers();

  /**
   * What is said of a wrong answer: ProbeFailed; AnswerWrong once it has stayed the same.
   * @throws KedgeError DatabaseUnreachable, HostUnreachable: without its database no site is judged
   */
  const refusalOf = async (
    wrong: string,
    { target: { site, web }, databaseServer }: SiteAtWork,
    { signal }: Operation,
  ): Promise<KedgeError> => {
    await (await databaseServer(signal)).facts().catch((error: unknown) => {
      wrongAnswers.forget();
      throw error;
    });
    const context = { site: site.uri, server: web.name };
    const seconds = wrongAnswers.finalAfterMs / 1000;
    return wrongAnswers.isFinal(wrong)
      ? new KedgeError('AnswerWrong', `${wrong}, and nothing else for ${seconds} s`, context)
      : new KedgeError('ProbeFailed', `${wrong}; the same answer for ${seconds} s is final`, context);
  };

  /** As before; a new site's as its backup had it, where the server is reached so. */
  const addressFor = async (
    journal: Journal,
    { target, location, host, kind, webServer, databaseServer }: SiteAtWork,
    folder: SiteFolder,
    account: Omit<SiteLogin, 'address'>,
    operation: Operation,
  ): Promise<string> => {
    if (journal.before !== null || journal.created?.address !== undefined) return loginAddressOf(journal, target);
    const server = await databaseServer(operation.signal);
    const ofBackup = await kind.readSettings(folder, operation).then(
      ({ address }) => address,
      (error: unknown) => {
        if (!isKedgeError(error)) throw error;
        return null;
      },
    );
    const socket = await defaultSocketOf(webServer, location, operation);
    const addresses = addressesOf(target.database, kind.addressForms, ofBackup, socket);
    const prove = (login: SiteLogin, its: Operation) => server.proveLogin(login, host, its);
    const proven = await provenAddress(addresses, account, socket, prove, operation);
    if (proven !== ofBackup)
      operation.log.info(
        `the settings of ${location.uri} name the database server as ${proven}, no more as ${ofBackup}`,
      );
    return proven;
  };

  return {
    /**
     * Settings are read (live) or rewritten (staged) and evaluated, and their login is tried; the vhost test passes.
     */
    async verify(ref: TaskRef, _options: { folder: 'live' | 'staged' }) {
      return forwardStep(deps, ref, async ({ journal, site, operation, record }) => {
        const { location, kind, webServer } = site;
        let logins: { logins: string[] } | null = null;
        const server = await site.databaseServer(operation.signal);
        // By the task, not by what the caller says.
        if (journal.type !== 'verify') {
          const created = createdOf(journal);
          const folder = waitingFolder(site.host, location, stagedOf(journal));
          const account = {
            database: createdDatabase(created),
            user: created.account.user,
            password: created.password,
          };
          const address = await addressFor(journal, site, folder, account, operation);
          if (journal.before === null) await record({ created: { ...created, address } });
          await kind.writeSettings(folder, { ...account, address }, operation);
          await restoreLabels(folder, operation);
          // That of a new site was proved as its PHP takes it.
          if (journal.before !== null) await server.proveLogin({ ...account, address }, site.host, operation);
          logins = { logins: await loginsOf(site, journal, folder, operation) };
        } else {
          const settings = await kind.readSettings(site.folder, operation);
          await server.proveLogin(settings, site.host, operation);
          if (settings.database !== journal.before?.database) {
            operation.log.warn(
              `the settings of ${site.uri} name the database ${settings.database}, Kedge knows ${journal.before?.database}`,
            );
          }
        }
        if (location.vhost !== 'none' && location.unproven === undefined) await webServer.test(operation);
        return logins;
      });
    },

    /**
     * Asks for a page through maintenance and holds it against the mark of the backup that was restored.
     * @throws KedgeError ProbeFailed, AnswerWrong; DatabaseUnreachable, HostUnreachable where the database is what is wrong
     */
    async probeSite(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, site: at, operation }) => {
        const { location: site, host, webServer } = at;
        const refuse = async (wrong: string): Promise<never> => {
          throw await refusalOf(wrong, at, operation);
        };
        if (site.vhost === 'none') {
          operation.log.warn(`vhost of ${site.uri} is none: the site was not probed`);
          return { status: 0 };
        }
        if (site.unproven !== undefined && !(await isServed(webServer, site, operation))) return { status: 0 };
        await assertStillLinked(host, site);
        const answer = await webServer.probe(site, site.healthPath, operation).catch((error: unknown) => {
          wrongAnswers.forget();
          throw error;
        });
        const expected = journal.source?.contentMark ?? null;
        const { mark, advice } =
          expected && compareMarks(expected, answer.mark) === 'same'
            ? { mark: answer.mark, advice: null }
            : await proofOf(webServer, site, answer, operation);
        if (mark.status >= 500) await refuse(`${site.uri} answers ${answersOf(answer, mark)}`);
        if (expected && mark !== answer.mark && refusesAnew(answer, journal.answered))
          await refuse(`${site.uri} answers ${answersOf(answer, mark)}; at backup it was ${expected.status}`);
        const comparison = expected ? compareMarks(expected, mark) : 'same';
        if (expected && comparison !== 'same') {
          const message = `${site.uri} answers ${answersOf(answer, mark)} with the title ${JSON.stringify(mark.title)}; at backup it was ${expected.status} with ${JSON.stringify(expected.title)}`;
          if (comparison === 'broken') await refuse(message);
          operation.log.warn(message);
        }
        if (advice !== null) operation.log.warn(advice);
        wrongAnswers.forget();
        return { status: answer.status };
      });
    },
  };
}

/** Logins that the restored database makes valid again. Where they cannot be looked for, nothing is said, and nothing fails. */
async function loginsOf(
  { uri, kind, databaseServer }: SiteAtWork,
  journal: Journal,
  folder: SiteFolder,
  operation: Operation,
): Promise<string[]> {
  if (kind.returningLogins === null) return [];
  try {
    const { tablePrefix } = await kind.readSettings(folder, operation);
    const live = journal.before?.database ?? null;
    const server = await databaseServer(operation.signal);
    const databases = { restored: createdDatabase(createdOf(journal)), live, tablePrefix };
    return await kind.returningLogins(server, databases, Date.now());
  } catch (error) {
    operation.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    operation.log.info(`logins of ${uri} that are valid again cannot be looked for: ${why}`);
    return [];
  }
}

/** Whether the web server can be asked now about a site that it could not be asked about when the restore began. */
async function isServed(webServer: WebServer, site: SiteLocation, operation: Operation): Promise<boolean> {
  try {
    if ((await webServer.addressesOf(site, operation)).length > 0) return true;
    operation.log.warn(`${site.unproven}: the restored site was not probed`);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error) || error.code !== 'VhostTestFailed') throw error;
    operation.log.warn(`${error.message}: the restored site was not probed`);
  }
  return false;
}

/** `500`, or `401 to visitors, and 500 of its application`. */
function answersOf({ status }: ProbeAnswer, mark: ContentMark): string {
  return status === mark.status ? String(status) : `${status} to visitors, and ${mark.status} of its application`;
}
