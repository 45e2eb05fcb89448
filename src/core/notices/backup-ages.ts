import { timeText } from '../../contract/units';
import type { NoticeStates } from './notice-states';
import type { RecentBackups } from './recent-backups';
import type { Seen } from './settle';

/** What a site is to reach, and what it has. */
export interface BackupAge {
  readonly site: string;
  /** ms */
  readonly maxAge: number;
  readonly recent: RecentBackups;
}

export interface JudgedAges {
  /** Sites with an objective, and since when, ISO 8601. */
  readonly watched: NoticeStates['watched'];
  readonly seen: readonly Seen[];
}

/**
 * Which sites have been without a good backup for longer than their objective. One that never had any is measured from when its
 * objective was first seen. `now`: ms since 1970.
 */
export function judgeAges(
  sites: readonly BackupAge[],
  { watched, standing }: Pick<NoticeStates, 'watched' | 'standing'>,
  now: number,
): JudgedAges {
  const next = Object.fromEntries(sites.map(({ site }) => [site, watched[site] ?? new Date(now).toISOString()]));
  const seen = sites.map((age) => judge(age, next[age.site] ?? '', now));
  const judged = new Set(seen.map(({ key }) => key));
  for (const key of Object.keys(standing))
    if (key.startsWith(PREFIX) && !judged.has(key))
      seen.push({ key, over: `nothing is asked of the backups of ${key.slice(PREFIX.length)} any more` });
  const isSame = Object.keys(watched).length === sites.length && sites.every(({ site }) => watched[site] !== undefined);
  return { watched: isSame ? watched : next, seen };
}

const PREFIX = 'backup/';

function judge({ site, maxAge, recent }: BackupAge, watchedSince: string, now: number): Seen {
  const key = `${PREFIX}${site}`;
  const { good, passedOver } = recent;
  const since = (good?.published ?? new Date(watchedSince).getTime()) + maxAge;
  if (now <= since)
    return {
      key,
      over: good ? `${site} has a good backup again: ${good.id}` : `${site} has time for its first backup`,
    };
  const objective = `and its objective is one within ${ageText(maxAge)}`;
  const has = good
    ? `the newest good backup of ${site} is ${good.id}, of ${timeText(new Date(good.published).toISOString())}`
    : `${site} has no good backup`;
  return {
    key,
    condition: {
      ...{ event: 'backup-overdue', site, task: null, code: null, identity: 'overdue' },
      message: `${has}, ${objective}${passedOver === null ? '' : `; ${passedOver}`}`,
      hint: `See \`kedge tasks ${site}\` and \`kedge backups ${site}\`; make one by \`kedge backup ${site}\`.`,
      since: new Date(since).toISOString(),
    },
  };
}

/** `26 h`, `8 d`, `90 min`: as somebody would write it. */
function ageText(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes % 60 !== 0) return `${minutes} min`;
  const hours = minutes / 60;
  return hours % 24 === 0 && hours > 48 ? `${hours / 24} d` : `${hours} h`;
}
