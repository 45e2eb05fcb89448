/** What is kept of the backups of a site. A number is of days, weeks, … that have a backup, the newest ones. */
export interface KeepRule {
  /** Newest ones, whenever they were made. */
  readonly last: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** How long safety backups are kept, ms. */
  readonly safetyMs: number;
}

/** A backup of one site, as a decision sees it. */
export interface Candidate {
  readonly id: string;
  /** When it came into the catalogue, ms since 1970. */
  readonly published: number;
  readonly isSafety: boolean;
  /** Why nobody may rely on it; null for a good one. */
  readonly doubt: string | null;
  /** Its archive is not what its record says: a person has to look. */
  readonly isDamaged: boolean;
  /** What it keeps of a site beside itself. */
  readonly keepsOriginals: boolean;
  /** The open task that uses it; null where none does. */
  readonly usedBy: string | null;
}

export interface Decision {
  readonly id: string;
  readonly keep: boolean;
  /** Why, a few words each; the first says most. */
  readonly reasons: readonly string[];
}

/** Periods of which the newest backup is kept. A period begins at midnight, UTC; a week on Monday. */
const PERIODS = {
  daily: (time: Date) => time.toISOString().slice(0, 10),
  weekly: (time: Date) => new Date(time.getTime() - ((time.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10),
  monthly: (time: Date) => time.toISOString().slice(0, 7),
  yearly: (time: Date) => time.toISOString().slice(0, 4),
} as const satisfies Partial<Record<keyof KeepRule, (time: Date) => string>>;
type Period = keyof typeof PERIODS;

const DAY_MS = 24 * 3_600_000;
const NAMES: Readonly<Record<Period, string>> = { daily: 'day', weekly: 'week', monthly: 'month', yearly: 'year' };

/**
 * Which backups of a site stay, and why. A backup goes only where a rule says so and nothing speaks against it: the newest good one always
 * stays, as does what a task uses, what keeps originals, and what is damaged. One that is in doubt takes no place of a good one: it stays for
 * as long as it would if it were good. Without a good backup all stay. Returns a decision for each, newest first.
 *
 * @param now ms since 1970
 */
export function decideRetention(candidates: readonly Candidate[], rule: KeepRule, now: number): Decision[] {
  const sorted = [...candidates].sort((a, b) => b.published - a.published || b.id.localeCompare(a.id));
  const asked = sorted.filter(({ isSafety }) => !isSafety);
  const good = asked.filter(({ doubt }) => doubt === null);
  const byGood = byRule(good, rule);
  return sorted.map((backup) => {
    const reasons = [
      ...protectionsOf(backup, good),
      ...(backup.isSafety
        ? ofAge(backup, rule, now)
        : ((backup.doubt === null ? byGood : byRule([...good, backup], rule)).get(backup.id) ?? [])),
    ];
    if (reasons.length > 0) return { id: backup.id, keep: true, reasons };
    return { id: backup.id, keep: false, reasons: [whyGone(backup)] };
  });
}

/** What holds a backup whatever the rule says. */
function protectionsOf(backup: Candidate, good: readonly Candidate[]): string[] {
  return [
    ...(backup.usedBy === null ? [] : [`used by ${backup.usedBy}`]),
    ...(backup.isDamaged ? [`to be looked at: ${backup.doubt ?? 'it is damaged'}`] : []),
    ...(backup.keepsOriginals ? ['keeps originals of the site'] : []),
    ...(backup.id === good[0]?.id ? ['the newest good one'] : []),
    ...(good.length === 0 ? ['there is no good one'] : []),
  ];
}

function ofAge({ published }: Candidate, { safetyMs }: KeepRule, now: number): string[] {
  // A clock that was set back makes none older.
  return now - published < safetyMs ? [`a safety backup of the last ${Math.round(safetyMs / DAY_MS)} days`] : [];
}

/** By which parts of the rule each stays. */
function byRule(backups: readonly Candidate[], rule: KeepRule): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  const sorted = [...backups].sort((a, b) => b.published - a.published || b.id.localeCompare(a.id));
  const keep = ({ id }: Candidate, why: string): void => void reasons.set(id, [...(reasons.get(id) ?? []), why]);
  for (const backup of sorted.slice(0, rule.last)) keep(backup, `one of the last ${rule.last}`);
  for (const period of Object.keys(PERIODS) as Period[]) {
    const seen = new Set<string>();
    for (const backup of sorted) {
      const name = PERIODS[period](new Date(backup.published));
      if (seen.has(name)) continue;
      seen.add(name);
      if (seen.size > rule[period]) break;
      keep(backup, `newest of the ${NAMES[period]} ${period === 'weekly' ? `of ${name}` : name}`);
    }
  }
  return reasons;
}

function whyGone({ isSafety, doubt }: Candidate): string {
  if (isSafety) return 'a safety backup, older than those are kept';
  return doubt === null ? 'no rule keeps it' : `no rule keeps it, and ${doubt}`;
}
