import { dirname, join } from 'node:path';
import type { Host } from '../hosts/host';

/** A folder of a site that a task replaces. */
export interface StagedFolder {
  /** Name of the folder among those of the site. */
  readonly name: string;
  /** Where visitors have it. */
  readonly live: string;
  /** `.kedge/<token>` on its file system; folders of one site may share it. */
  readonly staging: string;
  /** The folder therein of the attempt that staged it; left out in journals of before, which have it in `staging` itself. */
  readonly attempt?: string | undefined;
  /**
   * `.kedge/<token>.previous`, where the folder of before waits: apart from what is staged, so that whoever takes that away
   * never takes the only copy of a site. Journals of before have it in `staging`.
   */
  readonly previous?: string | undefined;
}

/** Where a restored folder waits. */
export function stagedFolder({ staging, attempt = '', name }: StagedFolder): string {
  return join(staging, attempt, name);
}

/** Where the folder that was live before waits. No name of a folder holds a dot. */
export function previousFolder({ staging, previous, name }: StagedFolder): string {
  return previous === undefined ? join(staging, `${name}.previous`) : join(previous, name);
}

/**
 * Where a restored folder waits that was taken back: `.kedge/<token>.back`, apart from what is staged, so that nothing that visitors could reach comes
 * to where more is written. Tasks whose journals are of before have it where it was staged.
 */
export function takenBackFolder(folder: StagedFolder): string {
  return folder.previous === undefined ? stagedFolder(folder) : join(`${folder.staging}.back`, folder.name);
}

/** The folder of the folders of before, for a new task. */
export function previousBeside(staging: string): string {
  return `${staging}.previous`;
}

/** Each staging folder once. */
export function stagingFolders(folders: readonly StagedFolder[]): string[] {
  return [...new Set(folders.map(({ staging }) => staging))];
}

/** All in which folders lie that a task has made and nobody needs, each once. */
export function discardedFolders(folders: readonly StagedFolder[]): string[] {
  const takenBack = folders.flatMap((folder) =>
    folder.previous === undefined ? [] : dirname(takenBackFolder(folder)),
  );
  return [...stagingFolders(folders), ...new Set(takenBack)];
}

/** Where folders of before wait, apart from what is staged, each once. */
export function previousFolders(folders: readonly StagedFolder[]): string[] {
  return [...new Set(folders.flatMap(({ previous }) => (previous === undefined ? [] : [previous])))];
}

/** A folder that was live before and waits; undefined when none does. */
export async function findPreviousFolder(host: Host, folders: readonly StagedFolder[]): Promise<string | undefined> {
  for (const folder of folders) {
    const previous = previousFolder(folder);
    if ((await host.status(previous)) !== undefined) return previous;
  }
  return undefined;
}

/** Two renames a folder: live → previous, staged → live. Goes on where an earlier attempt stopped. */
export async function switchFolders(host: Host, folders: readonly StagedFolder[]): Promise<void> {
  for (const folder of folders) {
    const previous = previousFolder(folder);
    if ((await host.status(previous)) === undefined) await host.rename(folder.live, previous);
    if ((await host.status(folder.live)) === undefined) await host.rename(stagedFolder(folder), folder.live);
  }
}

/** The previous folders are live again, newest rename first, wherever the renames stopped. */
export async function switchFoldersBack(host: Host, folders: readonly StagedFolder[]): Promise<void> {
  for (const folder of [...folders].reverse()) {
    const previous = previousFolder(folder);
    if ((await host.status(previous)) === undefined) continue;
    if ((await host.status(folder.live)) !== undefined) {
      const takenBack = takenBackFolder(folder);
      // There already, but for a task that began with a Kedge of before.
      if (folder.previous !== undefined) await host.makeFolder(dirname(takenBack), { mode: 0o700 });
      await host.rename(folder.live, takenBack);
    }
    await host.rename(previous, folder.live);
  }
}
