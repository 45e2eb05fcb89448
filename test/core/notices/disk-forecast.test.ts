import { expectBackups, judgeDisk } from '../../../src/core/notices/disk-forecast';
import type { RecentBackups } from '../../../src/core/notices/recent-backups';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 27, 12);
const GB = 1_000_000_000;

/** A site with backups of so many hours ago, newest first, of so many GB each. */
function site(hoursAgo: readonly number[], ...sizes: number[]): RecentBackups {
  const newest = hoursAgo.map((hours, at) => ({
    published: NOW - hours * HOUR,
    bytes: (sizes[at] ?? sizes[0] ?? 1) * GB,
  }));
  return { good: null, passedOver: null, newest };
}

const expected = (sites: Record<string, RecentBackups>) => expectBackups(new Map(Object.entries(sites)), NOW);
const judged = (
  sites: Record<string, RecentBackups>,
  freeGb: number,
  more: { isTold?: boolean; readOnly?: boolean } = {},
) =>
  judgeDisk(expected(sites), {
    folder: '/var/lib/kedge/backups',
    free: { bytes: freeGb * GB, inodes: null, readOnly: more.readOnly ?? false },
    isTold: more.isTold ?? false,
    now: new Date(NOW),
  });

describe('the next backup of a site', () => {
  it('comes when the rhythm of those before it says, a pause in them notwithstanding', () => {
    expect(expected({ a: site([2, 26, 50, 146, 170], 3) })).toEqual([
      { site: 'a', bytes: 3 * GB, at: NOW + 22 * HOUR },
    ]);
  });

  it('is as much larger as the last one was, and never smaller', () => {
    expect(expected({ a: site([1, 25], 5, 4), b: site([1, 25], 4, 9) }).map(({ bytes }) => bytes / GB)).toEqual([6, 4]);
  });

  it('is not expected of a site with one backup, or whose backups stopped; one that is late is expected now', () => {
    expect(expected({ one: site([1]), none: site([]), stopped: site([80, 104]), late: site([30, 54]) })).toEqual([
      { site: 'late', bytes: GB, at: NOW },
    ]);
  });
});

describe('the disk', () => {
  const sites = { soon: site([20, 44], 6), later: site([10, 34], 5) };

  it('is full before the backup that finds no room, which is named with its time', () => {
    const seen = judged(sites, 8);
    expect(seen).toMatchObject({
      key: 'disk/backups',
      condition: { event: 'disk-filling', site: null, code: 'DiskFull', since: new Date(NOW).toISOString() },
    });
    expect(seen && 'condition' in seen ? seen.condition.message : '').toBe(
      'the disk of /var/lib/kedge/backups is expected to be full by the next backup of later, about 2026-11-28 02:00:00 UTC: ' +
        '8.0 GB are free, and the next backups of 2 sites take 11.0 GB',
    );
  });

  it('has room when all find it; once told that it has not, when there is a tenth more', () => {
    expect(judged(sites, 11)).toHaveProperty('over');
    expect(judged(sites, 11, { isTold: true })).toBeNull();
    expect(judged(sites, 12.2, { isTold: true })).toHaveProperty('over');
  });

  it('that is read-only takes nothing, however much is free', () => {
    expect(judged({}, 900, { readOnly: true })).toMatchObject({ condition: { identity: 'read-only' } });
  });
});
