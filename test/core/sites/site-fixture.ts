import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Owner, SettingsFormat, SiteLocation } from '../../../src/contract/target';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import type { SiteFolder } from '../../../src/core/sites/site-kind';
import { siteLocation } from '../../helpers/target';

let owner: Promise<Owner> | undefined;

/** The account the sites of these tests run as: as root another one than ours, else our own. */
export function testOwner(): Promise<Owner> {
  return (owner ??= lookUpTestOwner());
}

async function lookUpTestOwner(): Promise<Owner> {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { user: String(uid), uid, gid: process.getgid?.() ?? 0 };
  return createLocalHost({ name: 'here' }).lookUpOwner('www-data');
}

export interface Fixture {
  /** Folder of this fixture, for what lies outside the site. */
  readonly base: string;
  readonly folder: SiteFolder;
  /** Writes a file of the site, as the owner's. */
  readonly write: (path: string, content: string | Buffer, mode?: number) => Promise<string>;
  readonly remove: () => Promise<void>;
}

/** Gives `work` a site of its own, as long as it takes. */
export async function withSite(
  options: Parameters<typeof makeSite>[0],
  work: (site: Fixture) => Promise<void>,
): Promise<void> {
  const site = await makeSite(options);
  try {
    await work(site);
  } finally {
    await site.remove();
  }
}

/** A site in a fresh folder. `liveAt`: the path the site knows itself by, when it is staged. */
export async function makeSite(
  options: { kind?: SiteLocation['kind']; settings?: SettingsFormat; liveAt?: string } = {},
): Promise<Fixture> {
  const base = await mkdtemp('/var/tmp/kedge-sites-');
  await chmod(base, 0o755);
  const owner = await testOwner();
  const path = join(base, 'site');
  await mkdir(path);
  await chown(path, owner.uid, owner.gid);
  const site = siteLocation({
    kind: options.kind ?? 'wordpress',
    root: options.liveAt ?? path,
    owner,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  return {
    base,
    folder: { host: createLocalHost({ name: 'here' }), path, declared: [], site },
    async write(name, content, mode = 0o640) {
      const file = join(path, name);
      if (dirname(file) !== path) {
        await mkdir(dirname(file), { recursive: true });
        await chown(dirname(file), owner.uid, owner.gid);
      }
      await writeFile(file, content);
      await chown(file, owner.uid, owner.gid);
      await chmod(file, mode);
      return file;
    },
    remove: () => rm(base, { recursive: true, force: true }),
  };
}
