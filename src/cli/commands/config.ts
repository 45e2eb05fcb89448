import type { Command } from 'commander';
import { configurationJsonSchema } from '../../config/schema';
import type { Registration } from '../registration';

/** `kedge config check`, `config schema` */
export function registerConfig(program: Command, run: Registration): void {
  const config = program
    .command('config')
    .description('look at the configuration')
    .addHelpText('after', '\nExamples:\n  kedge config check\n  kedge config schema > kedge.schema.json');
  config
    .command('check')
    .description('read the configuration and say what is wrong with it')
    .addHelpText('after', '\nExample:\n  kedge config check --config /etc/kedge/kedge.yaml')
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
    .addHelpText('after', '\nExample:\n  kedge config schema > kedge.schema.json')
    .action(
      run<object>(async (context) => {
        context.printer.result(
          configurationJsonSchema(),
          JSON.stringify(configurationJsonSchema(), null, 2).split('\n'),
        );
      }),
    );
}
