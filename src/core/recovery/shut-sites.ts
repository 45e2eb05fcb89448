import { join } from 'node:path';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import { lowerMaintenanceFile } from '../sites/maintenance-file';
import type { SiteAtWork } from '../sites/site-at-work';
import { findPreviousFolder, switchFoldersBack } from '../sites/switch-folders';
import { flagPath } from '../flags/flag-paths';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { SiteStates } from '../tasks/site-state';

/** One thing that keeps a site from its visitors. */
export interface Obstacle {
  readonly part: 'switch' | 'folder' | 'account' | 'vhost' | 'maintenance file' | 'maintenance page';
  /** `its maintenance page is up` */
  readonly what: string;
  /** What a person does, one sentence. */
  readonly hint: string;
  /** It could not be looked at: nobody knows whether anything is wrong. */
  readonly unseen?: true;
  /** Takes it away; null where a person has to decide. Idempotent. */
  readonly remove: ((operation: Operation) => Promise<void>) | null;
}

/** What is known of a site besides what is looked at. */
export interface ObstacleParts {
  readonly journals: Journals;
  readonly states: SiteStates;
}

/** Older tasks of a site have no part in what is wrong now. */
const MAXIMUM_TASKS = 50;

/**
 * What shuts a site although no open task does: its folder, the account of its database, its vhost and its maintenance page
 * themselves are looked at, in the order in which they are to be put right. Changes nothing. To be asked about a site that
 * no open task holds.
 */
export async function findObstacles(
  { journals, states }: ObstacleParts,
  site: SiteAtWork,
  operation: Operation,
): Promise<Obstacle[]> {
  const closed = (await journals.newest(MAXIMUM_TASKS, site.uri)).filter(
    ({ outcome, committed }) => outcome !== null && !committed,
  );
  const looks: readonly (readonly [Obstacle['part'], () => Promise<Obstacle[]>])[] = [
    ['folder', () => folderObstacles(site, closed)],
    ['account', () => accountObstacles(states, site, closed, operation)],
    ['vhost', () => vhostObstacles(site)],
    ['maintenance page', () => maintenanceObstacles(site)],
  ];
  const found: Obstacle[] = [];
  for (const [part, look] of looks) {
    // What cannot be looked at is no reason to leave the rest as it is.
    const unseen = (error: unknown): Obstacle[] => {
      operation.signal.throwIfAborted();
      const hint = isKedgeError(error) ? error.hint : 'Report it.';
      return [{ part, what: `its ${part} cannot be looked at: ${String(error)}`, hint, remove: null, unseen: true }];
    };
    found.push(...(await look().catch(unseen)));
  }
  return found;
}

/** Folder and vhost have checks of their own, and an application may be at work behind a file of its own. */
const SEEN_ELSEWHERE: ReadonlySet<Obstacle['part']> = new Set(['folder', 'vhost', 'maintenance file']);

/** Of {@link findObstacles} what shuts a site that is whole, and that nothing else tells of. */
export async function findShutters(parts: ObstacleParts, site: SiteAtWork, operation: Operation): Promise<Obstacle[]> {
  return (await findObstacles(parts, site, operation)).filter(({ part }) => !SEEN_ELSEWHERE.has(part));
}

async function folderObstacles({ location, host }: SiteAtWork, closed: readonly Journal[]): Promise<Obstacle[]> {
  const found: Obstacle[] = [];
  for (const { task, staged, switched } of closed) {
    const previous = switched ? await findPreviousFolder(host, staged) : undefined;
    if (previous === undefined) continue;
    const isGone = (await host.status(location.root)) === undefined;
    found.push({
      part: 'switch',
      what: `${task} was closed in the middle of its switch: the folder of before waits in ${previous}`,
      hint: 'Look which of the two folders is the right one.',
      remove: isGone ? () => switchFoldersBack(host, staged) : null,
    });
    return found;
  }
  if ((await host.status(location.root)) === undefined) {
    found.push({
      part: 'folder',
      what: `its folder ${location.root} does not exist`,
      hint: `Restore a backup of ${location.uri}.`,
      remove: null,
    });
  }
  return found;
}

