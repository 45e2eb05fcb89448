import type { Command } from 'commander';
import { KedgeError } from '../../contract/errors';
import { printable } from '../../contract/printable';
import { type LetGoPlan, describeKept, keptDatabases, letGo, planLetGo } from '../../core/tasks/kept-databases';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { usage } from '../usage';

/** `kedge sites let-go` */
export function registerLetGo(sites: Command, run: Registration): void {
  sites
    .command('let-go')
    .description(
      'drop a database that a restore replaced and Kedge had not made, with its account; shows first what would go, and asks',
    )
    .argument('<site>', 'URI of the site')
    .argument('[database]', 'name of the kept database; without it all that are kept of the site')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge sites let-go example.com\n  kedge sites let-go example.com old_shop --yes',
    )
    .action(
      run<{ yes?: boolean }>(async (context, [uri = '', wanted], { yes = false }) => {
        await context.assertSite(uri);
        const master = await context.master();
        const { states, journals } = master;
        const state = await states.get(uri);
        const target = await master.resolveTarget(uri);
        const server = await master.databaseServer(target.database);
        const kept = await keptDatabases(state, server);
        const chosen = kept.filter(({ database }) => wanted === undefined || database === wanted);
        if (chosen.length === 0) {
          if (wanted !== undefined)
            throw usage(`${uri} keeps no database ${wanted}`, `See \`kedge sites show ${uri}\`.`);
          context.printer.result({ site: uri, letGo: [] }, [`${uri} keeps no database of before`]);
          return;
        }
        const everything = { states: await states.all(), open: await journals.open(), server };
        const plans: LetGoPlan[] = [];
        for (const one of chosen) plans.push(await planLetGo(one, uri, everything));
        await confirmLetGo(context, uri, plans, yes);
        const operation = commandOperation(context, `let-go-${uri}`);
        await master.locks.hold(uri, operation, async () => {
          const [open] = await journals.open(uri);
          if (open) throw new KedgeError('SiteBusy', `${uri} is busy: ${open.task}`, { site: uri });
          for (const plan of plans) {
            // Once more: a site may have been given the database meanwhile.
            const now = await planLetGo(plan, uri, {
              states: await states.all(),
              open: await journals.open(),
              server,
            });
            await letGo(now, server);
            const current = await states.get(uri);
            await states.save({
              ...current,
              kept: current.kept.filter(({ database }) => database !== plan.database),
            });
          }
        });
        const stays = plans.filter(({ accountStays }) => accountStays !== null);
        for (const { account, accountStays } of stays)
          context.printer.warn(`the account ${account.user} stays: ${accountStays}`);
        if (stays.length > 0) context.exitCode = EXIT.warnings;
        context.printer.result(
          { site: uri, letGo: plans },
          plans.map(({ database, account, accountStays }) =>
            printable(`dropped ${database}${accountStays === null ? ` and its account ${account.user}` : ''}`),
          ),
        );
      }),
    );
}

async function confirmLetGo(
  context: CommandContext,
  uri: string,
  plans: readonly LetGoPlan[],
  yes: boolean,
): Promise<void> {
  if (yes) return;
  const what = plans.map(
    (plan) =>
      `${describeKept(plan, new Date())}; account ${plan.account.user} ${plan.accountStays === null ? 'too' : `stays: ${plan.accountStays}`}`,
  );
  if (!context.io.isTerminal)
    throw usage(`letting go of what ${uri} keeps drops it for good: ${what.join('; ')}`, 'Say --yes.');
  for (const line of what) context.printer.note(printable(line));
  const { confirm } = await import('@inquirer/prompts');
  if (await confirm({ message: `Drop what ${uri} keeps, for good? Backups stay.`, default: false })) return;
  throw new KedgeError('Cancelled', 'nothing was done', { state: 'nothing was changed' });
}
