import type { Command } from 'commander';
import { printable } from '../../contract/printable';
import { describeKept } from '../../core/kept/kept-databases';
import { describeKept as describeKeptOf } from '../../core/kept/let-go';
import { type LettingGo, letGoOfPlanned, planLettingGo } from '../../operations/let-go';
import { type Question, confirm } from '../confirm';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
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
      run<{ yes?: boolean }>(async (context, [name = '', wanted], { yes = false }) => {
        const uri = await context.site(name);
        const parts = await context.parts();
        const planned = await planLettingGo(parts, uri, wanted);
        const { plans, originals } = planned;
        if (plans.length + originals.length === 0) {
          if (wanted !== undefined) throw usage(`${uri} keeps no ${wanted}`, `See \`kedge sites show ${uri}\`.`);
          context.printer.result({ site: uri, letGo: [], originals: [] }, [`${uri} keeps no database of before`]);
          return;
        }
        await confirm(context, questionOf(planned), yes);
        const operation = commandOperation(context, `let-go-${uri}`);
        await letGoOfPlanned(parts, await context.configuration(), planned, operation);
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

function questionOf({ site, plans, originals }: LettingGo): Question {
  const shown = [
    ...plans.map(
      (plan) =>
        `${describeKept(plan, new Date())}; account ${plan.account.user} ${plan.accountStays === null ? 'too' : `stays: ${plan.accountStays}`}`,
    ),
    ...originals.map((record) => `what ${record.id} does not hold: ${describeKeptOf(record).join('; ')}`),
  ];
  return {
    shown,
    message: `Drop what ${site} keeps, for good? Backups stay.`,
    otherwise: `letting go of what ${site} keeps drops it for good: ${shown.join('; ')}`,
    ...{ refused: 'nothing was done', state: 'nothing was changed' },
  };
}
