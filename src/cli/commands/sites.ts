import type { Command } from 'commander';
import { taskQueueOf } from '../../contract/names';
import { type TakeOver, bringOnline, removeObstacles } from '../../core/recovery/bring-online';
import type { ForeignWorkflow } from '../../temporal/foreign-workflows';
import { breakGlassLocks } from '../break-glass';
import type { CommandContext } from '../context';
import type { Master } from '../../composition';
import { isKedgeError } from '../../contract/errors';
import type { Target } from '../../contract/target';
import { keptDatabases } from '../../core/kept/kept-databases';
import { type KeptOfBackup, keptOfBackups } from '../../core/kept/kept-originals';
import type { SiteState } from '../../core/tasks/site-state';
import { EXIT } from '../exit-codes';
import { proveAdoption } from '../../core/sites/adoption';
import { environmentOfSite } from '../../core/php/environment-of-site';
import { liveFolder } from '../../core/sites/site-folder';
import type { Registration } from '../registration';
import { commandOperation } from '../operation';
import { registerLetGo } from './sites-let-go';

/** Who breaks the glass does not wait for a Temporal that hangs, ms. */
const ANSWER_WITHIN_MS = 10_000;

/** Ends what keeps the tasks of a site from beginning. With Temporal away that has to wait. */
async function endForeign(context: CommandContext, site: string, { by, why }: TakeOver): Promise<ForeignWorkflow[]> {
  const { endForeignWorkflow, findForeignWorkflows } = await import('../../temporal/foreign-workflows.js');
  try {
    const { temporal } = await context.client();
    const queue = taskQueueOf((await context.configuration()).master);
    return await temporal.withDeadline(Date.now() + ANSWER_WITHIN_MS, async () => {
      const found = await findForeignWorkflows(temporal, queue, site);
      for (const one of found) await endForeignWorkflow(temporal, one, `${why} (${by})`);
      return found;
    });
  } catch (error) {
    context.printer.note(
      `whether a workflow that is not Kedge's holds ${site} cannot be seen: ${error instanceof Error ? error.message : String(error)}`,
    );
    return [];
  }
}

/** `kedge sites`, `sites show`, `sites adopt`, `sites online`, `sites let-go` */
export function registerSites(program: Command, run: Registration): void {
  const sites = program
    .command('sites')
    .description('list the sites of the configuration')
    .addHelpText('after', '\nExamples:\n  kedge sites\n  kedge sites adopt example.com')
    .action(
      run<object>(async (context) => {
        const configuration = await context.configuration();
        const { states, catalog } = await context.master();
        const rows = await Promise.all(
          Object.entries(configuration.sites).map(async ([uri, site]) => {
            const state = await states.find(uri);
            const newest = (await catalog.list(uri)).backups[0];
            return {
              site: uri,
              kind: site.kind,
              root: site.root,
              paths: site.paths ?? {},
              adopted: state !== undefined,
              lastBackup: newest?.created ?? null,
            };
          }),
        );
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
      run<object>(async (context, [uri = '']) => {
        await context.assertSite(uri);
        const master = await context.master();
        const target = await master.resolveTarget(uri);
        const state = await master.states.find(uri);
        const current = state
          ? {
              database: state.current.database,
              account: state.current.account,
              address: state.current.address,
              madeByKedge: state.current.madeByKedge,
            }
          : null;
        const kept = state ? await keptWithSizes(master, target, state) : [];
        const originals = await originalsWithSizes(master, target);
        const document = { site: target.site, database: current, kept, originals, web: target.web.name };
        context.printer.result(document, JSON.stringify(document, null, 2).split('\n'));
      }),
    );

  registerLetGo(sites, run);

  sites
    .command('online')
    .description(
      'break-glass: take a site over from its running task, with Temporal up or down, and bring back whatever keeps it from its visitors: folder, account, vhost, maintenance page',
    )
    .argument('<site>', 'URI of the site')
    .option('-m, --message <why>', 'why, for the log of the task that is taken over', 'taken over by hand')
    .addHelpText('after', '\nExample:\n  kedge sites online example.com')
    .action(
      run<{ message: string }>(async (context, [uri = ''], options) => {
        await context.assertSite(uri);
        const master = await context.master();
        const takeOver = { by: context.who(), why: options.message };
        const operation = commandOperation(context, `online-${uri}`);
        const locks = breakGlassLocks(context, master);
        const tasks = master.redact(await bringOnline({ ...master, locks }, uri, takeOver, operation), uri);
        const target = await master.resolveTarget(uri);
        const view = {
          target,
          host: master.webHost(),
          kind: master.kindOf(target),
          webServer: master.webServer(target.web),
          databaseServer: () => master.databaseServer(target.database),
          journals: master.journals,
          states: master.states,
        };
        const found = master.redact(await removeObstacles(view, locks, operation), uri);
        const problems = [
          ...tasks.flatMap((task) => task.problems),
          ...found.flatMap(({ what, problem }) => (problem === null ? [] : [`${what}: ${problem}`])),
        ];
        const ended = await endForeign(context, uri, takeOver);
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
      run<object>(async (context, [uri = '']) => {
        await context.assertSite(uri);
        const master = await context.master();
        const target = await master.resolveTarget(uri);
        const operation = commandOperation(context, `adopt-${uri}`);
        const claimed = new Map<string, string>();
        const states = await master.states.all();
        for (const state of states) if (state.site !== uri) claimed.set(state.current.database, state.site);
        const { settings, account } = await proveAdoption({
          folder: liveFolder(master.webHost(), target.site),
          kind: master.kindOf(target),
          server: await master.databaseServer(target.database),
          claimedDatabases: claimed,
          environmentOf: () => environmentOfSite(master.webServer(target.web), target.site, operation),
          operation,
        });
        // In turn with tasks of the site, and with the sweeper: neither drops a database that is adopted at this moment.
        await master.locks.hold(uri, operation, async () => {
          const known = await master.states.find(uri);
          const same = known?.current.database === settings.database && known.current.account.user === account.user;
          await master.states.save({
            version: 1,
            site: uri,
            current: {
              database: settings.database,
              account: { user: account.user, hosts: [...account.hosts] },
              password: settings.password,
              address: settings.address,
              madeByKedge: same ? known.current.madeByKedge : false,
            },
            kept: known?.kept ?? [],
          });
          await master.webServer(target.web).writeVhost(target.site, operation);
        });
        context.printer.result({ site: uri, database: settings.database, account }, [
          `${uri} is adopted: database ${settings.database}, account ${account.user}`,
        ]);
      }),
    );
}

/** What safety backups keep of what they do not hold. */
async function originalsWithSizes(master: Master, target: Target): Promise<KeptOfBackup[]> {
  const { backups } = await master.catalog.list(target.site.uri);
  if (backups.every(({ kept }) => kept === undefined)) return [];
  try {
    return await keptOfBackups(backups, await master.databaseServer(target.database));
  } catch (error) {
    if (!isKedgeError(error)) throw error;
    return keptOfBackups(backups, null);
  }
}

/** With size and age; where the server cannot be asked, as the state has it. */
async function keptWithSizes(master: Master, target: Target, state: SiteState): Promise<object[]> {
  if (state.kept.length === 0) return [];
  try {
    return await keptDatabases(state, await master.databaseServer(target.database));
  } catch (error) {
    if (!isKedgeError(error)) throw error;
    return state.kept;
  }
}
