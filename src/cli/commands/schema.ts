import type { Command } from 'commander';
import { KedgeError } from '../../contract/errors';
import { taskJsonSchemas } from '../../contract/task-schemas';
import type { Registration } from '../registration';

/** `kedge schema` */
export function registerSchema(program: Command, run: Registration): void {
  program
    .command('schema')
    .description('print JSON Schemas of what services exchange with the workflows')
    .argument('[name]', 'one of them, such as restore.input; default: all')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge schema > kedge.schemas.json\n  kedge schema restore.input\n  kedge schema status',
    )
    .action(
      run<object>((context, [name]) => {
        const schemas = taskJsonSchemas();
        const asked = name === undefined ? schemas : schemas[name];
        if (asked === undefined)
          throw new KedgeError('UsageInvalid', `there is no schema ${JSON.stringify(name)}`, {
            hint: `There are: ${Object.keys(schemas).join(', ')}.`,
          });
        context.printer.result(asked, JSON.stringify(asked, null, 2).split('\n'));
        return Promise.resolve();
      }),
    );
}
