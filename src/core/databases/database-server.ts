import type { Writable } from 'node:stream';
import type { DatabaseSummary } from '../../contract/backup-record';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import type { NameElsewhere } from './definition-names';
import type { Era } from './era';
import type { ForcedKeys } from './forced-keys';

/** An account of the database server: one user name, at one or more hosts. */
export interface DatabaseAccount {
  readonly user: string;
  /** Hosts as in `mysql.user`: `localhost`, `127.0.0.1`. */
  readonly hosts: readonly string[];
}

/** The account of a site with what logs it in. `address` as the site's settings write it: `host`, `host:port`, `localhost:/socket`. */
export interface SiteLogin {
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly address: string;
}

export interface ServerFacts {
  readonly version: string;
  readonly kind: 'mariadb' | 'mysql';
  readonly collations: ReadonlySet<string>;
  readonly charsets: ReadonlySet<string>;
  /** Storage engines that tables can be made with, in lower case, by all their names. */
  readonly engines: ReadonlySet<string>;
  /** Types of columns that not every server has, in lower case. */
  readonly types: ReadonlySet<string>;
  /** Parsers of full-text indexes that are plugins, in lower case. */
  readonly parsers: ReadonlySet<string>;
  /** It has a plugin that holds the keys of encrypted tables. */
  readonly encrypts: boolean;
  readonly era: Era;
  /** `Posts` and `posts` are one table, `lower_case_table_names`. */
  readonly ignoresCase: boolean;
  /** Functions and triggers can be created by an account without SUPER. */
  readonly allowsFunctionCreators: boolean;
  readonly dataFolder: string;
  /** Where an import is written a second time; null without binary logging. */
  readonly binaryLogFolder: string | null;
  /** Bytes that a statement may have, and a value too. */
  readonly maxAllowedPacket: number;
  /** What makes the server take no tables without a key; null where nothing does. */
  readonly forcedKeys: ForcedKeys | null;
  /** Tells this server from every other: `@@hostname`, `@@port`, `@@datadir`, joined; what any account may ask. */
  readonly identity: string;
}

export interface DatabaseFacts {
  readonly charset: string;
  readonly collation: string;
  /** Data and index bytes, as the server estimates them. */
  readonly bytes: number;
  readonly tables: readonly string[];
  readonly views: readonly string[];
  /** Views whose tables are gone: mariadb-dump would end with error 1356 on them. */
  readonly brokenViews: readonly string[];
  readonly nonTransactionalTables: readonly string[];
  /** Tables that keep the rows they had. */
  readonly versionedTables: readonly string[];
  /** Those of the tables that the server cannot open. One whose rows alone are damaged is not among them. */
  readonly unreadableTables: readonly UnreadableTable[];
  readonly events: readonly { readonly name: string; readonly enabled: boolean }[];
  readonly routines: number;
  readonly triggers: number;
}

/** A table that cannot be read, and the server's words for why. */
export interface UnreadableTable {
  readonly name: string;
  readonly why: string;
}

export interface DumpOptions {
  /**
   * Tables that are known to be unreadable: the dump does without them. Where this is given, the dump goes on behind a table
   * that cannot be read, to find all of them at once, and fails at its end.
   */
  readonly without?: readonly string[];
  /** Leave out the rows; what is said of them is left out too. */
  readonly definitionsOnly?: boolean;
  /**
   * Tables of an earlier dump: that one of them is not transactional was said then, and is said again by `repeated` alone. Asked for
   * where there are such tables.
   */
  readonly dumpedBefore?: () => Promise<ReadonlySet<string>>;
}

export interface DumpResult {
  readonly bytes: number;
  readonly summary: DatabaseSummary;
  /** The same for two dumps whose definitions are the same. */
  readonly definitions: string;
  /** What its definitions name in other databases. */
  readonly elsewhere: readonly NameElsewhere[];
  /** What it does not warn of because that was said before, a sentence each. */
  readonly repeated: readonly string[];
}

export interface ImportConditions {
  /** Which server it is, its version, variables and engines: another text when an import may end in another way. */
  readonly text: string;
  /** What is done there goes to a binary log, or to the other servers of its cluster. */
  readonly replicated: boolean;
  /** It lets no account without special privileges write, as a replica does; others repeat nothing of what an admin writes there. */
  readonly readOnly: boolean;
}

