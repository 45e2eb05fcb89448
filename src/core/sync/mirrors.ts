import { join } from 'node:path';
import type { MasterHost } from '../hosts/master-host';
import type { Operation } from '../operation';

/** A name in the folder of a site: a number that grows, then whose it is. */
const NAME = /^(\d{1,15})-\S+$/;
/** Is in what came as a whole. No folder of a site has a dot in its name. */
const NOTE = 'not-brought.json';
/** Of those that were cut off the newest are looked at; rsync takes no more than twenty bases. */
const CUT_OFF_KEPT = 4;

/** What was brought of a site at some time, be it cut off, in `<state>/mirrors/<uri>/<name>`. */
export interface Mirror {
  readonly name: string;
  readonly path: string;
}

/**
 * What the master has of sites whose files are elsewhere. Each time all of a site is brought anew, into a folder of that attempt, in
 * which files that one of before has already are links to those: so nothing that is gone or changed can be left in it, and only
 * what is new crosses. The last that is whole is kept, as a basis for the next one.
 */
export class Mirrors {
  constructor(
    private readonly folder: string,
    private readonly master: MasterHost,
  ) {}

  folderOf(site: string): string {
    return join(this.folder, site);
  }

  pathOf(site: string, name: string): string {
    return join(this.folderOf(site), name);
  }

  /** A name behind those of all that are there. @param whose the token of the task and the attempt: nobody else's */
  async nextName(site: string, whose: string): Promise<string> {
    const [newest] = await this.newestFirst(site);
    return `${(newest === undefined ? 0 : numberOf(newest)) + 1}-${whose}`;
  }

  /** Makes the folder of an attempt, and those of the folders of the site in it. */
  async make(site: string, name: string, folders: readonly string[]): Promise<void> {
    for (const path of [[], ...folders.map((folder) => [folder])])
      await this.master.makeFolder(join(this.pathOf(site, name), ...path), { mode: 0o700 });
  }

  /**
   * What there is besides one: those that are whole before those that are not, the newest of each first. What was cut off long ago
   * is of no use, and removed.
   */
  async besides(site: string, name: string, operation: Operation): Promise<Mirror[]> {
    const [whole, cutOff] = await this.sorted(site, name);
    for (const { path } of cutOff.slice(CUT_OFF_KEPT)) await this.master.removeTree(path, operation);
    return [...whole, ...cutOff.slice(0, CUT_OFF_KEPT)];
  }

  /** True where the next time brings no more than what is new. */
  async hasWhole(site: string): Promise<boolean> {
    const [whole] = await this.sorted(site, '');
    return whole.length > 0;
  }

  /** Says that all of it came, and what was said of the rest. */
  async conclude(site: string, name: string, note: string): Promise<void> {
    await this.master.writeFile(join(this.pathOf(site, name), NOTE), note, { mode: 0o600 });
  }

  /** What was said when it came as a whole. @throws KedgeError FileRefused when it did not */
  async noteOf(site: string, name: string): Promise<string> {
    return (await this.master.readFile(join(this.pathOf(site, name), NOTE))).toString('utf8');
  }

  /** Removes what is older than one that is whole. */
  async removeOlder(site: string, name: string, operation: Operation): Promise<void> {
    const older = (await this.newestFirst(site)).filter((other) => numberOf(other) < numberOf(name));
    for (const other of older) await this.master.removeTree(this.pathOf(site, other), operation);
  }

  /** Removes all there is of a site. */
  async forget(site: string, operation: Operation): Promise<void> {
    await this.master.removeTree(this.folderOf(site), operation);
  }

  /** Sites of which something is there. */
  sites(): Promise<string[]> {
    return this.master.list(this.folder);
  }

  private async sorted(site: string, except: string): Promise<[whole: Mirror[], cutOff: Mirror[]]> {
    const whole: Mirror[] = [];
    const cutOff: Mirror[] = [];
    for (const name of await this.newestFirst(site)) {
      if (name === except) continue;
      const path = this.pathOf(site, name);
      const isWhole = (await this.master.status(join(path, NOTE))) !== undefined;
      (isWhole ? whole : cutOff).push({ name, path });
    }
    return [whole, cutOff];
  }

  private async newestFirst(site: string): Promise<string[]> {
    const names = (await this.master.list(this.folderOf(site))).filter((name) => NAME.test(name));
    return names.sort((a, b) => numberOf(b) - numberOf(a));
  }
}

function numberOf(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}
