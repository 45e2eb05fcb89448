import type { DatabaseServer } from '../../databases/database-server';
import type { TaskLeftovers } from '../leftovers';
import { type Problem, problemOf } from '../problem';
import type { SweepParts } from './leftover';

/** A database server, and what there was on it when it was asked. */
export interface KnownServer {
  readonly server: DatabaseServer;
  readonly open: (signal?: AbortSignal, holder?: string) => Promise<DatabaseServer>;
  readonly databases: ReadonlySet<string>;
  readonly users: ReadonlySet<string>;
}

/** Whether there is anything on the server that a task made, also when a site has come to use it. */
export function hasAny({ databases, users }: KnownServer, made: TaskLeftovers): boolean {
  return made.databases.some((name) => databases.has(name)) || made.accounts.some(({ user }) => users.has(user));
}

/** What there is on each server, asked once a search. */
export class DatabaseServers {
  /** Servers that could not be asked. */
  readonly problems: Problem[] = [];
  private readonly known = new Map<string, KnownServer | null>();

  constructor(private readonly configured: SweepParts['databaseServers']) {}

  /** Null where the server cannot be looked at. */
  async at(databaseServer: string): Promise<KnownServer | null> {
    const known = this.known.get(databaseServer);
    if (known !== undefined) return known;
    const found = await this.look(databaseServer);
    this.known.set(databaseServer, found);
    return found;
  }

  /** What `work` finds on a server that answered before; null where it does so no more. */
  async ask<T>(databaseServer: string, work: () => Promise<T>): Promise<T | null> {
    if (this.known.get(databaseServer) === null) return null;
    try {
      return await work();
    } catch (error) {
      this.lose(databaseServer, error);
      return null;
    }
  }

  private async look(name: string): Promise<KnownServer | null> {
    const opened = this.configured.get(name);
    if (!opened) return null;
    try {
      const server = await opened();
      return {
        server,
        open: opened,
        databases: new Set(await server.databaseNames()),
        users: new Set(await server.userNames()),
      };
    } catch (error) {
      this.lose(name, error);
      return null;
    }
  }

  private lose(name: string, error: unknown): void {
    this.known.set(name, null);
    this.problems.push(problemOf(`${name} cannot be asked for what tasks left there`, error));
  }
}
