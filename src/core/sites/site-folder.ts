import { posix } from 'node:path';
import { KedgeError } from '../../contract/errors';
import { SITE_FOLDER, type SiteLocation, type SiteRoot, rootsOf } from '../../contract/target';
import type { Host } from '../hosts/host';
import { type StagedFolder, stagedFolder } from './switch-folders';

/**
 * The folders of a site as they lie on a host, and the paths the site knows them by. While a restore is staged they differ:
 * programs see the folders at the paths the site will live at, so that `__DIR__` is right.
 */
export interface SiteFolder {
  readonly host: Host;
  /** Where the site folder is now. */
  readonly path: string;
  /** Where the declared paths are now. */
  readonly declared: readonly SiteRoot[];
  /** Who it is. `site.root` and `site.paths` are the paths they are seen at. */
  readonly site: SiteLocation;
}

/** One folder of a site: where it lies, and where the site sees it. */
export interface ShownFolder {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** A site as its visitors have it. */
export function liveFolder(host: Host, site: SiteLocation): SiteFolder {
  const [, ...declared] = rootsOf(site);
  return { host, path: site.root, declared, site };
}

/** A site as it waits for the switch. */
export function waitingFolder(host: Host, site: SiteLocation, staged: readonly StagedFolder[]): SiteFolder {
  const [first, ...declared] = staged.map((folder) => ({ name: folder.name, path: stagedFolder(folder) }));
  return { host, path: first?.path ?? site.root, declared, site };
}

/** Every folder of a site, the site folder first: what its programs are shown. */
export function shownFolders({ path, declared, site }: SiteFolder): ShownFolder[] {
  return rootsOf(site).map(({ name, path: to }) => {
    const from = name === SITE_FOLDER ? path : declared.find((root) => root.name === name)?.path;
    // Passed over, it would be left out of all that is done to the site.
    if (from === undefined) throw new KedgeError('Internal', `nobody said where ${name} of ${site.uri} lies now`);
    return { name, from, to };
  });
}

/** Where the site sees a file of its own: relative paths are below the site folder. */
export function seenPath({ site }: SiteFolder, path: string): string {
  return posix.resolve(site.root, path);
}

/** The folder of the site in which it sees a file; the site folder for what lies in none. */
export function folderOfFile(folder: SiteFolder, path: string): ShownFolder {
  const seen = seenPath(folder, path);
  const site = { name: SITE_FOLDER, from: folder.path, to: folder.site.root };
  return shownFolders(folder).find(({ to }) => isBelow(to, seen)) ?? site;
}

/** True for what a path stands for, and what lies below it. */
export function isBelow(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
