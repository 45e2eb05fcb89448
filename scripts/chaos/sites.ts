import { copyFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { backupResultSchema } from '../../src/contract/tasks';
import { kedge } from '../demo/kedge';
import { type Fingerprint, fingerprint } from '../lab/fingerprint';
import type { Lab } from '../lab/lab';
import { recordsOf } from '../lab/leftovers';
import type { WordPressSite } from '../lab/wordpress';
import { writeVersion } from './versions';

/** What a backup holds. */
export interface Saved {
  readonly backup: string;
  readonly version: string;
  readonly fingerprint: Fingerprint;
}

/** A site of the lab, with what is known to be in its backups. */
export class ChaosSite {
  /** The newest that a task of an earlier round made. */
  newest: Saved | null = null;

  private constructor(
    readonly site: WordPressSite,
    private readonly lab: Lab,
    readonly first: Saved,
    /** A copy of the first archive, kept elsewhere: what a deploy is given. */
    readonly archive: string,
  ) {}

  /** Adopts a site, and makes its first backup. */
  static async begin(lab: Lab, site: WordPressSite): Promise<ChaosSite> {
    const version = `first-${site.uri}`;
    await writeVersion(site, lab.mariadb, version);
    const seen = await fingerprint(site, lab.nginx.port, lab.mariadb);
    const { backup } = backupResultSchema.parse(await document(lab, ['backup', site.uri]));
    const archive = join(lab.folder, `${site.uri}.tar.zst`);
    await copyFile(backup.path, archive);
    return new ChaosSite(site, lab, { backup: backup.id, version, fingerprint: seen }, archive);
  }

  get uri(): string {
    return this.site.uri;
  }

  get isThere(): boolean {
    return existsSync(this.site.root);
  }

  async look(): Promise<Fingerprint> {
    return fingerprint(this.site, this.lab.nginx.port, this.lab.mariadb);
  }

  /** Ids of all its backups that are in the catalogue. */
  backups(): string[] {
    return recordsOf(this.lab, this.uri).map(({ id }) => id);
  }

  /** All but the first and the newest are removed: the disk is small. */
  async forgetOthers(): Promise<void> {
    for (const id of this.backups()) {
      if (id === this.first.backup || id === this.newest?.backup) continue;
      for (const end of ['json', 'tar.zst'])
        await rm(join(this.lab.backups, this.uri, `${id}.${end}`), { force: true });
    }
  }
}

/** The document of a command that ends well. @throws Error with what it said */
export async function document(lab: Lab, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
  const { exitCode, stdout, stderr } = await kedge([...args, '--json'], lab.environment, undefined, signal);
  if (exitCode !== 0 && exitCode !== 3)
    throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as unknown;
}
