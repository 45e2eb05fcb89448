import { dirname } from 'node:path';
import { KedgeError } from '../../contract/errors';
import type { OwnedContent } from '../archive/archive';
import type { Host } from '../hosts/host';

/** Bytes a task will write at a place. */
export interface SpaceNeed {
  /** What the place is for, as an operator knows it: `backups`, `spool`. */
  readonly place: string;
  /** Whose disk it is on. */
  readonly host: Host;
  readonly path: string;
  readonly bytes: number;
  /** Files and folders, each of which takes an inode. Default: a few, which the reserve covers. */
  readonly files?: number;
  /** To whom what is written there will belong, as far as quotas count. Default: to nobody whose quota matters. */
  readonly owners?: readonly OwnedContent[];
}

/** Room that stays free on every file system, so that a neighbour's small writes go on. */
const RESERVE_BYTES = 16 * 1024 * 1024;
const RESERVE_INODES = 64;

/**
 * Checks that every file system can be written and has room for all that will be written to it; needs on the same one are added up.
 * @throws KedgeError DiskFull naming the places, what they need and what there is
 */
export async function checkSpace(needs: readonly SpaceNeed[], site: string): Promise<void> {
  const byDevice = new Map<string, SpaceNeed[]>();
  for (const need of needs) {
    const found = await deviceOf(need);
    if (found === null) continue;
    const together = byDevice.get(found.device) ?? [];
    byDevice.set(found.device, [...together, { ...need, path: found.path }]);
  }
  for (const together of byDevice.values()) {
    const [first] = together;
    if (!first) continue;
    const { host, path } = first;
    const { bytes, inodes, readOnly } = await host.freeSpace(path);
    const places = [...new Set(together.map((need) => need.place))].join(', ');
    const refuse = (message: string): KedgeError =>
      new KedgeError('DiskFull', message, { site, server: host.name, state: 'the site is unchanged' });
    if (readOnly) throw refuse(`${places} on ${host.name}: the file system of ${path} is read-only`);
    const wanted = together.reduce((sum, need) => sum + need.bytes, RESERVE_BYTES);
    if (bytes < wanted)
      throw refuse(`${places} on ${host.name} need ${wanted} bytes, the file system of ${path} has ${bytes}`);
    const files = together.reduce((sum, need) => sum + (need.files ?? 0), RESERVE_INODES);
    if (inodes !== null && inodes < files)
      throw refuse(`${places} on ${host.name} need ${files} inodes, the file system of ${path} has ${inodes}`);
  }
}

/** Bytes that are free at all these places together, each file system counted once. */
export async function roomAt(places: readonly Pick<SpaceNeed, 'host' | 'path'>[]): Promise<number> {
  const byDevice = new Map<string, number>();
  for (const place of places) {
    const found = await deviceOf(place);
    if (found !== null) byDevice.set(found.device, (await place.host.freeSpace(found.path)).bytes);
  }
  return [...byDevice.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** The file system of a place, told from those of other hosts; null where nothing of it can be looked at. */
async function deviceOf({
  host,
  path,
}: Pick<SpaceNeed, 'host' | 'path'>): Promise<{ readonly device: string; readonly path: string } | null> {
  const existing = await nearestExisting(host, path);
  const status = existing === null ? undefined : await host.status(existing);
  return existing === null || !status ? null : { device: `${host.name} ${status.device}`, path: existing };
}

/** The path, or the lowest folder above it that is there. */
export async function nearestExisting(host: Host, path: string): Promise<string | null> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    if (await host.status(candidate)) return candidate;
    if (candidate === dirname(candidate)) return null;
  }
}
