import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupRecord, backupRecordSchema } from '../../src/contract/backup-record';
import type { Lab } from './lab';

/** What Kedge may leave nothing of: databases, accounts, staged folders, spools, flags, open tasks, processes. */
export async function leftovers(lab: Lab): Promise<Record<string, string[]>> {
  const lines = (text: string): string[] => text.trim().split('\n').filter(Boolean).sort();
  const inFolder = (path: string): string[] => {
    try {
      return readdirSync(path).sort();
    } catch {
      return [];
    }
  };
  const queries = {
    databases: 'SHOW DATABASES',
    accounts: `SELECT CONCAT(user, '@', host) FROM mysql.user`,
    grants: `SELECT CONCAT_WS(' ', user, host, db, select_priv, event_priv) FROM mysql.db`,
    locked: `SELECT CONCAT(user, '@', host) FROM mysql.global_priv WHERE priv LIKE '%"account_locked":true%'`,
  };
  const answers = await lab.mariadb.query(
    Object.values(queries)
      .map((query) => `SELECT '${MARK}'; ${query};`)
      .join('\n'),
  );
  const [databases = [], accounts = [], grants = [], locked = []] = answers.split(`${MARK}\n`).slice(1).map(lines);
  return {
    databases,
    accounts,
    grants,
    locked,
    staging: inFolder(join(lab.folder, 'srv/.kedge')),
    sites: inFolder(join(lab.folder, 'srv')),
    spool: inFolder(join(lab.state, 'spool')),
    open: inFolder(join(lab.state, 'open')),
    flags: inFolder(lab.nginx.address.flags),
    temporary: lab.sites
      .flatMap((site) => inFolder(join(lab.backups, site.uri)))
      .filter((name) => name.startsWith('.')),
    processes: markedProcesses(lab),
  };
}

/** Stands between the answers of several queries. */
const MARK = '--- next ---';

/** Records of the backups of a site, newest first, as they lie in the catalogue. */
export function recordsOf(lab: Lab, uri: string): BackupRecord[] {
  const folder = join(lab.backups, uri);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => backupRecordSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))))
    .sort((a, b) => b.id.localeCompare(a.id));
}

/** The parts of a journal that tests look at. */
export interface JournalView {
  readonly task: string;
  readonly token: string;
  readonly mark: string;
  readonly site: string;
  readonly step: string | null;
  readonly steps: Readonly<Record<string, { readonly done: boolean }>> | null;
  readonly undoing: boolean;
  readonly maintenance: object | null;
  readonly committed: boolean;
  readonly created: { readonly importBegan: boolean; readonly databases: readonly string[] } | null;
  readonly backup: { readonly id: string; readonly published?: boolean } | null;
  readonly outcome: { readonly status: string; readonly code: string | null } | null;
}

/** Journals of a lab, in the order of their tasks' ids; of one type of task, or of all. */
export function journalsOf(lab: Lab, type = ''): JournalView[] {
  const folder = join(lab.state, 'tasks');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(`${type}.json`) && !name.startsWith('.'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as JournalView);
}

/** Processes that carry the mark of a task of this lab; those of other labs, of tests that run beside, are not ours. */
export function markedProcesses(lab: Lab): string[] {
  const marks = journalsOf(lab).map(({ mark }) => mark);
  const isOurs = (environment: string): boolean => {
    const mark = /(?:^|\0)KEDGE_MARK=(?:undo-|finish-)?(\w+)\//.exec(environment)?.[1];
    return mark !== undefined && marks.includes(mark);
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return isOurs(readFileSync(`/proc/${pid}/environ`, 'latin1'));
      } catch {
        return false;
      }
    });
}
