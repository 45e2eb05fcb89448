import { join } from 'node:path';
import type { KedgeClient } from '../client';
import { requestRulesOf } from '../config/request-rules';
import type { Configuration } from '../config/schema';
import { sshPlacesOf } from '../config/ssh';
import { wantedSchedulesOf } from '../config/wanted-schedules';
import { isKedgeError } from '../contract/errors';
import type { Finding } from '../contract/findings';
import { taskQueueOf } from '../contract/names';
import { examine } from '../core/doctor/examine';
import type { Installation } from '../core/doctor/installation';
import { MACHINE_CHECKS } from '../core/doctor/programs';
import { complaintOf, runChecks } from '../core/doctor/run-checks';
import { assertOpensByItself } from '../core/flags/maintenance';
import { createLocalHost } from '../core/hosts/local-host';
import type { Operation } from '../core/operation';
import { readSigningKey } from '../core/requests/signing-key';
import type { ConnectedTemporal } from '../temporal/checks';
import { configuredFiles } from './configured-files';
import type { Parts } from './parts';

type ExaminingParts = Pick<
  Parts,
  | 'catalog'
  | 'databaseServer'
  | 'hostOf'
  | 'journals'
  | 'master'
  | 'mirrors'
  | 'redact'
  | 'remoteHostOf'
  | 'resolveTarget'
  | 'siteAtWork'
  | 'states'
  | 'sweeper'
  | 'webServer'
>;

/** Where an installation is found: each is asked for when it is needed, and may fail, which is a finding then. */
export interface Examined {
  /** @throws KedgeError ConfigurationInvalid, OwnerRefused */
  configuration(): Promise<Configuration>;
  configurationPath(): string;
  readonly environment: Record<string, string | undefined>;
  parts(): Promise<ExaminingParts>;
  /** @throws KedgeError TemporalUnreachable */
  client(): Promise<KedgeClient>;
}

/** The check whose findings mean that the rest could not be looked at. */
export const CONFIGURATION_CHECK = 'configuration';

/** Every finding on everything the configuration names; without a configuration, on the programs of this machine. */
export async function examineInstallation(examined: Examined, operation: Operation): Promise<Finding[]> {
  let configuration: Configuration;
  try {
    configuration = await examined.configuration();
  } catch (error) {
    // Programs can be looked at without.
    const machine = createLocalHost({ name: 'master' });
    const findings = await runChecks(MACHINE_CHECKS, machine, { server: machine.name }, operation);
    return [...configurationFindings(error), ...findings];
  }
  const parts = await examined.parts();
  const { temporal, findings } = await connectTemporal(examined, configuration);
  findings.push(...(await examine(installationOf(examined, parts, configuration, temporal), operation)));
  if (temporal) {
    const { TEMPORAL_CHECKS } = await import('../temporal/checks.js');
    findings.push(...(await runChecks(TEMPORAL_CHECKS, temporal, {}, operation)));
  }
  return findings.map(({ message, hint, ...place }) => ({
    ...place,
    message: parts.redact(message, place.site),
    hint: parts.redact(hint, place.site),
  }));
}

/** Every line of the loader's is a finding of its own. */
function configurationFindings(error: unknown): Finding[] {
  if (!isKedgeError(error)) throw error;
  if (error.code === 'OwnerRefused') return [{ check: CONFIGURATION_CHECK, ...complaintOf(error) }];
  if (error.code !== 'ConfigurationInvalid') throw error;
  return error.message.split('\n').map((message) => ({
    level: 'error',
    check: CONFIGURATION_CHECK,
    message,
    hint: error.hint,
  }));
}

/** Without Temporal the rest is looked at all the same. */
async function connectTemporal(
  examined: Pick<Examined, 'client' | 'environment'>,
  { master, sites, schedules }: Configuration,
): Promise<{ temporal: ConnectedTemporal | null; findings: Finding[] }> {
  try {
    const { temporalPlace } = await import('../temporal/connection.js');
    const place = temporalPlace(examined.environment);
    const { temporal: client } = await examined.client();
    return {
      temporal: {
        client,
        ...place,
        master,
        taskQueue: taskQueueOf(master),
        sites: Object.keys(sites),
        schedules: wantedSchedulesOf({ schedules }),
      },
      findings: [],
    };
  } catch (error) {
    return {
      temporal: null,
      findings: [{ check: 'temporal-connection', ...complaintOf(error) }],
    };
  }
}

/** Everything the configuration names, by the parts the worker uses. */
function installationOf(
  examined: Pick<Examined, 'configurationPath' | 'environment'>,
  parts: ExaminingParts,
  configuration: Configuration,
  temporal: ConnectedTemporal | null,
): Installation {
  const { backups, state, spool = join(configuration.state, 'spool') } = configuration;
  const servers = Object.entries(configuration.servers);
  const databases = new Map(servers.flatMap(([name, { db }]) => (db ? [[name, { name, ...db }] as const] : [])));
  const webs = new Map(servers.flatMap(([name, { web }]) => (web ? [[name, { name, ...web }] as const] : [])));
  return {
    master: parts.master,
    configurationPath: examined.configurationPath(),
    configuredFiles: () => configuredFiles(configuration, parts.master),
    folders: [
      { name: 'backups', path: backups },
      { name: 'state', path: state },
      { name: 'spool', path: spool },
    ],
    signingKeys: {
      references: requestRulesOf(configuration).keys,
      read: (reference) => readSigningKey(reference, { environment: examined.environment }),
    },
    provesBackups: configuration.proveBackups,
    metrics: configuration.metrics?.listen ?? null,
    sweeper: parts.sweeper,
    mirrors: parts.mirrors,
    remoteServers: [...sshPlacesOf(configuration).keys()].map((name) => ({
      name,
      connect: async () => parts.remoteHostOf(name)?.connect(),
      assertOpensByItself: async () => {
        const [host, web] = [parts.remoteHostOf(name), configuration.servers[name]?.web];
        if (host !== null && web !== undefined) await assertOpensByItself(host, web.flags);
      },
    })),
    databaseServers: [...databases.values()].map((address) => ({
      name: address.name,
      kind: address.kind,
      open: () => parts.databaseServer(address),
    })),
    webServers: [...webs.values()].map((address) => ({
      address,
      host: parts.hostOf(address.name),
      server: parts.webServer(address),
    })),
    sites: Object.entries(configuration.sites).map(([uri, { server }]) => ({
      uri,
      webServer: server,
      resolve: once(async () => parts.siteAtWork(await parts.resolveTarget(uri))),
      master: parts.master,
      mirrors: parts.mirrors,
      states: parts.states,
      catalog: parts.catalog,
      journals: parts.journals,
      isRunning: async (workflowId, runId) => {
        if (!temporal) return null;
        const { runStateOf } = await import('../temporal/running.js');
        return runStateOf(temporal.client, workflowId, runId).then(
          (state) => state === 'running',
          () => null,
        );
      },
    })),
  };
}

/** The same answer for everybody who asks. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => (answer ??= ask());
}
