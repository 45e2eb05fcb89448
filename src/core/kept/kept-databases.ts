import { KedgeError } from '../../contract/errors';
import type { DatabaseAccount, DatabaseServer } from '../databases/database-server';
import type { Journal } from '../tasks/journal';
import { Claims } from '../recovery/leftovers';
import type { SiteState } from '../tasks/site-state';

/** A database that a restore replaced and Kedge had not made, as it is now. */
export interface KeptDatabase {
  readonly database: string;
  readonly account: DatabaseAccount;
  /** When a restore replaced it, ISO 8601; null where an older Kedge did not note it. */
  readonly since: string | null;
  /** Data and indexes as the server estimates them; null where it is there no more. */
  readonly bytes: number | null;
}

/** What of it goes when it is let go. */
export interface LetGoPlan extends KeptDatabase {
  /** Why its account stays; null where it goes too. */
  readonly accountStays: string | null;
}

const DAY_MS = 24 * 3_600_000;

/** The databases that are kept of a site. */
export async function keptDatabases({ kept }: SiteState, server: DatabaseServer): Promise<KeptDatabase[]> {
  const found: KeptDatabase[] = [];
  for (const { database, account, since = null } of kept) {
    const bytes = (await server.databaseExists(database)) ? (await server.describe(database)).bytes : null;
    found.push({ database, account, since, bytes });
  }
  return found;
}

/** `shop, for 12 days, 4.1 MB`. */
export function describeKept({ database, since, bytes }: KeptDatabase, now: Date): string {
  const days = since === null ? null : Math.floor((now.getTime() - new Date(since).getTime()) / DAY_MS);
  const age = days === null ? 'of unknown age' : days < 1 ? 'since today' : `for ${days} day${days === 1 ? '' : 's'}`;
  return `${database}, ${age}, ${bytes === null ? 'gone from the server' : `${(bytes / 1e6).toFixed(1)} MB`}`;
}

/**
 * What letting go of a kept database would drop. Nothing that a site uses, that another keeps, or that a task works with.
 * @throws KedgeError StepRefused for a database that is in use
 */
export async function planLetGo(
  kept: KeptDatabase,
  site: string,
  { states, open, server }: { states: readonly SiteState[]; open: readonly Journal[]; server: DatabaseServer },
): Promise<LetGoPlan> {
  const { database, account } = kept;
  const without = states.map((state) =>
    state.site === site ? { ...state, kept: state.kept.filter((each) => each.database !== database) } : state,
  );
  const claims = new Claims(without, open);
  if (claims.hasDatabase(database))
    throw new KedgeError('StepRefused', `the database ${database} that ${site} keeps is in use by a site or a task`, {
      site,
      server: server.name,
      state: 'nothing was changed',
      hint: 'Wait for the task; where another site uses it, leave it.',
    });
  return { ...kept, accountStays: await whyAccountStays(account, database, claims, server) };
}

async function whyAccountStays(
  account: DatabaseAccount,
  database: string,
  claims: Claims,
  server: DatabaseServer,
): Promise<string | null> {
  if (claims.hasAccount(account)) return 'a site uses it';
  if (!(await server.accountExists(account))) return null;
  const others = (await server.databasesOf(account)).filter((name) => name.toLowerCase() !== database.toLowerCase());
  if (others.length > 0) return `it reaches ${others.slice(0, 3).join(', ')}${others.length > 3 ? ' and more' : ''}`;
  return (await server.accountIsShared(account, database)) ? 'it has privileges on the whole server' : null;
}

/** Drops what the plan says, the database first; nothing happens for what is gone already. */
export async function letGo({ database, account, accountStays }: LetGoPlan, server: DatabaseServer): Promise<void> {
  await server.dropDatabase(database);
  if (accountStays === null) await server.dropAccount(account);
}
