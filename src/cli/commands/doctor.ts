import { join } from 'node:path';
import type { Command } from 'commander';
import type { Master } from '../../composition';
import { requestRulesOf } from '../../config/request-rules';
import type { Configuration } from '../../config/schema';
import { isKedgeError } from '../../contract/errors';
import type { DoctorReport, Finding } from '../../contract/findings';
import { taskQueueOf } from '../../contract/names';
import { examine } from '../../core/doctor/examine';
import type { Installation } from '../../core/doctor/installation';
import { MACHINE_CHECKS } from '../../core/doctor/programs';
import { complaintOf, runChecks } from '../../core/doctor/run-checks';
import { readSigningKey } from '../../core/requests/signing-key';
import { createLocalHost } from '../../core/hosts/local-host';
import type { Operation } from '../../core/operation';
import type { ConnectedTemporal } from '../../temporal/checks';
import { configuredFiles } from '../configured-files';
import type { CommandContext } from '../context';
import { EXIT } from '../exit-codes';
import { commandOperation } from '../operation';
import type { Registration } from '../registration';
import { findingLines } from '../render/findings';

/** `kedge doctor` */
export function registerDoctor(program: Command, run: Registration): void {
  program
    .command('doctor')
    .description('check everything and say how to mend it; changes nothing without --sweep')
    .option('--sweep', 'first remove what closed tasks and crashes left behind, as the worker does every hour')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, 1 errors, 2 the configuration is invalid, 3 warnings only.\n' +
        '\nExamples:\n  kedge doctor\n  kedge doctor --json\n  kedge doctor --sweep',
    )
    .action(
      run<{ sweep?: boolean }>(async (context, _args, { sweep }) => {
        const operation = commandOperation(context, 'doctor');
        const removed = sweep ? await sweepNow(context, operation) : null;
        context.printer.running('checking');
        const findings = await examineAll(context, operation);
        context.exitCode = exitCodeOf(findings);
        const report: DoctorReport = {
          ok: findings.every(({ level }) => level === 'note'),
          ...(removed === null ? {} : { removed: [...removed] }),
          findings,
        };
        const grouped = context.io.isTerminal && 'isTTY' in context.io.stdout && context.io.stdout.isTTY === true;
        context.printer.colouredResult(report, findingLines(findings, { grouped, colors: context.printer.colors }));
      }),
    );
}

/** Removes what it can, and leaves it to the checks to say what is left. */
async function sweepNow(context: CommandContext, operation: Operation): Promise<readonly string[]> {
  const { sweeper, logs } = await context.master();
  context.printer.running('sweeping');
  const taskLogs = new Map<string, ReturnType<typeof logs.of>>();
  const { removed } = await sweeper.sweep((task) => {
    if (task === null) return operation;
    const log = taskLogs.get(task) ?? logs.of(task, 'sweep', 1);
    taskLogs.set(task, log);
    return { ...operation, log };
  });
  for (const log of taskLogs.values()) await log.settled();
  for (const what of removed) context.printer.note(`removed ${what}`);
  return removed;
}

/** Every finding on everything the configuration of a context names. */
export async function examineAll(context: CommandContext, operation: Operation): Promise<Finding[]> {
  let configuration: Configuration;
  try {
    configuration = await context.configuration();
  } catch (error) {
    // Programs can be looked at without.
    const machine = createLocalHost({ name: 'master' });
    const findings = await runChecks(MACHINE_CHECKS, machine, { server: machine.name }, operation);
    return [...configurationFindings(error), ...findings];
  }
  const master = await context.master();
  const { temporal, findings } = await connectTemporal(context, configuration);
  findings.push(...(await examine(installationOf(context, master, configuration, temporal), operation)));
  if (temporal) {
    const { TEMPORAL_CHECKS } = await import('../../temporal/checks.js');
    findings.push(...(await runChecks(TEMPORAL_CHECKS, temporal, {}, operation)));
  }
  return findings.map(({ message, hint, ...place }) => ({
    ...place,
    message: master.redact(message, place.site),
    hint: master.redact(hint, place.site),
  }));
}

/** Every line of the loader's is a finding of its own. */
function configurationFindings(error: unknown): Finding[] {
  if (!isKedgeError(error)) throw error;
  if (error.code === 'OwnerRefused') return [{ check: CONFIGURATION_CHECK, ...complaintOf(error) }];
  if (error.code !== 'ConfigurationInvalid') throw error;
  return error.message
    .split('\n')
    .map((message) => ({ level: 'error', check: CONFIGURATION_CHECK, message, hint: error.hint }));
}

const CONFIGURATION_CHECK = 'configuration';

function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.some(({ check }) => check === CONFIGURATION_CHECK)) return EXIT.usage;
  if (findings.some(({ level }) => level === 'error')) return EXIT.failed;
  return findings.some(({ level }) => level === 'warning') ? EXIT.warnings : EXIT.done;
}

/** Without Temporal the rest is looked at all the same. */
async function connectTemporal(
  context: CommandContext,
  { master, sites }: Configuration,
): Promise<{ temporal: ConnectedTemporal | null; findings: Finding[] }> {
  try {
    const { temporalPlace } = await import('../../temporal/connection.js');
    const place = temporalPlace(context.io.environment);
    const { temporal: client } = await context.client();
    return { temporal: { client, ...place, taskQueue: taskQueueOf(master), sites: Object.keys(sites) }, findings: [] };
  } catch (error) {
    return { temporal: null, findings: [{ check: 'temporal-connection', ...complaintOf(error) }] };
  }
}

/** Everything the configuration names, by the parts the worker uses. */
function installationOf(
  context: CommandContext,
  master: Master,
  configuration: Configuration,
  temporal: ConnectedTemporal | null,
): Installation {
  const { backups, state, spool = join(configuration.state, 'spool') } = configuration;
  const servers = Object.entries(configuration.servers);
  const databases = new Map(servers.flatMap(([name, { db }]) => (db ? [[name, { name, ...db }] as const] : [])));
  const webs = new Map(servers.flatMap(([name, { web }]) => (web ? [[name, { name, ...web }] as const] : [])));
  return {
    master: master.master,
    configurationPath: context.configurationPath(),
    configuredFiles: () => configuredFiles(configuration, master.master),
    folders: [
      { name: 'backups', path: backups },
      { name: 'state', path: state },
      { name: 'spool', path: spool },
    ],
    signingKeys: {
      references: requestRulesOf(configuration).keys,
      read: (reference) => readSigningKey(reference, { environment: context.io.environment }),
    },
    provesBackups: configuration.proveBackups,
    sweeper: master.sweeper,
    databaseServers: [...databases.values()].map((address) => ({
      name: address.name,
      kind: address.kind,
      open: () => master.databaseServer(address),
    })),
    webServers: [...webs.values()].map((address) => ({
      address,
      host: master.webHost(),
      server: master.webServer(address),
    })),
    sites: Object.keys(configuration.sites).map((uri) => ({
      uri,
      target: () => master.resolveTarget(uri),
      host: master.webHost(),
      master: master.master,
      states: master.states,
      catalog: master.catalog,
      journals: master.journals,
      kindOf: (target) => master.kindOf(target),
      webServer: (target) => master.webServer(target.web),
      databaseServer: (target) => master.databaseServer(target.database),
      isRunning: async (workflowId, runId) => {
        if (!temporal) return null;
        const { runStateOf } = await import('../../temporal/running.js');
        return runStateOf(temporal.client, workflowId, runId).then(
          (state) => state === 'running',
          () => null,
        );
      },
    })),
  };
}
