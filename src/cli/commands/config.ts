import type { Command } from 'commander';
import { configurationJsonSchema } from '../../config/schema';
import type { Registration } from '../registration';

/** `kedge config check`, `config schema` */
export function registerConfig(program: Command, run: Registration): void {
  const config = program.command('config').description('look at the configuration');
  config
    .command('check')
    .description('read the configuration and say what is wrong with it')
    .action(
      run<object>(async (context) => {
        const path = context.configurationPath();
        const configuration = await context.configuration();
        const sites = Object.keys(configuration.sites).length;
        context.printer.result({ path, sites }, [`${path} is right: ${sites} ${sites === 1 ? 'site' : 'sites'}`]);
      }),
    );
  config
    .command('schema')
    .description('print the JSON Schema of kedge.yaml')
    .action(
      run<object>(async (context) => {
        context.printer.result(
          configurationJsonSchema(),
          JSON.stringify(configurationJsonSchema(), null, 2).split('\n'),
        );
      }),
    );
}
