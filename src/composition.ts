import { dirname, join } from 'node:path';
import { version } from '../package.json';
import { backupRunOf, planBackupRun } from './config/backup-run';
import { ConfigurationFile } from './config/configuration-file';
import { targetOf } from './config/inventory';
import { keepRuleOf } from './config/keep-rules';
import { leaseLimitsOf } from './config/limits';
import { maxAgesOf } from './config/objectives';
import { requestRulesOf } from './config/request-rules';
import type { Configuration } from './config/schema';
import { sshPlaceOf, sshPlacesOf } from './config/ssh';
import { KedgeError, isKedgeError } from './contract/errors';
import { type Delivery, type NamedReceiver, type Notice, namedReceivers } from './contract/notices';
import type { BackupAllInput } from './contract/fleet';
import {
  type DatabaseServerAddress,
  type SecretReference,
  type Target,
  type WebServerAddress,
  rootsOf,
} from './contract/target';
import { createArchives } from './core/archive/archives';
import { createCatalog } from './core/catalog/file-catalog';
import { ClientPrograms } from './core/databases/client-program';
import { openDatabaseServer } from './core/databases/mariadb-server';
import { OpenServers } from './core/databases/open-servers';
import type { Host } from './core/hosts/host';
import { createLocalHost } from './core/hosts/local-host';
import type { MasterHost } from './core/hosts/master-host';
import { RemoteHost } from './core/hosts/remote/remote-host';
import { SshHosts } from './core/hosts/ssh/ssh-hosts';
import { deliver, tellReceiver } from './core/notices/deliver';
import { NoticeFile } from './core/notices/notice-states';
import type { Operation } from './core/operation';
import { RequestAuthority } from './core/requests/request-authority';
import { readSigningKey } from './core/requests/signing-key';
import { RequestRecords } from './core/requests/request-records';
import { Redactor } from './core/secrets/redaction';
import { readSecret } from './core/secrets/references';
import { withFurtherSettings } from './core/sites/further-settings';
import { guardingSettings } from './core/sites/guarded-settings';
import { followRoot } from './core/sites/served-root';
import type { SiteAtWork } from './core/sites/site-at-work';
import { liveFolder } from './core/sites/site-folder';
import { siteKindOf } from './core/sites/site-kinds';
import { Journals } from './core/tasks/journals';
import { Leases } from './core/tasks/leases';
import { Epochs } from './core/tasks/epochs';
import { Proofs } from './core/proofs/proofs';
import { Scratches } from './core/proofs/scratches';
import { Mirrors } from './core/sync/mirrors';
import { SiteLocks } from './core/tasks/site-locks';
import { SiteStates } from './core/tasks/site-state';
import { Sweeper } from './core/recovery/sweep';
import { TaskLogs } from './core/tasks/task-log';
import { webServerKindOf } from './core/web/web-server-kinds';
import type { WebServer } from './core/web/web-server';

export interface CompositionOptions {
  configuration: Configuration;
  configurationPath: string;
  environment: Record<string, string | undefined>;
  /** Servers that are other machines, whatever the configuration says of them, by their names. Default: none. */
  hosts?: ReadonlyMap<string, Host>;
}

