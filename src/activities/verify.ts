import { KedgeError, isKedgeError } from '../contract/errors';
import type { Target } from '../contract/target';
import type { Operation } from '../core/operation';
import { liveFolder, waitingFolder } from '../core/sites/site-folder';
import { compareMarks } from '../core/web/content-mark';
import type { ActivityDependencies } from './dependencies';
import { createdDatabase, createdOf, loginAddressOf, stagedOf } from './journal-parts';
import { type TaskRef, forwardStep } from './step';
import { WrongAnswers } from './wrong-answers';

/** Activities that look whether a site is right. */
export function createVerifyActivities(deps: ActivityDependencies) {
  const wrongAnswers = new WrongAnswers();

  /** @throws KedgeError ProbeFailed; AnswerWrong once the answer has stayed the same */
  const refuse = (wrong: string, { site, web }: Target): never => {
    const context = { site: site.uri, server: web.name };
    const seconds = wrongAnswers.finalAfterMs / 1000;
    if (wrongAnswers.isFinal(wrong))
      throw new KedgeError('AnswerWrong', `${wrong}, and nothing else for ${seconds} s`, context);
    throw new KedgeError('ProbeFailed', `${wrong}; the same answer for ${seconds} s is final`, context);
  };

  return {
    /**
     * Settings are read (live) or rewritten (staged) and evaluated, and their login is tried; the vhost test passes.
     */
    async verify(ref: TaskRef, _options: { folder: 'live' | 'staged' }) {
      return forwardStep(deps, ref, async ({ journal, target, operation }) => {
        const { site } = target;
        const kind = deps.kindOf(target);
        const server = await deps.databaseServer(target.database, operation.signal);
        // By the task, not by what the caller says.
        if (journal.type !== 'verify') {
          const created = createdOf(journal);
          const folder = waitingFolder(deps.webHost(target), site, stagedOf(journal));
          const login = {
            database: createdDatabase(created),
            user: created.account.user,
            password: created.password,
            address: loginAddressOf(journal, target),
          };
          await kind.writeSettings(folder, login, operation);
          await server.proveLogin(login, operation);
        } else {
          const settings = await kind.readSettings(liveFolder(deps.webHost(target), site), operation);
          await server.proveLogin(settings, operation);
          if (settings.database !== journal.before?.database) {
            operation.log.warn(
              `the settings of ${site.uri} name the database ${settings.database}, Kedge knows ${journal.before?.database}`,
            );
          }
        }
        if (site.vhost !== 'none' && site.unproven === undefined) await deps.webServer(target.web).test(operation);
        return null;
      });
    },

    /**
     * Asks for a page through maintenance and holds it against the mark of the backup that was restored.
     * @throws KedgeError ProbeFailed, AnswerWrong
     */
    async probeSite(ref: TaskRef) {
      return forwardStep(deps, ref, async ({ journal, target, operation }) => {
        const { site } = target;
        if (site.vhost === 'none') {
          operation.log.warn(`vhost of ${site.uri} is none: the site was not probed`);
          return { status: 0 };
        }
        if (site.unproven !== undefined && !(await isServed(deps, target, operation))) return { status: 0 };
        const answer = await deps
          .webServer(target.web)
          .probe(site, site.healthPath, operation)
          .catch((error: unknown) => {
            wrongAnswers.forget();
            throw error;
          });
        const expected = journal.source?.contentMark ?? null;
        const comparison = expected ? compareMarks(expected, answer.mark) : 'same';
        if (expected && comparison !== 'same') {
          const message = `${site.uri} answers ${answer.status} with the title ${JSON.stringify(answer.mark.title)}; at backup it was ${expected.status} with ${JSON.stringify(expected.title)}`;
          if (comparison === 'broken') refuse(message, target);
          operation.log.warn(message);
        }
        if (!expected && answer.status >= 500) refuse(`${site.uri} answers ${answer.status}`, target);
        wrongAnswers.forget();
        return { status: answer.status };
      });
    },
  };
}

/** Whether the web server can be asked now about a site that it could not be asked about when the restore began. */
async function isServed(deps: ActivityDependencies, target: Target, operation: Operation): Promise<boolean> {
  try {
    if ((await deps.webServer(target.web).addressesOf(target.site, operation)).length > 0) return true;
    operation.log.warn(`${target.site.unproven}: the restored site was not probed`);
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error) || error.code !== 'VhostTestFailed') throw error;
    operation.log.warn(`${error.message}: the restored site was not probed`);
  }
  return false;
}
