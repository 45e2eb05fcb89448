import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import { HOST_NAME } from '../../contract/host-name';
import type { DatabaseServerAddress } from '../../contract/target';
import type { Host, SocketAddress } from '../hosts/host';
import type { Operation } from '../operation';
import { type AdminConnection, connect, endpointOf } from './admin-connection';
import type { SiteLogin } from './database-server';
import { readServerFacts } from './facts';
import { quoteLiteral, splitAccount } from './identifiers';
import type { ConnectionLimits, LimitedConnection } from './limited-connection';
import { databaseError } from './sql-errors';

/** A login is a handshake and one row. Whoever answers at an address that settings name may be anybody. */
const LIMITS: ConnectionLimits = { handshakeMs: 10_000, statementMs: 10_000, answerBytes: 64 * 1024 };

const proof = z.object({ account: z.string(), locked: z.coerce.number() });
/** As a server sees where a connection comes from. */
const clientHostSchema = z.union([z.ipv4(), z.ipv6(), z.string().regex(HOST_NAME)]);
const seen = z.object({ user: z.string(), database: z.string().nullable() });

/** What a login is proved through. */
export interface LoginParts {
  readonly admin: AdminConnection;
  readonly address: DatabaseServerAddress;
}

/**
 * Logs in as the site does, from the machine that PHP of the site runs on, and returns the account the server took. The settings of a site are hostile: whoever answers
 * at their address must be this server, and the password must be what lets in.
 * @throws KedgeError DatabaseUnreachable, DatabaseAccessDenied, DatabaseUnknown; AdoptionRefused for another server, or
 *   an account that is let in with any password; HostUnreachable for a host name nobody knows; the signal's reason
 */
export async function proveLogin(
  { admin, address }: LoginParts,
  login: SiteLogin,
  from: Host,
  operation: Operation,
): Promise<{ user: string; host: string; database: string; identity: string }> {
  const whose = `the login ${login.user} of the database ${login.database} at ${login.address}`;
  const place = { from, endpoint: endpointOfSite(login.address, address), server: admin.server };
  const connection = await open(place, login, whose, operation.signal).catch(async (error: unknown) => {
    throw (await obstacleOf(admin, login, whose)) ?? error;
  });
  try {
    const account = await proveServer(admin, connection, login, whose);
    await provePassword(place, login, whose, operation.signal);
    // Proved to be one server: the admin's word for which it is counts, not that of whoever answers the site.
    const { identity } = await readServerFacts(admin);
    return { ...account, database: login.database, identity };
  } finally {
    connection.destroy();
  }
}

/** `DatabaseServer.clientHost`; its contract is there. */
export async function clientHost(admin: AdminConnection): Promise<string> {
  const [row] = await admin.rows('SELECT USER() AS account', z.object({ account: z.string() }), {
    what: 'asking where connections come from',
  });
  return splitAccount(row?.account ?? '').host;
}

/** `DatabaseServer.clientHostOf`; its contract is there. */
export async function clientHostOf(
  { admin, address }: LoginParts,
  from: Host,
  siteAddress: string,
  { signal }: Operation,
): Promise<string> {
  const what = `asking how ${admin.server} sees ${from.name}`;
  const place = { from, endpoint: endpointOfSite(siteAddress, address), server: admin.server };
  const nobody = { user: `kedge-${randomBytes(6).toString('hex')}`, password: randomBytes(16).toString('hex') };
  let told: string | undefined;
  try {
    const connection = await connectAs(place, nobody, signal);
    try {
      // Somebody let everybody in.
      const rows = z
        .tuple([z.object({ account: z.string() })])
        .parse(await connection.query('SELECT USER() AS account'));
      told = splitAccount(rows[0].account).host;
    } finally {
      connection.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    const refusal = loginError(error, place, what, [nobody.password]);
    if (refusal.code !== 'DatabaseAccessDenied') throw refusal;
    told = /@'([^']*)'/.exec(refusal.message)?.[1] ?? /Host '([^']*)'/.exec(refusal.message)?.[1];
  }
  const host = clientHostSchema.safeParse(told);
  if (host.success) return host.data;
  throw new KedgeError('DatabaseRefused', `${admin.server} does not tell how it sees ${from.name}`, {
    server: admin.server,
    hint: `Is what listens at ${siteAddress}, seen from ${from.name}, a database server?`,
  });
}

/** `DatabaseServer.canLogIn`; its contract is there. */
export async function canLogIn(
  admin: AdminConnection,
  address: DatabaseServerAddress,
  { user, password, database }: Omit<SiteLogin, 'address'>,
): Promise<boolean> {
  try {
    const place = { from: admin.host, endpoint: endpointOf(address), server: admin.server };
    (await connectAs(place, { user, password, database }, admin.signal)).destroy();
    return true;
  } catch (error) {
    const refused = databaseError(error, admin.server, `the login ${user} of the database ${database}`, [password]);
    if (refused.code === 'DatabaseAccessDenied') return false;
    throw refused;
  }
}

/** The form of address that PHP's database extensions take; plain `localhost` is the server's own socket. */
export function endpointOfSite(siteAddress: string, server: DatabaseServerAddress): SocketAddress {
  const socket = /^(?:localhost|):(\/.*)$/s.exec(siteAddress)?.[1];
  if (socket !== undefined) return { socketPath: socket };
  if ((siteAddress === 'localhost' || siteAddress === '') && server.socket !== undefined) {
    return { socketPath: server.socket };
  }
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*|.*:.*:.*?))(?::(\d{1,5}))?$/s.exec(siteAddress) ?? [];
  const host = bracketed ?? plain;
  return {
    host: host === undefined || host === '' ? '127.0.0.1' : host,
    port: port === undefined ? 3306 : Number(port),
  };
}

