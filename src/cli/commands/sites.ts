import type { Command } from 'commander';
import { adoptSite } from '../../operations/adopt-site';
import { findSite } from '../../config/inventory';
import { forgetSite } from '../../operations/forget-site';
import { bringSiteOnline } from '../../operations/bring-site-online';
import { listSites } from '../../operations/list-sites';
import { showSite } from '../../operations/show-site';
import { printable } from '../../contract/printable';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { registerLetGo } from './sites-let-go';

/** `kedge sites`, `sites show`, `sites adopt`, `sites online`, `sites forget`, `sites let-go` */
export function registerSites(program: Command, run: Registration): void {
  const sites = program
    .command('sites')
    .description('list the sites of the configuration')
    .addHelpText('after', '\nExamples:\n  kedge sites\n  kedge sites adopt example.com')
    .action(
      run<object>(async (context) => {
        const rows = await listSites(await context.parts(), await context.configuration());
        context.printer.result(
          { sites: rows },
          context.printer.table(
            ['Site', 'Kind', 'Folder', 'Adopted', 'Last backup'],
            rows.map((row) => [row.site, row.kind, row.root, row.adopted ? 'yes' : 'no', row.lastBackup ?? 'never']),
          ),
        );
      }),
    );

  sites
    .command('show')
    .description(
      'what Kedge knows of a site, databases and folders that restores replaced and that are kept among it; no password',
    )
    .argument('<site>', 'URI of the site')
    .addHelpText('after', '\nExample:\n  kedge sites show example.com')
    .action(
      run<object>(async (context, [name = '']) => {
        const uri = await context.site(name);
        const document = await showSite(await context.parts(), uri);
        context.printer.result(document, JSON.stringify(document, null, 2).split('\n'));
      }),
    );

  registerLetGo(sites, run);

  sites
    .command('forget')
    .description(
      'remove what is kept on the master of the files of a site elsewhere, from which its next backup would bring no more than what is new; its backups stay',
    )
    .argument('<site>', 'URI of the site, also of one that is in the configuration no more')
    .addHelpText('after', '\nExample:\n  kedge sites forget old.example.com')
    .action(
      run<object>(async (context, [name = '']) => {
        const site = findSite(await context.configuration(), name) ?? name;
        const forgotten = await forgetSite(await context.parts(), site, commandOperation(context, 'forget'));
        context.printer.result({ site, forgotten }, [
          printable(forgotten ? `nothing of ${site} is kept but its backups` : `no files of ${site} were kept`),
        ]);
      }),
    );

  sites
    .command('online')
    .description(
      'break-glass: take a site over from its running task, with Temporal up or down, and bring back whatever keeps it from its visitors: folder, account, vhost, maintenance page',
    )
    .argument('<site>', 'URI of the site')
    .option('-m, --message <why>', 'why, for the log of the task that is taken over', 'taken over by hand')
    .addHelpText('after', '\nExample:\n  kedge sites online example.com')
    .action(
      run<{ message: string }>(async (context, [name = ''], options) => {
        const uri = await context.site(name);
        const { tasks, found, ended, problems } = await bringSiteOnline(
          await context.parts(),
          await context.configuration(),
          () => context.client(),
          uri,
          { by: context.who(), why: options.message },
          commandOperation(context, `online-${uri}`),
          (message) => context.printer.note(context.redact(message)),
        );
        for (const problem of problems) context.printer.warn(problem);
        if (problems.length > 0) context.exitCode = EXIT.warnings;
        const lines = [
          ...ended.map(
            ({ workflowId, why }) => `${workflowId} was held by a workflow that is not Kedge's: ${why}; it is ended`,
          ),
          ...tasks.map(({ task }) => `${uri} was taken over from ${task}, which can only undo now`),
          ...found.filter(({ removed }) => removed).map(({ what }) => `${uri}: ${what}; put right`),
        ];
        context.printer.result(
          { site: uri, tasks, found, ended },
          lines.length + problems.length === 0
            ? [`no task holds ${uri}, and nothing keeps it from its visitors; nothing was changed`]
            : lines,
        );
      }),
    );

  sites
    .command('adopt')
    .description(
      "read a running site's credentials from its settings, prove them, and remember them; writes its vhost or snippet, and proves its maintenance page",
    )
    .argument('<site>', 'URI of the site')
    .addHelpText('after', '\nExample:\n  kedge sites adopt example.com')
    .action(
      run<object>(async (context, [name = '']) => {
        const uri = await context.site(name);
        const adopted = await adoptSite(await context.parts(), uri, commandOperation(context, `adopt-${uri}`));
        context.printer.result(adopted, [
          `${uri} is adopted: database ${adopted.database}, account ${adopted.account.user}`,
        ]);
      }),
    );
}