async function accountObstacles(
  states: SiteStates,
  { uri, host, databaseServer }: SiteAtWork,
  closed: readonly Journal[],
  operation: Operation,
): Promise<Obstacle[]> {
  const state = await states.find(uri);
  if (!state) return [];
  const { database, account, password, address } = state.current;
  const server = await databaseServer(operation.signal);
  const now = await server.planFence(account, database);
  const name = `'${account.user}'@'${account.hosts.join("', '")}'`;
  const hint = `Run \`kedge sites online ${uri}\`.`;

  // A fence that its task never took away says what was there before it.
  const fenced = closed.find(
    ({ fence }) => fence && !fence.lowered && fence.account.user === account.user && fence.database === database,
  );
  if (fenced?.fence) {
    const { fence } = fenced;
    const locked = now.lockedBefore.filter((host) => !fence.lockedBefore.includes(host));
    const revoked = fence.eventPrivilegeAt.filter((host) => !now.eventPrivilegeAt.includes(host));
    if (locked.length + revoked.length === 0) return [];
    return [
      {
        part: 'account',
        what: `${fenced.task} was closed and left its account ${name} locked, or without its events`,
        hint,
        remove: () => server.lowerFence(fence),
      },
    ];
  }

  if (now.lockedBefore.length === 0) return [];
  const login = { database, user: account.user, password, address };
  const getsIn = (): Promise<boolean> =>
    server.proveLogin(login, host, operation).then(
      () => true,
      async () => {
        // A machine that does not answer says nothing of the login from there.
        await host.now();
        return false;
      },
    );
  // One that only defines views and routines stays locked, for the site comes from elsewhere.
  if (await getsIn()) return [];
  return [
    {
      part: 'account',
      what: `its account ${name} is locked`,
      hint,
      remove: async () => {
        for (const host of now.lockedBefore) {
          await server.unlockAccount({ user: account.user, hosts: [host] });
          if (await getsIn()) return;
        }
      },
    },
  ];
}

async function vhostObstacles({ location, webServer }: SiteAtWork): Promise<Obstacle[]> {
  const found = await webServer.readVhost(location);
  const wanted = webServer.renderVhost(location);
  const what = (['vhost', 'snippet'] as const).find((name) => wanted[name] !== null && found[name] === null);
  if (what === undefined) return [];
  return [
    {
      part: 'vhost',
      what: `its ${what} is not written`,
      hint: `Run \`kedge verify ${location.uri}\`.`,
      remove: async (operation) => void (await webServer.writeVhost(location, operation)),
    },
  ];
}

async function maintenanceObstacles({ target, folder, host, kind, webServer }: SiteAtWork): Promise<Obstacle[]> {
  const { site, web } = target;
  const found: Obstacle[] = [];
  const file = kind.maintenanceFile;
  const path = join(site.root, file?.path ?? '');
  if (file && (await host.status(path)) !== undefined) {
    found.push({
      part: 'maintenance file',
      what: `its own maintenance file ${file.path} is there`,
      hint: 'Remove it when nobody works on the site.',
      remove: async (operation) => {
        await lowerMaintenanceFile(folder, file, operation);
        if ((await host.status(path)) !== undefined)
          throw new KedgeError('FileRefused', `${path} is not Kedge's and stays`, { site: site.uri });
      },
    });
  }
  if (await webServer.maintenanceIsOn(site.uri)) {
    found.push({
      part: 'maintenance page',
      what: 'its maintenance page is up',
      hint: `If nobody works on the site, run \`kedge sites online ${site.uri}\`, or \`rm ${flagPath(web.flags, site.uri)}\`.`,
      remove: () => webServer.lowerMaintenance(site.uri),
    });
  }
  return found;
}
