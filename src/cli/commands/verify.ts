import type { Command } from 'commander';
import { reportTask } from '../follow-task';
import type { Registration } from '../registration';
import { type TaskOptions, submitOptions, withTaskOptions } from './task-options';

/** `kedge verify` */
export function registerVerify(program: Command, run: Registration): void {
  withTaskOptions(program.command('verify'))
    .alias('provision-verify')
    .description('check settings, login, vhost and a page of a site; writes its managed vhost')
    .argument('<site>', 'URI of the site')
    .addHelpText('after', '\nExample:\n  kedge verify example.com')
    .action(
      run<TaskOptions>(async (context, [name = ''], options) => {
        const site = await context.site(name);
        const client = await context.client();
        const key = options.requestKey === undefined ? {} : { requestKey: options.requestKey };
        const submit = () => client.verify({ site, who: context.who(), ...key }, submitOptions(options));
        await reportTask(context, submit, options.detach ?? false, ({ status, warnings }) => [
          warnings.length === 0 ? `${site} answers ${status}: all is well` : `${site} answers ${status}`,
        ]);
      }),
    );
}
