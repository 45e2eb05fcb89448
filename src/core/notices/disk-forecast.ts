import { bytesText, timeText } from '../../contract/units';
import type { FreeSpace } from '../hosts/host';
import type { RecentBackups } from './recent-backups';
import type { Seen } from './settle';

/** The next backup of a site, as those before it let expect it. */
export interface ExpectedBackup {
  readonly site: string;
  readonly bytes: number;
  /** ms since 1970 */
  readonly at: number;
}

export const DISK_KEY = 'disk/backups';

/** A site whose backups stopped is no longer expected to make any: so many of its rhythm. */
const STOPPED_AFTER = 3;
/** What was told is over once there is so much more room than is needed: a disk at its edge is no news each minute. */
const ROOM_AGAIN = 1.1;

/**
 * The next backup of each site that makes some with a rhythm, soonest first: as far from the last one as those before it, in the middle,
 * were from each other; as large as the last one, and as much larger as that was than the one before. `now`: ms since 1970.
 */
export function expectBackups(sites: ReadonlyMap<string, RecentBackups>, now: number): ExpectedBackup[] {
  const expected: ExpectedBackup[] = [];
  for (const [site, { newest }] of sites) {
    const [last, before] = newest;
    if (!last || !before) continue;
    const gaps = newest.slice(1).map(({ published }, at) => (newest[at]?.published ?? published) - published);
    const rhythm = gaps.sort((a, b) => a - b)[Math.floor((gaps.length - 1) / 2)] ?? 0;
    if (now - last.published > STOPPED_AFTER * rhythm) continue;
    const bytes = last.bytes + Math.max(0, last.bytes - before.bytes);
    expected.push({ site, bytes, at: Math.max(now, last.published + rhythm) });
  }
  return expected.sort((a, b) => a.at - b.at || a.site.localeCompare(b.site));
}

/**
 * Whether the disk of the backups has room for the next backup of each site. What is deleted until then is not counted on. `isTold`: that it
 * has not was told. Null where it is neither so nor clearly over.
 */
export function judgeDisk(
  expected: readonly ExpectedBackup[],
  { folder, free, isTold, now }: { folder: string; free: FreeSpace; isTold: boolean; now: Date },
): Seen | null {
  const all = expected.reduce((sum, { bytes }) => sum + bytes, 0);
  const condition = {
    event: 'disk-filling',
    site: null,
    task: null,
    code: 'DiskFull',
    since: now.toISOString(),
    hint: 'Make room there, or let `kedge prune` delete what no rule keeps.',
  } as const;
  if (free.readOnly) {
    const message = `the disk of ${folder} is mounted read-only: no backup can be made`;
    return { key: DISK_KEY, condition: { ...condition, message, identity: 'read-only' } };
  }
  let needed = 0;
  for (const { site, bytes, at } of expected) {
    needed += bytes;
    if (needed <= free.bytes) continue;
    const when = timeText(new Date(at).toISOString());
    const message =
      `the disk of ${folder} is expected to be full by the next backup of ${site}, about ${when}: ` +
      `${bytesText(free.bytes)} are free, and the next backups of ${expected.length === 1 ? 'one site' : `${expected.length} sites`} take ${bytesText(all)}`;
    return { key: DISK_KEY, condition: { ...condition, message, identity: 'filling' } };
  }
  if (isTold && free.bytes < all * ROOM_AGAIN) return null;
  return {
    key: DISK_KEY,
    over: `the disk of ${folder} has room for the next backups: ${bytesText(free.bytes)} are free`,
  };
}