/** What a fence changed, enough to take it away again. Goes to the journal before anything is done. */
export interface Fence {
  readonly account: DatabaseAccount;
  readonly database: string;
  /** Hosts whose account was locked before: they stay so. */
  readonly lockedBefore: readonly string[];
  /** Hosts whose account had EVENT on the database. */
  readonly eventPrivilegeAt: readonly string[];
}

export interface ImportResult {
  /** Events the dump wanted enabled. They are imported disabled. */
  readonly enabledEvents: readonly string[];
  readonly bytes: number;
}

/** What one grantee may do with a database, or with one table or routine of it. */
export interface RightOnDatabase {
  /** As GRANT takes it: `'report'@'%'`, or a role. */
  readonly grantee: string;
  /** As GRANT takes them: `SELECT, INSERT (a, b)`. */
  readonly privileges: string;
  /** A table, or `FUNCTION f` and `PROCEDURE p`; null for the whole database. */
  readonly on: string | null;
}

/**
 * What of other databases an account is given. `definitions`: what it takes to make views, keys and defaults that name them,
 * and nothing that writes. `running`: what triggers, routines and events do with them too.
 */
export type Purpose = 'definitions' | 'running';

/** Which texts of a table are wanted. */
export interface TextQuery {
  readonly table: string;
  /** Columns. */
  readonly key: string;
  readonly text: string;
  readonly where: { readonly column: string; readonly equals: string };
  /** Rows. */
  readonly limit: number;
}

export interface TextRow {
  readonly key: string;
  readonly text: string;
}

/**
 * A MariaDB or MySQL server, seen with its admin account. Everything is idempotent. Identifiers and literals are quoted
 * in one place. Clients run confined, credentials by descriptor. Connection errors are DatabaseUnreachable, refused
 * logins DatabaseAccessDenied, other SQL errors DatabaseRefused.
 */
export interface DatabaseServer {
  readonly name: string;
  /** The machine that its administrator comes from. */
  readonly from: Host;
  /** The machine that its files lie on; null where nobody knows which one that is. */
  readonly disks: Host | null;

  facts(): Promise<ServerFacts>;
  /** What the admin account lacks of what this contract needs, by the names of GRANT. */
  missingPrivileges(): Promise<string[]>;
  /** Names and patterns of databases that every account may use. */
  publicDatabases(): Promise<string[]>;
  /** @throws KedgeError DatabaseUnknown */
  describe(database: string): Promise<DatabaseFacts>;
  databaseExists(database: string): Promise<boolean>;
  databaseNames(): Promise<string[]>;
  /** Texts of a table, the first 16 KiB of each; none where there is no such table, or a view in its place. */
  textsOf(database: string, query: TextQuery): Promise<TextRow[]>;
  /** User names of all accounts, each once. */
  userNames(): Promise<string[]>;

  /**
   * Dumps by the admin account: `--single-transaction --quick --no-autocommit --routines --events --triggers
   * --no-tablespaces`, values as bytes, DEFINER removed while streaming. Broken views are dumped as their definition, with a warning.
   * Checks the trailer and that every table of the database is in the dump.
   * `output` is ended.
   * @throws KedgeError DumpInvalid, DatabaseUnknown; TableUnreadable, of which `unreadableTablesOf` tells the tables
   */
  dump(database: string, output: Writable, operation: Operation, options?: DumpOptions): Promise<DumpResult>;

  createDatabase(database: string, charset: string, collation: string): Promise<void>;
  /** Ends its connections first. Nothing happens when it does not exist. */
  dropDatabase(database: string): Promise<void>;

  /** Creates or resets the account: this password, all privileges on this one database, nothing else; unlocked. */
  createAccount(account: DatabaseAccount, password: string, database: string): Promise<void>;
  /** Limits (MAX_…) and REQUIRE of `from` given to `to`, host by host. */
  copyAccountOptions(from: DatabaseAccount, to: DatabaseAccount): Promise<void>;
  dropAccount(account: DatabaseAccount): Promise<void>;
  /** Locks, then ends its connections. Hosts where the account does not exist are passed over. */
  lockAccount(account: DatabaseAccount): Promise<void>;
  unlockAccount(account: DatabaseAccount): Promise<void>;
  accountExists(account: DatabaseAccount): Promise<boolean>;
  /** True when the account has privileges beyond this database, USAGE aside. */
  accountIsShared(account: DatabaseAccount, database: string): Promise<boolean>;

