import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { KedgeError } from '../../contract/errors';
import { printable } from '../../contract/printable';
import { WORKFLOW_TYPES, isTaskIdOf } from '../../contract/names';
import { abandonTask } from '../../core/recovery/abandon';
import type { TakeOver } from '../../core/recovery/bring-online';
import type { Journal } from '../../core/tasks/journal';
import type { TaskLogLine } from '../../core/tasks/task-log';
import { breakGlassLocks } from '../break-glass';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { durationText, timeText } from '../render/units';
import { usage } from '../usage';

/** `kedge tasks`, `log`, `cancel` */
export function registerTasks(program: Command, run: Registration): void {
  program
    .command('tasks')
    .description('list tasks, newest first')
    .argument('[site]', 'URI of the site; without it those of all sites')
    .option('--limit <count>', 'how many', '50')
    .addHelpText('after', '\nExamples:\n  kedge tasks\n  kedge tasks example.com --limit 5 --json')
    .action(
      run<{ limit: string }>(async (context, [site], options) => {
        const limit = Number(options.limit);
        if (!Number.isInteger(limit) || limit < 1)
          throw usage(`--limit is a number of tasks, not ${JSON.stringify(options.limit)}`);
        if (site !== undefined) await context.assertSite(site);
        const { journals } = await context.master();
        const rows = (await journals.newest(limit, site)).map(describeTask);
        const lines =
          rows.length === 0
            ? ['There are no tasks.']
            : context.printer.table(
                ['Task', 'Status', 'Step', 'Started', 'Time', 'By'],
                rows.map((row) => [
                  row.task,
                  row.status,
                  row.step ?? '',
                  timeText(row.started),
                  durationText(row.durationMs),
                  row.who,
                ]),
              );
        context.printer.result({ tasks: rows }, lines);
      }),
    );

  program
    .command('log')
    .description('the log of a task, or of the newest task of a site')
    .argument('<task|site>', 'id of the task, or URI of the site')
    .option('-f, --follow', 'go on until the task has ended')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge log -f example.com\n  kedge log example.com-20261124.031502-restore --json',
    )
    .action(
      run<{ follow?: boolean }>(async (context, [name = ''], options) => {
        const { task } = await findTask(context, name);
        const { logs, journals } = await context.master();
        const all: TaskLogLine[] = [];
        for (let offset = 0; ;) {
          const ended = !options.follow || (await journals.get(task)).outcome !== null;
          const { lines, next } = await logs.read(task, offset);
          const progressed = next > offset;
          offset = next;
          for (const line of lines) {
            if (!context.options.json) context.printer.result(null, [logLine(line)]);
            else if (options.follow) context.printer.jsonLine(line);
            else all.push(line);
          }
          if (ended && !progressed) break;
          if (!progressed) await delay(FOLLOW_INTERVAL_MS);
        }
        if (context.options.json && !options.follow) context.printer.result({ task, lines: all }, []);
      }),
    );

  program
    .command('cancel')
    .description('stop a running task; it undoes what it did')
    .argument('<task|site>', 'id of the task, or URI of the site')
    .addHelpText('after', '\nExample:\n  kedge cancel example.com')
    .action(
      run<object>(async (context, [name = '']) => {
        const waiting = await siteOfWaitingTask(context, name);
        if (waiting !== null && (await (await context.client()).task(waiting, name).giveUpTurn())) {
          context.printer.result({ task: name, cancelling: false }, [`${name} gave its turn up; it never began`]);
          return;
        }
        const journal = await findTask(context, name);
        if (journal.outcome)
          throw new KedgeError('TaskUnknown', `${journal.task} has ended: ${journal.outcome.status}`, {
            site: journal.site,
          });
        const client = await context.client();
        await client.temporal.workflow
          .getHandle(journal.workflowId, journal.runId)
          .cancel()
          .catch(async (error: unknown) => {
            const { kedgeErrorOf } = await import('../../temporal/failures.js');
            throw kedgeErrorOf(error, journal.site);
          });
        context.printer.result({ task: journal.task, cancelling: true }, [
          `${journal.task} is being cancelled; see \`kedge log -f ${journal.task}\``,
        ]);
      }),
    );
}

