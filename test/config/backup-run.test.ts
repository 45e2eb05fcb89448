import { availableParallelism } from 'node:os';
import { backupRunOf, planBackupRun } from '../../src/config/backup-run';
import type { Configuration } from '../../src/config/schema';
import { scheduleOf, withSites } from '../helpers/with-sites';

const SITES = { 'b.example': {}, 'a.example': { kind: 'php' as const }, 'c.test': { server: 'two' } };
const KEEP = { last: 1, daily: 0, weekly: 0, monthly: 0, yearly: 0, safety: 1 };

function configured(more: Partial<Configuration> = {}): Configuration {
  return { ...withSites(SITES), ...more };
}

it('all sites where nothing is said; what is asked is handed on', () => {
  expect(planBackupRun(configured(), { who: 'anna' })).toEqual({
    ...{ sites: ['a.example', 'b.example', 'c.test'], backup: {}, prune: false },
    atOnce: 2 * Math.max(2, availableParallelism()),
  });
  const how = { description: 'before', quiesce: true, compression: 'gzip' } as const;
  expect(
    planBackupRun(configured({ limits: { backups: 5 } }), { ...how, selection: { sites: ['*.example'] } }),
  ).toEqual({ sites: ['a.example', 'b.example'], backup: how, prune: false, atOnce: 10 });
  expect(planBackupRun(configured({ limits: { backups: 1 } }), {}).atOnce).toBe(2);
});

it('a schedule says what is asked, as the configuration has it then', () => {
  const schedules = {
    nightly: scheduleOf(),
    weekly: scheduleOf({ kind: 'wordpress', server: 'two', quiesce: true, prune: true, description: 'weekly' }),
  };
  const configuration = configured({ schedules, keep: KEEP });
  expect(planBackupRun(configuration, { schedule: 'nightly' })).toMatchObject({
    ...{ sites: ['a.example', 'b.example', 'c.test'], prune: false },
    backup: { description: 'Automated backup' },
  });
  expect(planBackupRun(configuration, { schedule: 'weekly', description: 'of somebody else' })).toMatchObject({
    ...{ sites: ['c.test'], prune: true },
    backup: { description: 'weekly', quiesce: true },
  });
  for (const schedule of ['monthly', 'constructor'])
    expect(() => planBackupRun(configuration, { schedule })).toThrow(
      expect.objectContaining({
        code: 'ConfigurationInvalid',
        message: expect.stringContaining(schedule) as string,
        hint: expect.stringContaining('kedge schedules apply') as string,
      }),
    );
});

it.each([
  [
    'a name that is no site',
    { selection: { sites: ['*.test', 'b.exmaple'] } },
    'SiteUnknown',
    /b\.exmaple/,
    /Did you mean b\.example/,
  ],
  ['names that fit none', { selection: { sites: ['z*'] } }, 'SiteUnknown', /no site .*: z\*$/, /kedge sites/],
  [
    'a kind of no site there',
    { selection: { kind: 'php', server: 'two' } },
    'SiteUnknown',
    /kind php, server two/,
    /./,
  ],
  ['pruning without a rule', { prune: true }, 'ConfigurationInvalid', /which backups to keep/, /keep: \{/],
] as const)('%s is an error in words', (_what, input, code, message, hint) => {
  expect(() => planBackupRun(configured(), input as never)).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    }),
  );
});

it('where each backup has to be signed, none of many is begun: nobody would sign them', () => {
  const requests = { sign: ['backup' as const], deployFrom: [], key: { file: '/k' } };
  expect(() => planBackupRun(configured({ requests }), {})).toThrow(/backups have to be signed/);
});

it('a run that has begun goes on without sites that are gone, and not without its schedule', () => {
  const asked = { selection: { sites: ['a.example', 'gone.example'] } };
  expect(backupRunOf(configured(), asked).sites).toEqual(['a.example']);
  expect(backupRunOf(configured(), { selection: { sites: ['gone.example'] } }).sites).toEqual([]);
  expect(() => backupRunOf(configured(), { schedule: 'gone' })).toThrow(/no schedule "gone"/);
});