  /** Privileges of the account that reach every database of the server; empty for an ordinary one. */
  globalPrivileges(account: DatabaseAccount): Promise<string[]>;
  /**
   * Privileges on the database that a new name of it does not come with: those of other accounts and roles, and those of the
   * account itself on single tables, columns and routines.
   */
  rightsLeftBehind(account: DatabaseAccount, database: string): Promise<RightOnDatabase[]>;
  /** Filters of binary log and replication that name the database, as `name = value`. */
  filtersNaming(database: string): Promise<string[]>;
  /** Those of the names that the account may not use in views, keys and defaults now, or that are not there. */
  lackingReach(account: DatabaseAccount, names: readonly NameElsewhere[]): Promise<NameElsewhere[]>;
  /**
   * Gives `to` the privileges on what these names stand for that `from` has now: for `definitions` those it takes to make
   * them, for `running` those they act by too.
   */
  grantReach(
    from: DatabaseAccount,
    to: DatabaseAccount,
    names: readonly NameElsewhere[],
    purpose: Purpose,
  ): Promise<void>;

  /** Databases that the account has privileges on, its own among them; those on everything do not count. Sorted. */
  databasesOf(account: DatabaseAccount): Promise<string[]>;
  /**
   * Accounts that may write to the database besides this one, as `user@host`, locked ones and administrators left out:
   * a fence of this account does not stop them.
   */
  otherWriters(account: DatabaseAccount, database: string): Promise<string[]>;

  /** What a fence of this account would change; changes nothing. */
  planFence(account: DatabaseAccount, database: string): Promise<Fence>;
  /** Locks the account, revokes EVENT on the database, ends its connections. */
  raiseFence(fence: Fence): Promise<void>;
  lowerFence(fence: Fence): Promise<void>;

  /**
   * Imports a dump as the given account, which can reach only that database, with events disabled, DEFINER removed,
   * by a confined client. `dumpPath` is a file on the master.
   * @throws KedgeError ImportFailed with the server's message, DumpInvalid when empty or without trailer
   */
  importDump(
    dumpPath: string,
    database: string,
    user: string,
    password: string,
    operation: Operation,
    options?: {
      /** Leave out the rows. */
      readonly definitionsOnly?: boolean;
      /** Let question marks take the place of bytes that are no letters of their column's character set. Else such text is DumpIncompatible. */
      readonly replaceText?: boolean;
    },
  ): Promise<ImportResult>;
  /** What of this server decides whether it takes definitions. */
  importConditions(): Promise<ImportConditions>;
  /** Switches events on, each under `definer`. */
  enableEvents(database: string, events: readonly string[], definer: DatabaseAccount): Promise<void>;

  /**
   * Logs in as the site does, from the machine of its PHP, and returns the account the server took (`CURRENT_USER()`), and which server answered:
   * the same as {@link ServerFacts.identity} when it is this one. Whoever answers at the address has ten seconds for each
   * answer.
   */
  proveLogin(
    login: SiteLogin,
    from: Host,
    operation: Operation,
  ): Promise<{ user: string; host: string; database: string; identity: string }>;
  /** The host of an account that comes from where the admin account does, as the server sees it. */
  clientHost(): Promise<string>;
  /**
   * The host of an account that comes from that machine to this address, which is one in the form that settings have, as the server
   * sees it: what it says of a login that nobody has.
   * @throws KedgeError DatabaseUnreachable, HostUnreachable; DatabaseRefused when it does not tell
   */
  clientHostOf(from: Host, siteAddress: string, operation: Operation): Promise<string>;
  /** True when the server takes this login from here. @throws KedgeError when it refuses it for another reason */
  canLogIn(user: string, password: string, database: string): Promise<boolean>;
  close(): Promise<void>;
}
