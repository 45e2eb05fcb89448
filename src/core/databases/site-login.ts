import { randomBytes } from 'node:crypto';
import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { z } from 'zod';
import { KedgeError } from '../../contract/errors';
import type { DatabaseServerAddress } from '../../contract/target';
import { type AdminConnection, connect, endpointOf } from './admin-connection';
import type { SiteLogin } from './database-server';
import { readServerFacts } from './facts';
import { quoteLiteral, splitAccount } from './identifiers';
import { databaseError } from './sql-errors';

const proof = z.object({ account: z.string(), locked: z.coerce.number() });
const seen = z.object({ user: z.string(), database: z.string().nullable() });

/**
 * Logs in as the site does and returns the account the server took. The settings of a site are hostile: whoever answers
 * at their address must be this server, and the password must be what lets in.
 * @throws KedgeError DatabaseUnreachable, DatabaseAccessDenied, DatabaseUnknown; AdoptionRefused for another server, or
 *   an account that is let in with any password
 */
export async function proveLogin(
  admin: AdminConnection,
  address: DatabaseServerAddress,
  login: SiteLogin,
): Promise<{ user: string; host: string; database: string; identity: string }> {
  const whose = `the login ${login.user} of the database ${login.database} at ${login.address}`;
  const endpoint = endpointOfSite(login.address, address);
  const connection = await open(admin, endpoint, login, whose);
  try {
    const account = await proveServer(admin, connection, login, whose);
    await provePassword(admin, endpoint, login, whose);
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

/** `DatabaseServer.letsIn`; its contract is there. */
export async function letsIn(
  admin: AdminConnection,
  address: DatabaseServerAddress,
  { user, password, database }: Omit<SiteLogin, 'address'>,
): Promise<boolean> {
  try {
    (await connect({ ...endpointOf(address), user, password, database })).destroy();
    return true;
  } catch (error) {
    const refused = databaseError(error, admin.server, `the login ${user} of the database ${database}`, [password]);
    if (refused.code === 'DatabaseAccessDenied') return false;
    throw refused;
  }
}

/** The form of address that PHP's database extensions take; plain `localhost` is the server's own socket. */
export function endpointOfSite(
  siteAddress: string,
  server: DatabaseServerAddress,
): Pick<ConnectionOptions, 'socketPath' | 'host' | 'port'> {
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

async function open(
  admin: AdminConnection,
  endpoint: Pick<ConnectionOptions, 'socketPath' | 'host' | 'port'>,
  login: SiteLogin,
  whose: string,
): Promise<Connection> {
  try {
    return await connect({ ...endpoint, user: login.user, password: login.password, database: login.database });
  } catch (error) {
    throw databaseError(error, admin.server, whose, [login.password]);
  }
}

/** A lock taken by the site's connection is seen by the admin's, with who took it, only when both are on one server. */
async function proveServer(
  admin: AdminConnection,
  connection: Connection,
  login: SiteLogin,
  whose: string,
): Promise<{ user: string; host: string }> {
  const lock = quoteLiteral(`kedge-${randomBytes(16).toString('hex')}`);
  let claimed: z.infer<typeof proof>;
  try {
    const [rows] = await connection.query(`SELECT CURRENT_USER() AS account, GET_LOCK(${lock}, 0) AS locked`);
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
async function provePassword(
  admin: AdminConnection,
  endpoint: Pick<ConnectionOptions, 'socketPath' | 'host' | 'port'>,
  login: SiteLogin,
  whose: string,
): Promise<void> {
  const password = randomBytes(16).toString('hex');
  let connection: Connection;
  try {
    connection = await connect({ ...endpoint, user: login.user, password, database: login.database });
  } catch (error) {
    const refused = databaseError(error, admin.server, whose, [login.password]);
    if (refused.code === 'DatabaseAccessDenied') return;
    throw refused;
  }
  connection.destroy();
  throw new KedgeError('AdoptionRefused', `${whose} is let in with any password`, {
    server: admin.server,
    hint: 'Give the site a database account of its own, with a password.',
  });
}