/** The parts of a master that need no Temporal: what the commands that run on it share with the worker. */
export function createParts({ configuration, configurationPath, environment, hosts }: CompositionOptions) {
  const master: MasterHost = createLocalHost({ name: configuration.master });
  const redactor = new Redactor();
  const onSecret = (secret: string, site: string | null): void => redactor.register(secret, site);
  const redact = <T>(value: T, site: string | null = null): T => redactor.value(value, site);
  const state = configuration.state;
  const webServers = new Map<string, { readonly host: Host; readonly server: WebServer }>();
  const sockets = join(state, 'sockets');
  const programs = new ClientPrograms(master, sockets);
  const file = new ConfigurationFile(configurationPath, configuration);
  const installCommand = (server: string): string => `kedge servers prepare ${server}`;
  const sshHosts = new SshHosts({
    master,
    version,
    installCommand,
  });
  /** A server that is another machine, as the configuration says it is reached; null for this machine. */
  const remoteHostOf = (server: string): RemoteHost | null => {
    const place = sshPlaceOf(file.lastRead, server);
    return place === null ? null : sshHosts.of(place);
  };
  /** Which machine a server of the configuration is: this one, where nothing else is said. */
  const hostOf = (server: string): Host => hosts?.get(server) ?? remoteHostOf(server) ?? master;
  const unnamedHosts = new Map<string, Host>();
  /** A machine that the configuration does not say any more how to reach: whatever is asked of it is ConfigurationInvalid. */
  const unnamedHost = (server: string): Host => {
    const refusal = (): KedgeError =>
      new KedgeError(
        'ConfigurationInvalid',
        `${server} was another machine when the task began, and is none any more`,
        {
          server,
          hint: `Put servers.${server}.ssh back into the configuration until the task has ended.`,
        },
      );
    const options = { name: server, master: master.name, version, installCommand: installCommand(server) };
    const known =
      unnamedHosts.get(server) ?? new RemoteHost({ ...options, openChannel: () => Promise.reject(refusal()) });
    unnamedHosts.set(server, known);
    return known;
  };
  /**
   * The machine of a server of a task. Whoever writes `ssh:` beside that server meanwhile, or takes it away, sends no task to another
   * machine than it began on: while nobody says how that one is reached, it is one that nothing can be asked of.
   */
  const machineOf = (server: string, isElsewhere: boolean): Host => {
    if (!isElsewhere) return master;
    const host = hostOf(server);
    return host === master ? unnamedHost(server) : host;
  };
  const webHostOf = ({ web, elsewhere }: Pick<Target, 'web' | 'elsewhere'>): Host => machineOf(web.name, elsewhere.web);
  const journals = new Journals(join(state, 'tasks'), join(state, 'open'), master, onSecret);
  const states = new SiteStates(join(state, 'sites'), master, onSecret);

  const proofs = new Proofs(join(state, 'proofs'), master);
  const scratches = new Scratches(join(state, 'scratch'), master);
  const locks = new SiteLocks(join(state, 'locks'), master);
  /** A secret of the administrator's. */
  const readOwnSecret = async (reference: SecretReference): Promise<string> => {
    const secret = await readSecret(reference, { environment });
    onSecret(secret, null);
    return secret;
  };
  const noticeFile = new NoticeFile(join(state, 'notices'), master);
  const receivers = async () => namedReceivers((await file.lastGood()).notify);
  const requestRecords = new RequestRecords(join(state, 'requests'), master);

  const databaseServers = new OpenServers(async ({ address, from }, signal, holder) => {
    const { password } = address.admin;
    const adminPassword = password === undefined ? undefined : await readSecret(password, { environment });
    if (adminPassword !== undefined) onSecret(adminPassword, null);
    const compresses = from !== master && sshPlaceOf(file.lastRead, address.name)?.compress === true;
    return openDatabaseServer({ address, adminPassword, host: master, from, compresses, programs, signal, holder });
  });

  const webServer = (address: WebServerAddress, host: Host): WebServer => {
    const key = JSON.stringify(address);
    const known = webServers.get(key);
    // It may be reached otherwise than before.
    if (known?.host === host) return known.server;
    const server = webServerKindOf(address).create({ address, host, readSecret: readOwnSecret });
    webServers.set(key, { host, server });
    return server;
  };

  return {
    master,
    redact,
    journals,
    states,
    configuration: file,
    sweeper: new Sweeper(async () => {
      const current = await file.current();
      const { backups, servers } = current;
      sshHosts.retain(new Set(sshPlacesOf(current).keys()));
      const named = Object.entries(servers);
      return {
        master,
        journals,
        states,
        locks,
        scratches,
        webHosts: new Map(named.flatMap(([name, { web }]) => (web ? [[name, hostOf(name)] as const] : []))),
        databaseServers: new Map(
          named.flatMap(([name, { db }]) =>
            db
              ? [
                  [
                    name,
                    (signal?: AbortSignal, holder?: string) =>
                      databaseServers.get({ address: { name, ...db }, from: hostOf(name) }, signal, holder),
                  ] as const,
                ]
              : [],
          ),
        ),
        folders: { state, backups },
        sockets,
        flags: named.flatMap(([name, { web }]) => (web ? [{ host: hostOf(name), path: web.flags }] : [])),
      };
    }),
    requestRecords,
    requests: new RequestAuthority({
      master: configuration.master,
      records: requestRecords,
      rules: async () => requestRulesOf(await file.current()),
      async readKey(reference) {
        const key = await readSigningKey(reference, { environment });
        onSecret(key, null);
        return key;
      },
    }),
    proofs: async () => ((await file.lastGood()).proveBackups ? proofs : null),
    scratches,
    notices: {
      file: noticeFile,
      /** What is looked at, and who is told, as the configuration says it now. */
      async watched() {
        const current = await file.lastGood();
        const { sites, backups } = current;
        const problem = await file.forNewTask().then(
          () => null,
          (error: unknown) => {
            if (isKedgeError(error)) return redact(error);
            throw error;
          },
        );
        const watched = { receivers: await receivers(), sites: Object.keys(sites), backups };
        return { ...watched, maxAges: maxAgesOf(current), problem };
      },
      deliver: (delivery: Delivery, operation: Operation) =>
        deliver(delivery, { master, readSecret: readOwnSecret, file: noticeFile, receivers }, operation),
      /** Without a record, for a test. */
      tell: (receiver: NamedReceiver, notice: Notice, operation: Operation) =>
        tellReceiver(receiver, notice, { master, readSecret: readOwnSecret }, operation),
    },
    epochs: new Epochs(join(state, 'epochs'), master),
    locks,
    leases: new Leases(join(state, 'leases'), {
      master,
      journals,
      limits: async () => leaseLimitsOf(await file.lastGood()),
    }),
    logs: new TaskLogs(join(state, 'tasks'), redact),
    archives: createArchives(master),
    mirrors: new Mirrors(join(state, 'mirrors'), master),
    /** For a command, which ends before the configuration changes. */
    catalog: createCatalog(configuration.backups, master),
    currentCatalog: async () => createCatalog((await file.current()).backups, master),
    catalogOf: (target: Target) => createCatalog(dirname(target.backups), master),
    async resolveTarget(site: string): Promise<Target> {
      const current = await file.forNewTask();
      const machine = hostOf(current.sites[site]?.server ?? '');
      const target = await targetOf(current, site, {
        lookUpOwner: (user) => machine.lookUpOwner(user),
        isElsewhere: (server) => hostOf(server) !== master,
        kindOf: siteKindOf,
        readTemplate: (path, web) => webServerKindOf(web).readTemplate(machine, path),
      });
      const { backups, spool } = target;
      const host = webHostOf(target);
      const taken = host === master ? [backups, spool, state].map((path) => ({ of: 'Kedge', path })) : [];
      for (const [uri, other] of Object.entries(current.sites))
        if (uri !== site && hostOf(other.server) === host)
          taken.push(...rootsOf(other).map(({ path }) => ({ of: uri, path })));
      return { ...target, site: await followRoot(host, target.site, taken) };
    },
    siteAtWork(target: Target): SiteAtWork {
      const host = webHostOf(target);
      const { database, elsewhere } = target;
      const databaseHost = machineOf(database.name, elsewhere.database);
      return {
        target,
        uri: target.site.uri,
        location: target.site,
        host,
        onMaster: host === master,
        folder: liveFolder(host, target.site),
        kind: guardingSettings(withFurtherSettings(siteKindOf(target.site)), onSecret),
        webServer: webServer(target.web, host),
        databaseServer: (signal, holder) =>
          databaseServers.get({ address: database, from: databaseHost }, signal, holder),
        hosts: () => [...new Set([master, host])],
      };
    },
    /** The next sites of a run that has begun are told also while somebody writes in the configuration. */
    backupRun: async (input: BackupAllInput, began: boolean) =>
      began ? backupRunOf(await file.lastGood(), input) : planBackupRun(await file.forNewTask(), input),
    keepRuleOf: async (site: string) => keepRuleOf(await file.current(), site),
    hostOf,
    remoteHostOf,
    webServer: (address: WebServerAddress) => webServer(address, hostOf(address.name)),
    databaseServer: (address: DatabaseServerAddress) => databaseServers.get({ address, from: hostOf(address.name) }),
    async close(): Promise<void> {
      await Promise.all([databaseServers.close(), sshHosts.close()]);
    },
  };
}
export type MasterParts = ReturnType<typeof createParts>;
