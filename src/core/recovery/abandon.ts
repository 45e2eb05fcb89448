import { KedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { discardedFolders, previousFolders } from '../sites/switch-folders';
import { type LeftThere, type OnlineParts, type TakeOver, bringOnline } from './bring-online';
import type { Journal } from '../tasks/journal';
import { leftoversOf } from './leftovers';

/** What a task that was given up leaves to a person. */
export interface Abandoned {
  /** What could not be given back to the visitors of the site. */
  readonly problems: readonly string[];
  /** What the task made and undo has not removed, one line each. */
  readonly leftovers: readonly string[];
}

/**
 * Gives a task up whose undo cannot finish: the site is given back as far as that goes (a machine that does not answer keeps nothing
 * else), the journal is closed, and what the task made is left where it is, and named. Nothing is left to its workflow then.
 * @throws KedgeError TaskUnknown for one that has ended meanwhile; HostUnreachable, and the task goes on to undo, where something is to be
 *   done yet on a machine that does not answer, unless `machineIsGone` says that it never will
 */
export async function abandonTask(
  parts: OnlineParts,
  journal: Journal,
  { machineIsGone, ...takeOver }: TakeOver & { readonly machineIsGone: boolean },
  operation: Operation,
): Promise<Abandoned> {
  const brought = await bringOnline(parts, journal.site, takeOver, operation);
  const mine = brought.find(({ task }) => task === journal.task);
  // It may have ended meanwhile, or have passed its commit point: what it made is the site's then.
  const now = await parts.journals.get(journal.task);
  if (now.outcome)
    throw new KedgeError('TaskUnknown', `${now.task} has ended meanwhile: ${now.outcome.status}`, { site: now.site });
  if (mine?.left && !machineIsGone) throw notYet(journal, mine.left);
  await parts.journals.close(journal.task, {
    status: 'abandoned',
    ended: new Date().toISOString(),
    code: null,
    message: `abandoned by ${takeOver.by}: ${takeOver.why}`,
    warnings: [],
  });
  return {
    problems: mine?.problems.map(({ text }) => text) ?? [],
    leftovers: namesOf(now),
  };
}

/** Whoever gives it up leaves that to a person, for good. */
function notYet({ task, site }: Journal, { server, parts, error }: LeftThere): KedgeError {
  return new KedgeError(
    'HostUnreachable',
    `${task} is not given up: ${parts.join(', ')} of ${site} can be put back once ${server} answers, which it does not: ${error.message}`,
    {
      site,
      server,
      state: 'the task can only undo, and a worker goes on with that',
      hint: `Mend the way to ${server}. Where it is gone for good: \`kedge abandon ${task} --machine-gone\`.`,
    },
  );
}

/** One list says what a task made: the sweeper's. */
function namesOf(journal: Journal): string[] {
  const { staged, spool, unfinished, databases, accounts, webServer, webElsewhere } = leftoversOf(journal);
  const where = webElsewhere ? ` on ${webServer}` : '';
  const folders = [...discardedFolders(staged), ...previousFolders(staged)];
  return [
    ...folders.map((folder) => `the folder ${folder}${where}`),
    ...(spool === null ? [] : [`the folder ${spool}`]),
    ...(unfinished === null || journal.backup?.published === true ? [] : [`the unfinished archive ${unfinished}`]),
    ...databases.map((database) => `the database ${database}`),
    ...accounts.map(({ user }) => `the database account ${user}`),
  ];
}
