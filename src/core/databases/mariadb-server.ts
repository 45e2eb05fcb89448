import type { DatabaseServerAddress } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { MasterHost } from '../hosts/master-host';
import { accountIsShared, databasesOf, globalPrivileges, otherWriters } from './account-privileges';
import {
  copyAccountOptions,
  createAccount,
  dropAccount,
  existingHosts,
  lockAccount,
  unlockAccount,
  userNames,
} from './accounts';
import { AdminConnection } from './admin-connection';
import { missingPrivileges, publicDatabases } from './admin-privileges';
import { ClientPrograms } from './client-program';
import { createDatabase, dropDatabase } from './databases';
import type { DatabaseServer } from './database-server';
import { type ClientContext, dumpDatabase } from './dump';
import { enableEvents } from './events';
import { databaseExists, databaseNames, describeDatabase, readImportConditions, readServerFacts } from './facts';
import { lowerFence, planFence, raiseFence } from './fence';
import { importDump } from './import';
import { filtersNaming, rightsLeftBehind } from './other-accounts';
import { grantReach, lackingReach } from './reach';
import { clientHost, canLogIn, clientHostOf, proveLogin } from './site-login';
import { textsOf } from './texts';

export interface DatabaseServerOptions {
  readonly address: DatabaseServerAddress;
  /** Undefined where the server knows the worker by its system account. */
  readonly adminPassword: string | undefined;
  /** Where the client programs run, and dumps are read. */
  readonly host: MasterHost;
  /** From where it is connected to, its socket and its names being those of that machine. Default: `host`. */
  readonly from?: Host;
  /** Whether what client programs send and get is compressed, where they reach the server through another machine. Default false. */
  readonly compresses?: boolean;
  /** What the client programs can do, kept by whoever opens several. */
  readonly programs?: ClientPrograms;
  /** The work it is opened for: its statements and connections end with it. */
  readonly signal?: AbortSignal | undefined;
  /** Name of the holder of a site's lock its statements belong to, see {@link AdminConnection}. */
  readonly holder?: string | undefined;
  /** An import of which the client takes no byte for so many ms is ended. Default: ten minutes. */
  readonly importSilenceMs?: number;
}

/** A MariaDB or MySQL server by its admin account. Connects with the first question; `close` ends that. */
export function openDatabaseServer({
  address,
  adminPassword,
  host,
  from = host,
  compresses = false,
  programs = new ClientPrograms(host),
  signal,
  holder,
  importSilenceMs,
}: DatabaseServerOptions): DatabaseServer {
  const admin = new AdminConnection(from, address, adminPassword, signal, holder);
  const context: ClientContext = { admin, address, adminPassword, host, from, compresses, programs };
  return {
    name: address.name,
    from,
    disks: from !== host || isOfThisMachine(address) ? from : null,
    facts: () => readServerFacts(admin),
    missingPrivileges: () => missingPrivileges(admin),
    publicDatabases: () => publicDatabases(admin),
    describe: (database) => describeDatabase(admin, database),
    databaseExists: (database) => databaseExists(admin, database),
    databaseNames: () => databaseNames(admin),
    textsOf: (database, query) => textsOf(admin, database, query),
    userNames: () => userNames(admin),
    dump: (database, output, operation, options) => dumpDatabase(context, database, output, operation, options),
    createDatabase: (database, charset, collation) => createDatabase(admin, database, charset, collation),
    dropDatabase: (database) => dropDatabase(admin, database),
    createAccount: (account, password, database) => createAccount(admin, account, password, database),
    copyAccountOptions: (from, to) => copyAccountOptions(admin, from, to),
    dropAccount: (account) => dropAccount(admin, account),
    lockAccount: (account) => lockAccount(admin, account),
    unlockAccount: (account) => unlockAccount(admin, account),
    accountExists: async (account) => (await existingHosts(admin, account)).length > 0,
    accountIsShared: (account, database) => accountIsShared(admin, account, database),
    globalPrivileges: (account) => globalPrivileges(admin, account),
    rightsLeftBehind: (account, database) => rightsLeftBehind(admin, account, database),
    filtersNaming: (database) => filtersNaming(admin, database),
    lackingReach: (account, names) => lackingReach(admin, account, names),
    grantReach: (from, to, names, purpose) => grantReach(admin, from, to, names, purpose),
    databasesOf: (account) => databasesOf(admin, account),
    otherWriters: (account, database) => otherWriters(admin, account, database),
    planFence: (account, database) => planFence(admin, account, database),
    raiseFence: (fence) => raiseFence(admin, fence),
    lowerFence: (fence) => lowerFence(admin, fence),
    importDump: (dumpPath, database, user, password, operation, options) =>
      importDump(context, {
        ...options,
        dumpPath,
        database,
        user,
        password,
        operation,
        silenceLimitMs: importSilenceMs,
      }),
    importConditions: () => readImportConditions(admin),
    enableEvents: (database, events, definer) => enableEvents(admin, database, events, definer),
    proveLogin: (login, from, operation) => proveLogin({ admin, address }, login, from, operation),
    clientHost: () => clientHost(admin),
    clientHostOf: (machine, siteAddress, operation) =>
      clientHostOf({ admin, address }, machine, siteAddress, operation),
    canLogIn: (user, password, database) => canLogIn(admin, address, { user, password, database }),
    close: () => admin.close(),
  };
}

/** It is reached by a socket, or at an address that only this machine has. */
function isOfThisMachine({ socket, host = 'localhost' }: DatabaseServerAddress): boolean {
  return socket !== undefined || host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);
}
