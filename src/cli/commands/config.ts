import type { Command } from 'commander';
import { configurationJsonSchema } from '../../config/schema';
import { createLocalHost } from '../../core/hosts/local-host';
import { webServerKindOf } from '../../core/web/web-server-kinds';
import { configuredFiles } from '../../operations/configured-files';
import type { Registration } from '../registration';

/** `kedge config check`, `config schema`, `config template` */
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
        const host = createLocalHost({ name: configuration.master });
        for (const file of await configuredFiles(configuration, host)) await host.assertTrusted(file);
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
  config
    .command('template')
    .description('print the template of a managed vhost, to begin one of your own with')
    .addHelpText('after', '\nExample:\n  kedge config template > /etc/kedge/vhost.mustache')
    .action(
      run<object>(async (context) => {
        const { template } = webServerKindOf({ kind: 'nginx' });
        context.printer.result({ template }, template.trimEnd().split('\n'));
      }),
    );
}
