import type { Command } from 'commander';
import type { BackupRecord } from '../../contract/backup-record';
import { KedgeError } from '../../contract/errors';
import { printable } from '../../contract/printable';
import {
  type KeptDatabase,
  type LetGoPlan,
  describeKept,
  keptDatabases,
  letGo,
  planLetGo,
} from '../../core/kept/kept-databases';
import { forgetKept, forgetKeptDatabase } from '../../core/kept/kept-originals';
import { describeKept as describeKeptOf, letGoOfKept } from '../../core/kept/let-go';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import { letGoPartsOf } from '../let-go-parts';
import type { Registration } from '../registration';
import { usage } from '../usage';

/** `kedge sites let-go` */
export function registerLetGo(sites: Command, run: Registration): void {
  sites
    .command('let-go')
    .description(
      'drop a database that a restore replaced and Kedge had not made, with its account, and the originals of what safety backups do not hold; shows first what would go, and asks',
    )
    .argument('<site>', 'URI of the site')
    .argument(
      '[kept]',
      'name of the kept database, or id of the safety backup that keeps originals; without it all that is kept of the site',
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  kedge sites let-go example.com\n  kedge sites let-go example.com old_shop --yes\n' +
        '  kedge sites let-go example.com example.com-20261124.031502',
    )
    .action(
      run<{ yes?: boolean }>(async (context, [uri = '', wanted], { yes = false }) => {
        await context.assertSite(uri);
        const master = await context.master();
        const { states, journals, catalog } = master;
        const state = await states.get(uri);
        const target = await master.resolveTarget(uri);
        const server = await master.databaseServer(target.database);
        const kept = await keptDatabases(state, server);
        const chosen = kept.filter(({ database }) => wanted === undefined || database === wanted);
        const originals = (await catalog.list(uri)).backups.filter(
          (record) => isMoreKept(record, kept) && (wanted === undefined || wanted === record.id),
        );
        if (chosen.length + originals.length === 0) {
          if (wanted !== undefined) throw usage(`${uri} keeps no ${wanted}`, `See \`kedge sites show ${uri}\`.`);
          context.printer.result({ site: uri, letGo: [], originals: [] }, [`${uri} keeps no database of before`]);
          return;
        }
        const everything = { states: await states.all(), open: await journals.open(), server };
        const plans: LetGoPlan[] = [];
        for (const one of chosen) plans.push(await planLetGo(one, uri, everything));
        await confirmLetGo(context, uri, { plans, originals }, yes);
        const parts = await letGoPartsOf(context);
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
            await forgetKeptDatabase(catalog, uri, plan.database);
          }
          for (const record of originals) {
            await letGoOfKept(parts, record, operation);
            await forgetKept(catalog, uri, record.id);
          }
        });
        const stays = plans.filter(({ accountStays }) => accountStays !== null);
        for (const { account, accountStays } of stays)
          context.printer.warn(`the account ${account.user} stays: ${accountStays}`);
        if (stays.length > 0) context.exitCode = EXIT.warnings;
        context.printer.result(
          { site: uri, letGo: plans, originals: originals.map(({ id }) => id) },
          [
            ...plans.map(
              ({ database, account, accountStays }) =>
                `dropped ${database}${accountStays === null ? ` and its account ${account.user}` : ''}`,
            ),
            ...originals.map((record) => `removed what ${record.id} kept: ${describeKeptOf(record).join('; ')}`),
          ].map(printable),
        );
      }),
    );
}

/** A safety backup keeps more than a database that its site keeps anyway. */
function isMoreKept({ kept }: BackupRecord, ofSite: readonly KeptDatabase[]): boolean {
  if (kept === undefined) return false;
  const { database, folders = [] } = kept;
  return folders.length > 0 || !ofSite.some((one) => one.database === database?.name);
}

async function confirmLetGo(
  context: CommandContext,
  uri: string,
  { plans, originals }: { plans: readonly LetGoPlan[]; originals: readonly BackupRecord[] },
  yes: boolean,
): Promise<void> {
  if (yes) return;
  const what = [
    ...plans.map(
      (plan) =>
        `${describeKept(plan, new Date())}; account ${plan.account.user} ${plan.accountStays === null ? 'too' : `stays: ${plan.accountStays}`}`,
    ),
    ...originals.map((record) => `what ${record.id} does not hold: ${describeKeptOf(record).join('; ')}`),
  ];
  if (!context.io.isTerminal)
    throw usage(`letting go of what ${uri} keeps drops it for good: ${what.join('; ')}`, 'Say --yes.');
  for (const line of what) context.printer.note(printable(line));
  const { confirm } = await import('@inquirer/prompts');
  if (await confirm({ message: `Drop what ${uri} keeps, for good? Backups stay.`, default: false })) return;
  throw new KedgeError('Cancelled', 'nothing was done', { state: 'nothing was changed' });
}
