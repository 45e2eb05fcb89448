import type { Command } from 'commander';
import { type Configuration, configurationJsonSchema } from '../../config/schema';
import { whyUnreached } from '../../config/ssh';
import { KedgeError } from '../../contract/errors';
import { createLocalHost } from '../../core/hosts/local-host';
import { webServerKindOf } from '../../core/web/web-server-kinds';
import { checkConfiguredSites } from '../../operations/check-configuration';
import { configuredFiles } from '../../operations/configured-files';
import type { CommandContext } from '../context';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';

/** `kedge config check`, `config schema`, `config template` */
export function registerConfig(program: Command, run: Registration): void {
  const config = program
    .command('config')
    .description('look at the configuration')
    .addHelpText('after', '\nExamples:\n  kedge config check\n  kedge config schema > kedge.schema.json');
  config
    .command('check')
    .description(
      'read the configuration and say what is wrong with it: the file, and what `kedge sites adopt` would refuse',
    )
    .option(
      '--file-only',
      'look at neither sites nor servers: for another machine, or a site that is yet to be deployed',
    )
    .addHelpText(
      'after',
      '\nChanges nothing. The line that the vhost of a site has to include is not asked for: `kedge sites adopt` tells it.\n' +
        '\nExamples:\n  kedge config check --config /etc/kedge/kedge.yaml\n  kedge config check --file-only --config ./kedge.yaml',
    )
    .action(
      run<{ fileOnly?: boolean }>(async (context, _args, options) => {
        const path = context.configurationPath();
        const configuration = await context.configuration();
        const host = createLocalHost({ name: configuration.master });
        for (const file of await configuredFiles(configuration, host)) await host.assertTrusted(file);
        if (options.fileOnly === true) refuseUnreached(configuration, path);
        else await checkSites(context, path, Object.keys(configuration.sites));
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

/** @throws KedgeError ConfigurationInvalid, a line for each site whose web server does not reach its database server */
function refuseUnreached(configuration: Configuration, path: string): void {
  const lines = Object.keys(configuration.sites).flatMap((uri) => {
    const unreached = whyUnreached(configuration, uri);
    return unreached === null ? [] : [`${path}: sites.${uri}.${unreached.key}: ${unreached.message}`];
  });
  if (lines.length > 0) throw new KedgeError('ConfigurationInvalid', lines.join('\n'));
}

/** @throws KedgeError ConfigurationInvalid, a line for each site that would not be adopted */
async function checkSites(context: CommandContext, path: string, sites: readonly string[]): Promise<void> {
  context.printer.running('trying what adopting the sites would refuse');
  const operation = commandOperation(context, 'config-check');
  const { refused, passedOver } = await checkConfiguredSites(await context.parts(), sites, operation);
  context.printer.idle();
  for (const site of passedOver) context.printer.note(`${site} is passed over: a task is at work on it`);
  if (refused.length === 0) return;
  const lines = refused.map(({ site, message, hint }) => `${path}: sites.${site}: ${message} - ${hint}`);
  throw new KedgeError('ConfigurationInvalid', lines.join('\n'), {
    hint: '`kedge sites adopt` would refuse these as they are.',
  });
}
