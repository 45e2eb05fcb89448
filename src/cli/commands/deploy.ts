import { resolve } from 'node:path';
import type { Command } from 'commander';
import { KedgeError } from '../../contract/errors';
import type { CommandContext } from '../context';
import { reportTask } from '../follow-task';
import type { Registration } from '../registration';
import { durationText } from '../../contract/units';
import { REPLACE_TEXT, type TaskOptions, submitOptions, withTaskOptions } from './task-options';

interface DeployOptions extends TaskOptions {
  replaceText?: boolean;
}

/** `kedge deploy` */
export function registerDeploy(program: Command, run: Registration): void {
  withTaskOptions(program.command('deploy'))
    .alias('provision-deploy')
    .description('make a new site of an archive; a site that is there already is never overwritten')
    .argument('<archive>', 'path of an archive on the master, packed by Kedge from a site of this URI')
    .argument('<site>', 'URI of the site; its entry in the configuration says where it is to live')
    .option(...REPLACE_TEXT)
    .addHelpText('after', '\nExample:\n  kedge deploy /root/example.com-20261124.031502.tar.zst example.com')
    .action(
      run<DeployOptions>(async (context, [archive = '', name = ''], options) => {
        const site = await context.site(name);
        await context.assertMayAsk('deploy');
        const client = await context.client();
        const key = options.requestKey === undefined ? {} : { requestKey: options.requestKey };
        const text = options.replaceText ? { replaceText: true } : {};
        const path = resolve(context.io.workingFolder, archive);
        await vouchFor(context, site, path);
        const submit = () =>
          client.deploy({ site, archive: path, who: context.who(), ...text, ...key }, submitOptions(options));
        await reportTask(context, submit, options.detach ?? false, ({ deployed, durationMs, logins = [] }) => [
          `Deployed ${site} from ${deployed} in ${durationText(durationMs)}`,
          ...logins.map((sentence) => `Note: ${sentence}`),
        ]);
      }),
    );
}

/**
 * The worker takes archives from the configured folders alone, unless somebody who can write to its state says that this one
 * may be deployed, wherever it lies.
 */
async function vouchFor(context: CommandContext, site: string, path: string): Promise<void> {
  const { requests } = await context.parts();
  await requests.admitArchive(site, path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EACCES' && cause.code !== 'EPERM') throw cause;
    throw new KedgeError('FileRefused', `${path} lies in none of the folders that sites are deployed from`, {
      site,
      cause,
      state: 'nothing was changed',
      hint: "Run it as the worker's user, or put the archive into a folder that requests.deployFrom names.",
    });
  });
}
