import type { Command } from 'commander';
import type { BackupsCheck } from '../../contract/documents';
import { KedgeError, isKedgeError } from '../../contract/errors';
import { siteUriSchema } from '../../contract/target';
import type { Progress } from '../../contract/tasks';
import { type Candidate, type CheckedBackup, backupsToCheck, checkBackup } from '../../core/archive/check-backup';
import { proveBackup } from '../../core/proofs/prove-backup';
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
      'read backups back, every byte; hold them against their records, and their dumps against what a restore and the database server take',
    )
    .argument('[backup...]', 'ids of backups; without them those of --site, or all there are')
    .option('--site <uri>', 'all backups of this site')
    .addHelpText(
      'after',
      '\nExit codes: 0 all are as their records say, and can be restored; 1 one at least is not; 3 a database server could not be asked.\n' +
        '\nExamples:\n  kedge backups check\n  kedge backups check --site example.com\n  kedge backups check example.com-20261124.031502',
    )
    .action(
      run<{ site?: string }>(async (context, ids, { site }) => {
        if (ids.length > 0 && site !== undefined) throw usage('name backups, or a site, not both');
        const candidates = await candidatesOf(context, ids, site);
        const operation = commandOperation(context, 'check');
        const checked: Checked[] = [];
        for (const [index, candidate] of candidates.entries()) {
          const before = `${index + 1} of ${candidates.length}: ${candidate.backup}`;
          const result = await check(context, candidate, before, operation);
          const { printer } = context;
          const size = `${bytesText(result.bytes)}  ${durationText(result.durationMs)}`;
          if (result.problem === null) printer.done(`${result.backup}  ${size}`);
          else printer.failed(`${result.backup}  ${result.problem.message}`);
          if (result.notTried !== null) printer.warn(`${result.backup}: ${result.notTried}`);
          checked.push(result);
        }
        const damaged = checked.filter(({ problem }) => problem !== null);
        if (damaged.length > 0) context.exitCode = EXIT.failed;
        else if (checked.some(({ notTried }) => notTried !== null)) context.exitCode = EXIT.warnings;
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
): Promise<Checked> {
  const master = await context.master();
  const began = Date.now();
  const operation = {
    ...plain,
    progress: (progress: Progress) => context.printer.running(`${before}  ${progressText(progress)}`),
  };
  const checked = await checkBackup(master, candidate, operation);
  const proved = await prove(context, candidate, checked, operation);
  return { ...checked, ...proved, durationMs: Date.now() - began };
}

interface Checked extends CheckedBackup {
  readonly durationMs: number;
  readonly notTried: string | null;
}

/** Asks the database server of a site that is in the configuration. Of other sites nobody knows which it would be. */
async function prove(
  context: CommandContext,
  { site, record }: Candidate,
  { archive, dump }: CheckedBackup,
  operation: Operation,
): Promise<Partial<Checked> & Pick<Checked, 'notTried'>> {
  const master = await context.master();
  const proofs = await master.proofs();
  const { sites } = await context.configuration();
  if (!proofs || !record || !archive || !dump || !(site in sites)) return { notTried: null };
  try {
    const state = await master.states.find(site);
    if (!state) return { notTried: null };
    const target = await master.resolveTarget(site);
    const backup = { record, path: archive, dump };
    return { notTried: await proveBackup(master, proofs, target, state.current, backup, operation) };
  } catch (error) {
    operation.signal.throwIfAborted();
    if (!isKedgeError(error)) throw error;
    if (error.code === 'DumpIncompatible') return { problem: error, notTried: null };
    return { notTried: `whether it can be restored here could not be tried: ${error.message}` };
  }
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

function documentOf(checked: readonly Checked[]): BackupsCheck {
  return {
    ok: checked.every(({ problem }) => problem === null),
    backups: checked.map(({ backup, site, archive, bytes, durationMs, problem, notTried }) => ({
      backup,
      site,
      archive,
      ok: problem === null,
      bytes,
      durationMs,
      problem: problem === null ? null : { code: problem.code, message: problem.message, hint: problem.hint },
      ...(notTried === null ? {} : { notTried }),
    })),
  };
}
