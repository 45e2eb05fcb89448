import { type FileHandle, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path/posix';
import { KedgeError } from '../../../contract/errors';
import { ownUid } from '../../../trust/trusted-path';
import { diskFullOr } from '../disk-full';
import { makeFolderAt, renamePlaces } from '../files';
import { statusOf } from '../file-status';
import type { FileAttributes, FileStatus } from '../host';
import { ON_THIS_MACHINE, openBelow, openPath, within } from '../open-path';
import { isTrustedFolder } from '../trusted-path';
import type { Place } from './places';

export type InSites = Extract<Place, { kind: 'site' | 'staging' }>;

/**
 * Folders of sites and staging folders of this machine, in which nobody is believed: the owners of sites lay links there, and who has the
 * master's key lays some as root. Each path is opened name by name; what is done is done in what was opened.
 */
export class FoldersOfSites {
  constructor(private readonly server: string) {}

  /** Null when nothing is there. */
  open(place: InSites): Promise<FileHandle | null> {
    return openBelow(topOf(place), place.names, this.server);
  }

  async inPlace<T>(place: InSites, work: (handle: FileHandle) => Promise<T>): Promise<T | undefined> {
    const handle = await this.open(place);
    if (!handle) return undefined;
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  }

  /** Does `work` with the path of a name in an opened folder; undefined when that folder is missing. */
  async inParent<T>(place: InSites, work: (at: string) => Promise<T>): Promise<T | undefined> {
    const handle = await this.openParent(place);
    if (!handle) return undefined;
    try {
      return await work(within(handle, nameOf(place)));
    } finally {
      await handle.close();
    }
  }

  private async openParent(place: InSites): Promise<FileHandle | null> {
    if (place.names.length > 0) return this.open({ ...place, names: place.names.slice(0, -1) });
    const above = dirname(topOf(place));
    return (await statusOf(above)) === undefined ? null : openPath(above, this.server);
  }

  /** Makes the folder and missing ones above it. @throws KedgeError FileRefused, DiskFull */
  async make(place: InSites, attributes: FileAttributes): Promise<void> {
    const path = pathOf(place);
    if ((await this.inParent(place, (at) => statusOf(at))) !== undefined) return;
    if (place.names.length > 0) await this.make({ ...place, names: place.names.slice(0, -1) }, attributes);
    await this.writing(async () => {
      const made = await this.inParent(place, async (at) => {
        await makeFolderAt(at, path, attributes, this.server);
        return true;
      });
      if (made) return;
      throw new KedgeError('FileRefused', `the folder above ${path} on ${this.server} does not exist`, {
        server: this.server,
      });
    });
  }

  /** Never replaces anything. @throws KedgeError FileRefused */
  async rename(source: InSites, target: InSites): Promise<void> {
    const [from, to] = [pathOf(source), pathOf(target)];
    await this.writing(async () => {
      const moved = await this.inParent(source, (here) =>
        this.inParent(target, async (there) => {
          await renamePlaces({ source: here, target: there }, { from, to }, this.server);
          return true;
        }),
      );
      if (!moved)
        throw new KedgeError('FileRefused', `a folder above ${from} or ${to} on ${this.server} does not exist`, {
          server: this.server,
        });
    });
  }

  /** Undefined when nothing is there. Describes a link itself. */
  status(place: InSites): Promise<FileStatus | undefined> {
    return this.inParent(place, (at) => statusOf(at));
  }

  /** Removes a folder that holds nothing; nothing happens where one above it is missing. @throws the error of the system */
  async removeEmpty(place: InSites): Promise<void> {
    await this.inParent(place, (at) => rmdir(at));
  }

  /** Nobody but root gets into a staging folder, or puts another one in its place. @throws KedgeError OwnerRefused */
  async assertShut(staging: string): Promise<void> {
    const status = await statusOf(staging);
    const isShut = status?.type === 'folder' && status.uid === ownUid() && (status.mode & 0o077) === 0;
    if (isShut && (await isTrustedFolder(ON_THIS_MACHINE, dirname(staging)))) return;
    throw new KedgeError('OwnerRefused', `others than root get into ${staging} on ${this.server}`, {
      server: this.server,
      hint: `Run \`chown root: ${staging}\` and \`chmod 0700 ${staging}\`; nobody but root may write to the folders above it.`,
    });
  }

  private async writing<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((error: unknown) => {
      throw diskFullOr(error, this.server);
    });
  }
}

function topOf({ kind, site }: InSites): string {
  return kind === 'site' ? site.folder : site.staging;
}

function pathOf(place: InSites): string {
  return join(topOf(place), ...place.names);
}

function nameOf(place: InSites): string {
  return basename(pathOf(place));
}
