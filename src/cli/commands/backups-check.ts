import type { Command } from 'commander';
import type { BackupsCheck } from '../../contract/documents';
import { KedgeError } from '../../contract/errors';
import { siteUriSchema } from '../../contract/target';
import type { Progress } from '../../contract/tasks';
import { type Candidate, type CheckedBackup, backupsToCheck, checkBackup } from '../../core/archive/check-backup';
import { siteOfBackup } from '../backup-id';
import type { Operation } from '../../core/operation';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { bytesText, durationText, progressText } from '../render/units';
import { usage } from '../usage';

/** `kedge backups check` */
export function registerBackupsCheck(backups: Command, run: Registration): void {
  backups
    .command('check')
    .description(
      'read backups back, every byte; hold them against their records, and their dumps against what a restore takes',
    )
    .argument('[backup...]', 'ids of backups; without them those of --site, or all there are')
    .option('--site <uri>', 'all backups of this site')
    .addHelpText(
      'after',
      '\nExit codes: 0 all are as their records say, and a restore takes their dumps; 1 one at least is not.\n' +
        '\nExamples:\n  kedge backups check\n  kedge backups check --site example.com\n  kedge backups check example.com-20261124.031502',
    )
    .action(
      run<{ site?: string }>(async (context, ids, { site }) => {
        if (ids.length > 0 && site !== undefined) throw usage('name backups, or a site, not both');
        const candidates = await candidatesOf(context, ids, site);
        const operation = commandOperation(context, 'check');
        const checked: (CheckedBackup & { durationMs: number })[] = [];
        for (const [index, candidate] of candidates.entries()) {
          const before = `${index + 1} of ${candidates.length}: ${candidate.backup}`;
          const result = await check(context, candidate, before, operation);
          const { printer } = context;
          const size = `${bytesText(result.bytes)}  ${durationText(result.durationMs)}`;
          if (result.problem === null) printer.done(`${result.backup}  ${size}`);
          else printer.failed(`${result.backup}  ${result.problem.message}`);
          checked.push(result);
        }
        const damaged = checked.filter(({ problem }) => problem !== null);
        if (damaged.length > 0) context.exitCode = EXIT.failed;
        context.printer.result(documentOf(checked), [
          checked.length === 0
            ? 'There are no backups to check.'
            : damaged.length === 0
              ? `All ${checked.length} are as their records say.`
              : `${damaged.length} of ${checked.length} cannot be relied on: ${damaged.map(({ backup }) => backup).join(', ')}`,
        ]);
      }),
    );
}

async function check(
  context: CommandContext,
  candidate: Candidate,
  before: string,
  plain: Operation,
): Promise<CheckedBackup & { durationMs: number }> {
  const master = await context.master();
  const began = Date.now();
  const operation = {
    ...plain,
    progress: (progress: Progress) => context.printer.running(`${before}  ${progressText(progress)}`),
  };
  return { ...(await checkBackup(master, candidate, operation)), durationMs: Date.now() - began };
}

async function candidatesOf(context: CommandContext, ids: readonly string[], site?: string): Promise<Candidate[]> {
  const { catalog, master } = await context.master();
  if (ids.length > 0) {
    const found: Candidate[] = [];
    // All are looked up before the first is read.
    for (const id of ids) {
      const uri = siteOfBackup(id);
      const candidate = (await backupsToCheck(catalog, uri)).find(({ backup }) => backup === id);
      if (!candidate) throw new KedgeError('BackupUnknown', `${uri} has no backup ${id}`, { site: uri });
      found.push(candidate);
    }
    return found;
  }
  const { backups, sites } = await context.configuration();
  // Sites that left the configuration have backups too.
  const kept = (await master.list(backups)).filter((name) => siteUriSchema.safeParse(name).success);
  if (site !== undefined && !kept.includes(site)) await context.assertSite(site);
  const all = site === undefined ? [...new Set([...Object.keys(sites), ...kept])] : [site];
  return (await Promise.all(all.map((uri) => backupsToCheck(catalog, uri)))).flat();
}

function documentOf(checked: readonly (CheckedBackup & { durationMs: number })[]): BackupsCheck {
  return {
    ok: checked.every(({ problem }) => problem === null),
    backups: checked.map(({ backup, site, archive, bytes, durationMs, problem }) => ({
      backup,
      site,
      archive,
      ok: problem === null,
      bytes,
      durationMs,
      problem: problem === null ? null : { code: problem.code, message: problem.message, hint: problem.hint },
    })),
  };
}
