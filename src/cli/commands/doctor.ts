import type { Command } from 'commander';
import type { DoctorReport, Finding } from '../../contract/findings';
import type { Operation } from '../../core/operation';
import { CONFIGURATION_CHECK, examineInstallation } from '../../operations/examine-installation';
import { sweepInstallation } from '../../operations/sweep-installation';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { findingLines } from '../render/findings';

/** `kedge doctor` */
export function registerDoctor(program: Command, run: Registration): void {
  program
    .command('doctor')
    .description('check everything and say how to mend it; changes nothing without --sweep')
    .option('--sweep', 'first remove what closed tasks and crashes left behind, as the worker does every hour')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, 1 errors, 2 the configuration is invalid, 3 warnings only.\n' +
        '\nExamples:\n  kedge doctor\n  kedge doctor --json\n  kedge doctor --sweep',
    )
    .action(
      run<{ sweep?: boolean }>(async (context, _args, { sweep }) => {
        const operation = commandOperation(context, 'doctor');
        const removed = sweep ? await sweepNow(context, operation) : null;
        context.printer.running('checking');
        const findings = await examineAll(context, operation);
        context.exitCode = exitCodeOf(findings);
        const report: DoctorReport = {
          ok: findings.every(({ level }) => level === 'note'),
          ...(removed === null ? {} : { removed: [...removed] }),
          findings,
        };
        const grouped = context.io.isTerminal && 'isTTY' in context.io.stdout && context.io.stdout.isTTY === true;
        context.printer.colouredResult(report, findingLines(findings, { grouped, colors: context.printer.colors }));
      }),
    );
}

/** Removes what it can, and leaves it to the checks to say what is left. */
async function sweepNow(context: CommandContext, operation: Operation): Promise<readonly string[]> {
  const parts = await context.parts();
  context.printer.running('sweeping');
  const removed = await sweepInstallation(parts, operation);
  for (const what of removed) context.printer.note(`removed ${what}`);
  return removed;
}

/** Every finding on everything the configuration of a context names. */
export async function examineAll(context: CommandContext, operation: Operation): Promise<Finding[]> {
  const examined = {
    configuration: () => context.configuration(),
    configurationPath: () => context.configurationPath(),
    environment: context.io.environment,
    parts: () => context.parts(),
    client: () => context.client(),
  };
  return examineInstallation(examined, operation);
}

function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.some(({ check }) => check === CONFIGURATION_CHECK)) return EXIT.usage;
  if (findings.some(({ level }) => level === 'error')) return EXIT.failed;
  return findings.some(({ level }) => level === 'warning') ? EXIT.warnings : EXIT.done;
}