/** Where a login is tried. */
interface LoginPlace {
  readonly from: Host;
  /** As that machine reaches the server. */
  readonly endpoint: SocketAddress;
  /** Its name, for errors. */
  readonly server: string;
}

function connectAs(
  { from, endpoint, server }: LoginPlace,
  { user, password, database }: Pick<SiteLogin, 'user' | 'password'> & { readonly database?: string },
  signal: AbortSignal | undefined,
): Promise<LimitedConnection> {
  const login = { user, password, ...(database === undefined ? {} : { database }) };
  return connect({ host: from, endpoint, server, limits: LIMITS, signal, ...login });
}

async function open(
  place: LoginPlace,
  login: SiteLogin,
  whose: string,
  signal: AbortSignal,
): Promise<LimitedConnection> {
  try {
    return await connectAs(place, login, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw loginError(error, place, whose, [login.password]);
  }
}

/** A name in settings that nobody knows says nothing about the server. */
function loginError(
  error: unknown,
  { from, server }: LoginPlace,
  what: string,
  secrets: readonly string[],
): KedgeError {
  if (error instanceof Error && 'code' in error && error.code === 'ENOTFOUND')
    return new KedgeError('HostUnreachable', `${what} failed: ${error.message}`, { server: from.name });
  return databaseError(error, server, what, secrets);
}

const loginRule = z.object({
  host: z.string(),
  plugin: z.string(),
  tls: z.preprocess((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value), z.string()),
});

/**
 * Why nobody can log in as the site does with what its settings say: the account is no one that a password lets in, or asks
 * for a certificate. Undefined where one of its hosts takes a password, and where there is none of that name.
 */
async function obstacleOf(admin: AdminConnection, { user }: SiteLogin, whose: string): Promise<KedgeError | undefined> {
  const rules = await admin
    .rows(
      `SELECT Host AS host, plugin, ssl_type AS tls FROM mysql.user WHERE User = ${quoteLiteral(user)}`,
      loginRule,
      { what: `looking at the account ${user}` },
    )
    .catch(() => []);
  const obstacles = rules.map(({ host, plugin, tls }) => {
    if (tls === 'X509' || tls === 'SPECIFIED')
      return `'${user}'@'${host}' asks for a certificate (REQUIRE ${tls === 'X509' ? 'X509' : 'SUBJECT, ISSUER or CIPHER'})`;
    return plugin === '' || BY_PASSWORD.has(plugin) ? undefined : `'${user}'@'${host}' logs in by ${plugin}`;
  });
  const [first] = obstacles;
  if (first === undefined || obstacles.includes(undefined)) return undefined;
  return new KedgeError('AdoptionRefused', `${whose} cannot be proved by a password: ${first}`, {
    server: admin.server,
    hint: `A restore gives the site a new account with a password. Give this one such a login too, in the settings as well: ALTER USER … IDENTIFIED BY …, and REQUIRE SSL or NONE; then adopt again.`,
  });
}

/** What a password lets in with, and Kedge can speak. */
const BY_PASSWORD = new Set([
  'mysql_native_password',
  'mysql_old_password',
  'caching_sha2_password',
  'sha256_password',
]);

/** A lock taken by the site's connection is seen by the admin's, with who took it, only when both are on one server. */
async function proveServer(
  admin: AdminConnection,
  connection: LimitedConnection,
  login: SiteLogin,
  whose: string,
): Promise<{ user: string; host: string }> {
  const lock = quoteLiteral(`kedge-${randomBytes(16).toString('hex')}`);
  let claimed: z.infer<typeof proof>;
  try {
    const rows = await connection.query(`SELECT CURRENT_USER() AS account, GET_LOCK(${lock}, 0) AS locked`);
    claimed = z.tuple([proof]).parse(rows)[0];
  } catch (error) {
    throw databaseError(error, admin.server, whose, [login.password]);
  }
  const [holder] = await admin.rows(
    `SELECT USER AS user, DB AS \`database\` FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK(${lock})`,
    seen,
    { what: `checking ${whose}` },
  );
  const account = splitAccount(claimed.account);
  // The anonymous account is listed by the name it was asked for by.
  const listedAs = account.user === '' ? login.user : account.user;
  if (holder?.user !== listedAs || holder.database !== login.database) {
    throw new KedgeError('AdoptionRefused', `${whose} reaches another server than ${admin.server}`, {
      server: admin.server,
      hint: 'Configure the database server the site uses.',
    });
  }
  return account;
}

/** An account that is let in by who asks, as root is by unix_socket, says nothing about the rights of the site. */
async function provePassword(place: LoginPlace, login: SiteLogin, whose: string, signal: AbortSignal): Promise<void> {
  const password = randomBytes(16).toString('hex');
  let connection: LimitedConnection;
  try {
    connection = await connectAs(place, { ...login, password }, signal);
  } catch (error) {
    signal.throwIfAborted();
    const refused = databaseError(error, place.server, whose, [login.password]);
    if (refused.code === 'DatabaseAccessDenied') return;
    throw refused;
  }
  connection.destroy();
  throw new KedgeError('AdoptionRefused', `${whose} is let in with any password`, {
    server: place.server,
    hint: 'Give the site a database account of its own, with a password.',
  });
}
