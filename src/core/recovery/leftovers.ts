import { join } from 'node:path';
import type { DatabaseAccount } from '../databases/database-server';
import { unfinishedPath } from '../catalog/unfinished';
import type { Host } from '../hosts/host';
import { type StagedFolder, discardedFolders, previousFolder, previousFolders } from '../sites/switch-folders';
import { type Journal, markOf } from '../tasks/journal';
import { keepsDatabase, keptFolders } from '../kept/kept-originals';
import type { SiteState } from '../tasks/site-state';

/** What a closed task may have left behind, by its journal alone: whether it is there is another question. */
export interface TaskLeftovers {
  readonly task: string;
  readonly site: string;
  readonly token: string;
  /** What the marks of its processes begin with. */
  readonly mark: string;
  /** Name of the web server of the site. */
  readonly webServer: string | null;
  /** That is another machine than the master. */
  readonly webElsewhere: boolean;
  readonly staged: readonly StagedFolder[];
  /** Only then nobody needs the folders of before any more. */
  readonly committed: boolean;
  readonly spool: string | null;
  /** In the catalogue. */
  readonly unfinished: string | null;
  readonly databaseServer: string | null;
  readonly databases: readonly string[];
  readonly accounts: readonly DatabaseAccount[];
}

/**
 * Everything that the journal of a closed task says Kedge made, and that nobody needs once the task is closed. What a
 * committed task gave the site is not among it: that is for the task which replaces it, whose journal then says so.
 */
export function leftoversOf(journal: Journal): TaskLeftovers {
  const { target, token, backup, created, before, committed, scratch } = journal;
  // What could not be saved is kept until its backup is deleted.
  const replaced = committed && before?.madeByKedge && !keepsDatabase(journal) ? before : null;
  const kept = new Set(committed ? keptFolders(journal).map(({ previous }) => previous) : []);
  const newest = created?.databases.at(-1);
  return {
    task: journal.task,
    site: journal.site,
    token,
    mark: markOf(journal),
    webServer: target && target.web.name,
    webElsewhere: target?.elsewhere.web ?? false,
    staged: journal.staged.filter(({ previous }) => previous === undefined || !kept.has(previous)),
    committed,
    spool: target && join(target.spool, token),
    unfinished: backup && unfinishedPath(backup),
    databaseServer: target?.database.name ?? null,
    databases: [
      ...(created?.databases.filter((name) => !committed || name !== newest) ?? []),
      ...(replaced ? [replaced.database] : []),
      ...(scratch ? [scratch.database] : []),
    ],
    accounts: [
      ...(created && !committed ? [created.account] : []),
      ...(replaced ? [replaced.account] : []),
      ...(scratch ? [scratch.account] : []),
    ],
  };
}

/** Databases and accounts nobody may take away: those that sites use or keep, and those open tasks work with. */
export class Claims {
  private readonly databases = new Set<string>();
  private readonly users = new Set<string>();

  constructor(states: readonly SiteState[], open: readonly Journal[]) {
    for (const { current, kept } of states)
      for (const each of [current, ...kept]) this.claim(each.database, each.account);
    for (const { before, created, scratch } of open) {
      if (scratch) this.claim(scratch.database, scratch.account);
      if (before) this.claim(before.database, before.account);
      for (const database of created?.databases ?? []) this.claim(database, created?.account);
    }
  }

  /** Names are compared without case: on some servers `Shop` and `shop` are one database. */
  hasDatabase(name: string): boolean {
    return this.databases.has(name.toLowerCase());
  }

  hasAccount({ user }: DatabaseAccount): boolean {
    return this.users.has(user);
  }

  private claim(database: string, account: DatabaseAccount | undefined): void {
    this.databases.add(database.toLowerCase());
    if (account) this.users.add(account.user);
  }
}

async function firstOf(host: Host, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await host.status(path)) !== undefined) return path;
  return undefined;
}

/**
 * Why the staging folders and the database of a closed task are left for a person: the folder in which the site was before
 * is in there, and the live one may not be what it should. Null when nothing speaks against removing them.
 */
export async function reasonToKeep(
  leftovers: TaskLeftovers,
  journal: Pick<Journal, 'switched' | 'committed'>,
  host: Host,
) {
  const { staged, task } = leftovers;
  for (const folder of staged) {
    const { live } = folder;
    const left = await firstOf(host, [...discardedFolders([folder]), ...previousFolders([folder])]);
    if (left === undefined) continue;
    if ((await host.status(live)) === undefined)
      return `${task} left ${left}, and the folder ${live} of the site does not exist`;
    if (!journal.switched || journal.committed) continue;
    const previous = previousFolder(folder);
    if ((await host.status(previous)) !== undefined)
      return `${task} ended in the middle of its switch and left the folder the site was in before, ${previous}`;
  }
  return null;
}
