import { resolve } from 'node:path';
import type { Command } from 'commander';
import { reportTask } from '../follow-task';
import type { Registration } from '../registration';
import { durationText } from '../render/units';
import { type TaskOptions, submitOptions, withTaskOptions } from './task-options';

/** `kedge deploy` */
export function registerDeploy(program: Command, run: Registration): void {
  withTaskOptions(program.command('deploy'))
    .alias('provision-deploy')
    .description('make a new site of an archive; a site that is there already is never overwritten')
    .argument('<archive>', 'path of an archive on the master, packed by Kedge from a site of this URI')
    .argument('<site>', 'URI of the site; its entry in the configuration says where it is to live')
    .addHelpText('after', '\nExample:\n  kedge deploy /root/example.com-20261124.031502.tar.zst example.com')
    .action(
      run<TaskOptions>(async (context, [archive = '', site = ''], options) => {
        await context.assertSite(site);
        const client = await context.client();
        const key = options.requestKey === undefined ? {} : { requestKey: options.requestKey };
        const handle = await client.deploy(
          { site, archive: resolve(context.io.workingFolder, archive), who: context.who(), ...key },
          submitOptions(options),
        );
        await reportTask(context, handle, options.detach ?? false, ({ deployed, durationMs }) => [
          `Deployed ${site} from ${deployed} in ${durationText(durationMs)}`,
        ]);
      }),
    );
}
