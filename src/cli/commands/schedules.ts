import type { Command } from 'commander';
import type { ListedSchedule } from '../../contract/documents';
import { KedgeError } from '../../contract/errors';
import { timeText } from '../../contract/units';
import { applySchedules, compareSchedules, listSchedules } from '../../operations/schedules';
import type { ScheduleDifference } from '../../temporal/schedules';
import type { CommandContext } from '../context';
import type { Registration } from '../registration';
import { usage } from '../usage';

interface ApplyOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `kedge schedules` and what stands behind it */
export function registerSchedules(program: Command, run: Registration): void {
  const schedules = program
    .command('schedules')
    .description('list the schedules of backups: next and last runs, and what was missed')
    .addHelpText('after', '\nExamples:\n  kedge schedules\n  kedge schedules --json')
    .action(
      run<object>(async (context) => {
        const listed = await listSchedules(await context.client(), await context.configuration());
        for (const { name, inTemporal } of listed)
          if (inTemporal !== 'applied') context.printer.warn(`${name}: ${NOT_APPLIED[inTemporal]}`);
        context.printer.result({ schedules: listed }, linesOf(context, listed));
      }),
    );

  schedules
    .command('apply')
    .description('have Temporal run the schedules of the configuration; prints what it changes')
    .option('--dry-run', 'print the differences, change nothing')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  kedge schedules apply\n  kedge schedules apply --dry-run --json')
    .action(
      run<ApplyOptions>(async (context, _args, { dryRun = false, yes = false }) => {
        const configuration = await context.configuration();
        const client = await context.client();
        const changes = await compareSchedules(client, configuration);
        const lines = changes.flatMap(changeLines);
        if (dryRun || changes.length === 0) {
          const said = changes.length === 0 ? ['Temporal has the schedules as they are in the configuration'] : lines;
          context.printer.result({ changes, applied: !dryRun }, said);
          return;
        }
        for (const line of lines) context.printer.note(line);
        await confirmChanges(context, changes.length, yes);
        await applySchedules(client, configuration, changes);
        context.printer.result(
          { changes, applied: true },
          changes.map(({ name, change }) => `${name}: ${DONE[change]}`),
        );
      }),
    );
}

const NOT_APPLIED = {
  differs: 'Temporal has it otherwise than the configuration; see `kedge schedules apply --dry-run`',
  missing: 'Temporal does not know it yet; run `kedge schedules apply`',
  'left over': 'the configuration does not have it, and Temporal does; `kedge schedules apply` takes it away',
} as const;

const DONE = { new: 'made', changed: 'changed', gone: 'taken away' } as const;

function changeLines({ name, change, fields }: ScheduleDifference): string[] {
  if (change === 'new') return [`+ ${name}: is new`];
  if (change === 'gone') return [`- ${name}: the configuration does not have it`];
  return [`~ ${name}:`, ...fields.map(({ field, from, to }) => `    ${field}: ${from} -> ${to}`)];
}

async function confirmChanges(context: CommandContext, count: number, yes: boolean): Promise<void> {
  if (yes) return;
  if (!context.io.isTerminal)
    throw usage(`nobody says whether ${count} schedules are to be changed`, 'Say --yes, or --dry-run.');
  const { confirm } = await import('@inquirer/prompts');
  if (!(await confirm({ message: `Change ${count} in Temporal?`, default: true }, context.prompts)))
    throw new KedgeError('Cancelled', 'no schedule was changed', { hint: 'Nothing to do.' });
}

function linesOf(context: CommandContext, listed: readonly ListedSchedule[]): string[] {
  if (listed.length === 0) return ['There are no schedules: `schedules:` of the configuration says which there are.'];
  const rows = listed.map(({ name, cron, timeZone, sites, paused, next: [next], last, missed, skipped }) => [
    name,
    `${cron} ${timeZone}`,
    String(sites.length),
    paused === null ? (next === undefined ? 'never' : timeText(next)) : `paused${paused === '' ? '' : `: ${paused}`}`,
    last === null ? 'never' : timeText(last.started),
    last === null ? '' : outcomeText(last),
    String(missed),
    String(skipped),
  ]);
  return context.printer.table(
    ['Schedule', 'Runs', 'Sites', 'Next', 'Last', 'How it ended', 'Missed', 'Skipped'],
    rows,
  );
}

function outcomeText({ outcome, counts, error }: NonNullable<ListedSchedule['last']>): string {
  if (error !== null) return `${outcome}: ${error.code}: ${error.message}`;
  return counts === null ? outcome : `${outcome}: ${counts.done} backed up, ${counts.failed} failed`;
}