/** `kedge abandon` */
export function registerAbandon(program: Command, run: Registration): void {
  program
    .command('abandon')
    .description('give up a task whose undo cannot finish; says what is left of it, for a person to remove')
    .argument('<task>', 'id of the task')
    .option('-y, --yes', 'do not ask')
    .option('-m, --message <why>', 'why, for the log of the task', 'given up by hand')
    .addHelpText('after', '\nExample:\n  kedge abandon example.com-20261124.031502-restore')
    .action(
      run<{ yes?: boolean; message: string }>(async (context, [task = ''], options) => {
        const master = await context.master();
        const journal = await master.journals.get(task);
        const takeOver = { by: context.who(), why: options.message };
        if (journal.outcome) {
          // One whose workflow goes on was given up while Temporal was away.
          if ((await endWorkflowOf(context, journal, takeOver)) !== 'ended')
            throw new KedgeError('TaskUnknown', `${task} has ended: ${journal.outcome.status}`, { site: journal.site });
          context.printer.result({ task, site: journal.site, problems: [], remains: [] }, [
            `the workflow of ${task}, which was given up before, is ended`,
          ]);
          return;
        }
        await confirmAbandon(context, task, options.yes ?? false);
        const operation = commandOperation(context, `abandon-${task}`);
        const parts = { ...master, locks: breakGlassLocks(context, master) };
        const abandoned = await abandonTask(parts, journal, takeOver, operation);
        // Behind the journal: what it leaves would else be recovered.
        const workflow = await endWorkflowOf(context, journal, takeOver);
        const problems = [...master.redact(abandoned.problems, journal.site)];
        if (workflow === 'unknown')
          problems.push(
            `Temporal does not answer: should the workflow of ${task} still be there, \`kedge abandon ${task}\` ends it once Temporal is back`,
          );
        const { leftovers } = abandoned;
        for (const problem of problems) context.printer.warn(problem);
        if (problems.length > 0) context.exitCode = EXIT.warnings;
        context.printer.result({ task, site: journal.site, problems, remains: leftovers }, [
          `${task} was given up`,
          ...leftovers.map((one) => `left, where it was made at all: ${one}`),
        ]);
      }),
    );
}

/** Who gives a task up does not wait for a Temporal that hangs, ms. */
const ANSWER_WITHIN_MS = 10_000;

/** Ends the workflow of a task whose journal is closed: nothing is left for it to undo, and something may hold it for good. */
async function endWorkflowOf(
  context: CommandContext,
  { workflowId, runId }: Journal,
  { by, why }: TakeOver,
): Promise<'ended' | 'was over' | 'unknown'> {
  const { endRun } = await import('../../temporal/foreign-workflows.js');
  try {
    const { temporal } = await context.client();
    const end = (): Promise<boolean> => endRun(temporal, workflowId, runId, `${why} (${by})`);
    return (await temporal.withDeadline(Date.now() + ANSWER_WITHIN_MS, end)) ? 'ended' : 'was over';
  } catch (error) {
    context.printer.detail(context.redact(String(error)));
    return 'unknown';
  }
}

async function confirmAbandon(context: CommandContext, task: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!context.io.isTerminal) throw usage(`nobody will undo the rest of ${task}`, 'Say --yes.');
  const { confirm } = await import('@inquirer/prompts');
  if (!(await confirm({ message: printable(`Give ${task} up? Nobody will undo the rest of it.`), default: false })))
    throw new KedgeError('Cancelled', 'nothing was done');
}

const FOLLOW_INTERVAL_MS = 300;

function describeTask(journal: Journal) {
  const { task, site, type, who, started, outcome, step, description } = journal;
  const status = outcome?.status ?? (journal.undoing ? 'undoing' : 'running');
  const durationMs = new Date(outcome?.ended ?? Date.now()).getTime() - new Date(started).getTime();
  return {
    task,
    site,
    type,
    who,
    description,
    started,
    status,
    step: outcome ? null : step,
    code: outcome?.code ?? null,
    durationMs,
  };
}

/** The site of a task that has no journal: it waits for its turn, or there is none of that id. */
async function siteOfWaitingTask(context: CommandContext, task: string): Promise<string | null> {
  const sites = Object.keys((await context.configuration()).sites);
  const site = sites.find((uri) => WORKFLOW_TYPES.some((type) => isTaskIdOf(task, uri, type)));
  if (site === undefined || (await (await context.master()).journals.find(task))) return null;
  return site;
}

async function findTask(context: CommandContext, name: string): Promise<Journal> {
  const { journals } = await context.master();
  if (Object.hasOwn((await context.configuration()).sites, name)) {
    // The one that runs, whatever time its id says: somebody may have set the clock back.
    const [newest] = [...(await journals.open(name)), ...(await journals.newest(1, name))];
    if (newest) return newest;
    throw new KedgeError('TaskUnknown', `${name} had no task yet`, { site: name });
  }
  return journals.get(name);
}

function logLine(line: TaskLogLine): string {
  return `${line.time.slice(11, 19)}  ${line.level === 'info' ? ' ' : line.level}  ${line.step}: ${line.message}`;
}
