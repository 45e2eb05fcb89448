import type { Command } from 'commander';
import type { NotifyTest } from '../../contract/documents';
import { receiversToTest, testReceivers } from '../../operations/test-receivers';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';

/** `kedge notify test` */
export function registerNotify(program: Command, run: Registration): void {
  const notify = program
    .command('notify')
    .description('look at who is told what goes wrong')
    .addHelpText('after', '\nExample:\n  kedge notify test');
  notify
    .command('test')
    .description('tell the receivers of the configuration a test, and print what each answered; works without Temporal')
    .argument('[receiver...]', 'names of receivers; default: all')
    .addHelpText(
      'after',
      '\nExit codes: 0 all took it, 1 one at least did not.\n' +
        '\nExamples:\n  kedge notify test\n  kedge notify test pager --json',
    )
    .action(
      run<object>(async (context, names) => {
        const configuration = await context.configuration();
        const receivers = receiversToTest(configuration, names);
        const parts = await context.parts();
        const { printer } = context;
        printer.running('telling');
        const tested = await testReceivers(parts, configuration, receivers, commandOperation(context, 'notify'));
        const refused = tested.filter(({ problem }) => problem !== null);
        for (const { receiver, answer, problem } of tested) {
          if (problem === null) printer.done(`${receiver} took it${answer ? `: ${answer}` : ''}`);
          else printer.failed(`${receiver} did not take it: ${problem.message} (${problem.code})`);
          if (problem !== null) printer.note(`  hint: ${problem.hint}`);
        }
        if (refused.length > 0) context.exitCode = EXIT.failed;
        const document: NotifyTest = { ok: refused.length === 0, receivers: tested };
        printer.result(document, [
          refused.length === 0
            ? `${tested.length} of ${tested.length} took it.`
            : `${refused.length} of ${tested.length} did not take it: ${refused.map(({ receiver }) => receiver).join(', ')}`,
        ]);
      }),
    );
}
