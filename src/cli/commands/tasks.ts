import type { Command } from 'commander';
import { siteWorkflowId } from '../../contract/names';
import type { TaskLogLine } from '../../core/tasks/task-log';
import { cancelTask } from '../../operations/cancel-task';
import { findTask } from '../../operations/find-task';
import { giveUpTask } from '../../operations/give-up-task';
import { listTasks } from '../../operations/list-tasks';
import { retryTask } from '../../operations/retry-task';
import { readTaskLog } from '../../operations/read-task-log';
import { confirm } from '../confirm';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { pausedStepText } from '../render/waiting';
import { sentenceOf } from '../../contract/steps';
import { durationText, timeText } from '../../contract/units';
import { usage } from '../usage';

/** `kedge tasks`, `tasks retry`, `log`, `cancel` */
export function registerTasks(program: Command, run: Registration): void {
  const tasks = program
    .command('tasks')
    .description('list tasks, newest first')
    .argument('[site]', 'URI of the site; without it those of all sites')
    .option('--limit <count>', 'how many', '50')
    .addHelpText('after', '\nExamples:\n  kedge tasks\n  kedge tasks example.com --limit 5 --json')
    .action(
      run<{ limit: string }>(async (context, [name], options) => {
        const limit = Number(options.limit);
        if (!Number.isInteger(limit) || limit < 1)
          throw usage(`--limit is a number of tasks, not ${JSON.stringify(options.limit)}`);
        const site = name === undefined ? undefined : await context.site(name);
        const rows = await listTasks(await context.parts(), () => context.client(), { limit, site });
        const lines =
          rows.length === 0
            ? ['There are no tasks.']
            : context.printer.table(
                ['Task', 'Status', 'Step', 'Started', 'Time', 'By'],
                rows.map((row) => [
                  row.task,
                  row.paused.length > 0 ? 'paused' : row.status,
                  row.paused.length > 0
                    ? row.paused.map(({ step }) => sentenceOf(step)).join(', ')
                    : sentenceOf(row.step ?? ''),
                  timeText(row.started),
                  durationText(row.durationMs),
                  row.who,
                ]),
              );
        const pauses = rows.flatMap(({ task, site: uri, paused }) =>
          paused.map(({ step, ...pause }) => `${task}: ${pausedStepText(siteWorkflowId(uri), step, pause)}`),
        );
        context.printer.result({ tasks: rows }, pauses.length === 0 ? lines : [...lines, '', ...pauses]);
      }),
    );

  tasks
    .command('retry')
    .description('try again at once what failed and waits for its next attempt')
    .argument('<task|site>', 'id of the task, or URI of the site')
    .addHelpText(
      'after',
      '\nTemporal tries again by itself, after longer and longer pauses: this is for who knows that a server is back.\n' +
        '\nExample:\n  kedge tasks retry example.com',
    )
    .action(
      run<object>(async (context, [name = '']) => {
        const retried = await retryTask(
          await context.parts(),
          await context.configuration(),
          () => context.client(),
          name,
        );
        const { task, steps } = retried;
        context.printer.result(retried, [
          steps.length === 0
            ? `no step of ${task} waits for another attempt`
            : `${task} tries again now: ${steps.map(sentenceOf).join(', ')}`,
        ]);
      }),
    );

  program
    .command('log')
    .description('the log of a task, or of the newest task of a site')
    .argument('<task|site>', 'id of the task, or URI of the site')
    .option('-f, --follow', 'go on until the task has ended')
    .addHelpText(
      'after',
      '\nCtrl-C, SIGTERM and the end of the terminal end the following; the task goes on.\n' +
        '\nExamples:\n  kedge log -f example.com\n  kedge log example.com-20261124.031502-restore --json',
    )
    .action(
      run<{ follow?: boolean }>(async (context, [name = ''], options) => {
        const parts = await context.parts();
        const { task } = await findTask(parts, await context.configuration(), name);
        const all: TaskLogLine[] = [];
        for await (const line of readTaskLog(parts, task, {
          follow: options.follow ?? false,
        })) {
          if (!context.options.json) context.printer.result(null, [logLine(line)]);
          else if (options.follow) context.printer.jsonLine(line);
          else all.push(line);
        }
        if (context.options.json && !options.follow) context.printer.result({ task, lines: all }, []);
      }),
    );

  program
    .command('cancel')
    .description('stop a running task; it undoes what it did')
    .argument('<task|site>', 'id of the task, or URI of the site; or ID of the run that backs up many')
    .addHelpText('after', '\nExamples:\n  kedge cancel example.com\n  kedge cancel backup-all/20261124.031502')
    .action(
      run<object>(async (context, [name = '']) => {
        const cancelled = await cancelTask(
          await context.parts(),
          await context.configuration(),
          () => context.client(),
          name,
        );
        const { task, cancelling } = cancelled;
        context.printer.result(cancelled, [
          cancelling
            ? `${task} is being cancelled; see ${task.includes('/') ? '`kedge tasks`' : `\`kedge log -f ${task}\``}`
            : `${task} gave its turn up; it never began`,
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
    .option('--machine-gone', 'the web server of the site does not answer, and never will')
    .addHelpText('after', '\nExample:\n  kedge abandon example.com-20261124.031502-restore')
    .action(
      run<{ yes?: boolean; message: string; machineGone?: boolean }>(async (context, [task = ''], options) => {
        const parts = await context.parts();
        const journal = await parts.journals.get(task);
        if (!journal.outcome)
          await confirm(
            context,
            {
              message: `Give ${task} up? Nobody will undo the rest of it.`,
              otherwise: `nobody will undo the rest of ${task}`,
              refused: 'nothing was done',
            },
            options.yes ?? false,
          );
        const { before, problems, leftovers } = await giveUpTask(
          parts,
          () => context.client(),
          journal,
          { by: context.who(), why: options.message, machineIsGone: options.machineGone ?? false },
          commandOperation(context, `abandon-${task}`),
          (message) => context.printer.note(context.redact(message)),
        );
        for (const problem of problems) context.printer.warn(problem);
        if (problems.length > 0) context.exitCode = EXIT.warnings;
        context.printer.result(
          { task, site: journal.site, problems, remains: leftovers },
          before
            ? [`the workflow of ${task}, which was given up before, is ended`]
            : [`${task} was given up`, ...leftovers.map((one) => `left, where it was made at all: ${one}`)],
        );
      }),
    );
}

function logLine(line: TaskLogLine): string {
  return `${line.time.slice(11, 19)}  ${line.level === 'info' ? ' ' : line.level}  ${line.step}: ${line.message}`;
}
