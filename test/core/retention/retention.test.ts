import fc from 'fast-check';
import { type Candidate, type KeepRule, decideRetention } from '../../../src/core/retention/retention';

const DAY = 24 * 3_600_000;
const NOW = Date.UTC(2026, 10, 27, 12);
const NOTHING: KeepRule = { last: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, safetyMs: 0 };

function made(daysAgo: number, more: Partial<Candidate> = {}): Candidate {
  const published = NOW - daysAgo * DAY;
  return {
    id: `b${new Date(published).toISOString()}`,
    published,
    isSafety: false,
    doubt: null,
    isDamaged: false,
    keepsOriginals: false,
    usedBy: null,
    ...more,
  };
}

const kept = (candidates: readonly Candidate[], rule: Partial<KeepRule>, now = NOW): string[] =>
  decideRetention(candidates, { ...NOTHING, ...rule }, now)
    .filter(({ keep }) => keep)
    .map(({ id }) => id);
const ids = (candidates: readonly (Candidate | undefined)[]): string[] => candidates.map((each) => each?.id ?? '');

describe('a rule', () => {
  const days = Array.from({ length: 400 }, (_, at) => made(at));

  it('of last ones keeps so many', () => {
    expect(kept(days, { last: 3 })).toEqual(ids(days.slice(0, 3)));
  });

  it('of days keeps the newest of each, and counts days that have one', () => {
    const twice = [made(0), made(0.1), made(1), made(1.2), made(9), made(9.1), made(40)];
    expect(kept(twice, { daily: 3 })).toEqual(ids([twice[0], twice[2], twice[4]]));
  });

  it('of weeks begins them on Monday, of months and years on their first day', () => {
    // 2026-11-27 is a Friday.
    expect(kept(days, { weekly: 3 })).toEqual(ids([days[0], days[5], days[12]]));
    expect(kept(days, { monthly: 3 })).toEqual(ids([days[0], days[27], days[58]]));
    expect(kept(days, { yearly: 2 })).toEqual(ids([days[0], days[331]]));
  });

  it('says why each stays', () => {
    const [newest, second] = decideRetention(days, { ...NOTHING, last: 1, daily: 1, monthly: 1 }, NOW);
    expect(newest?.reasons).toEqual([
      'the newest good one',
      'one of the last 1',
      'newest of the day 2026-11-27',
      'newest of the month 2026-11',
    ]);
    expect(second).toMatchObject({ keep: false, reasons: ['no rule keeps it'] });
  });
});

describe('whatever the rule says', () => {
  it('the newest good one stays, though newer ones are in doubt', () => {
    const backups = [made(1, { doubt: 'it is unproven' }), made(2), made(3)];
    expect(kept(backups, {})).toEqual(ids([backups[1]]));
  });

  it('all stay where none is good', () => {
    const backups = [
      made(1, { doubt: 'it is unproven' }),
      made(100, { isSafety: true }),
      made(900, { doubt: 'it is unproven' }),
    ];
    expect(kept(backups, {})).toEqual(ids(backups));
  });

  it('one in doubt takes no place of a good one, and stays as long as if it were good', () => {
    const backups = [made(0, { doubt: 'it is unproven' }), made(0.1), made(1), made(2, { doubt: 'it is unproven' })];
    expect(kept(backups, { daily: 2 })).toEqual(ids(backups.slice(0, 3)));
  });

  it('what a task uses, what keeps originals and what is damaged stays', () => {
    const backups = [
      made(0),
      made(100, { usedBy: 'a-restore' }),
      made(101, { isSafety: true, keepsOriginals: true }),
      made(102, { isDamaged: true, doubt: 'its archive has 3 bytes' }),
      made(103),
    ];
    expect(kept(backups, {})).toEqual(ids(backups.slice(0, 4)));
  });

  it('safety backups go by their age alone, and a clock that was set back makes none older', () => {
    const backups = [made(0), made(13, { isSafety: true }), made(15, { isSafety: true }), made(-3, { isSafety: true })];
    expect(new Set(kept(backups, { safetyMs: 14 * DAY }))).toEqual(new Set(ids([backups[0], backups[1], backups[3]])));
  });
});

/** The same by brute force: a period is kept when it is among the newest ones that have a good backup. */
function model(candidates: readonly Candidate[], rule: KeepRule, now: number): Set<string> {
  const newer = (a: Candidate, b: Candidate): boolean =>
    a.published > b.published || (a.published === b.published && a.id > b.id);
  const good = candidates.filter((each) => !each.isSafety && each.doubt === null);
  const periodOf = { daily: 10, monthly: 7, yearly: 4 } as const;
  const weekOf = (time: number): number => Math.floor((time / DAY + 3) / 7);
  const stays = (backup: Candidate): boolean => {
    if (backup.usedBy !== null || backup.isDamaged || backup.keepsOriginals) return true;
    if (good.length === 0) return true;
    if (backup.isSafety) return now - backup.published < rule.safetyMs;
    const others = good.filter((each) => each !== backup);
    const newerOnes = others.filter((each) => newer(each, backup));
    if (backup.doubt === null && newerOnes.length === 0) return true;
    if (newerOnes.length < rule.last) return true;
    const within = (key: (time: number) => string | number, count: number): boolean => {
      const own = key(backup.published);
      const before = new Set(newerOnes.map((each) => key(each.published)));
      return !before.has(own) && before.size < count;
    };
    return (
      Object.entries(periodOf).some(([period, length]) =>
        within((time) => new Date(time).toISOString().slice(0, length), rule[period as keyof typeof periodOf]),
      ) || within(weekOf, rule.weekly)
    );
  };
  return new Set(candidates.filter(stays).map(({ id }) => id));
}

const candidate = fc
  .record({
    hoursAgo: fc.integer({ min: -48, max: 24 * 800 }),
    isSafety: fc.boolean(),
    doubt: fc.option(fc.constant('it is unproven'), { freq: 3 }),
    isDamaged: fc.constantFrom(false, false, false, false, false, true),
    keepsOriginals: fc.constantFrom(false, false, false, false, false, true),
    usedBy: fc.constantFrom(null, null, null, null, null, 'a-task'),
  })
  .map(({ hoursAgo, ...more }) => ({ ...more, published: NOW - hoursAgo * 3_600_000 }));
const candidates = fc
  .array(candidate, { maxLength: 60 })
  .map((all) => all.map((each, at): Candidate => ({ id: `b${String(at).padStart(3, '0')}`, ...each })));
const count = fc.integer({ min: 0, max: 8 });
const rule = fc.record({
  last: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
  safetyMs: fc.integer({ min: 0, max: 90 }).map((days) => days * DAY),
});

it('whatever there is, what stays is what a plain model keeps, each decided once', () => {
  fc.assert(
    fc.property(candidates, rule, (all, given) => {
      const decisions = decideRetention(all, given, NOW);
      expect(decisions.map(({ id }) => id).sort()).toEqual(ids(all).sort());
      expect(new Set(decisions.filter(({ keep }) => keep).map(({ id }) => id))).toEqual(model(all, given, NOW));
      for (const { reasons } of decisions) expect(reasons.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

it('deciding again behind a deletion deletes nothing more', () => {
  fc.assert(
    fc.property(candidates, rule, (all, given) => {
      const first = new Set(kept(all, given));
      const left = all.filter(({ id }) => first.has(id));
      expect(new Set(kept(left, given))).toEqual(first);
    }),
    { numRuns: 300 },
  );
});
