import { KedgeError } from '../../src/contract/errors';
import { LeftAlone } from '../../src/temporal/left-alone';
import type { PausedStep } from '../../src/temporal/pauses';

it('an open task that nothing can be done about is named once for each reason', async () => {
  const unreadable = new Map<string, KedgeError>();
  const stuck = new Set<string>();
  const open = ['shop.example', 'gazette.example'].map((site) => ({
    task: `${site}-20261127.000000-backup`,
    workflowId: `site/${site}`,
    runId: `run of ${site}`,
  }));
  const told: string[] = [];
  const logged: unknown[] = [];
  const paused: PausedStep[] = [];
  const leftAlone = new LeftAlone(
    { open: async () => open, unreadable: async () => unreadable },
    {
      isStuck: async (workflowId, runId) => stuck.has(`${workflowId} ${runId}`),
      pausedSteps: async (workflowId) => (workflowId === 'site/gazette.example' ? paused : []),
    },
    { tell: (text) => told.push(text), log: (...line) => logged.push(line) },
  );
  await leftAlone.look();
  expect(told).toEqual([]);
  unreadable.set('lost.example-1', new KedgeError('NewerVersion', 'a journal of version 3'));
  stuck.add('site/shop.example run of shop.example');
  await leftAlone.look();
  await leftAlone.look();
  expect(told).toEqual([
    'lost.example-1 is open and left alone: a journal of version 3',
    expect.stringMatching(/^shop\.example-20261127\.000000-backup is open and does not go on: .*site\/shop\.example/),
  ]);
  unreadable.set('lost.example-1', new KedgeError('StateInvalid', 'it is not JSON'));
  await leftAlone.look();
  expect(told.slice(2)).toEqual(['lost.example-1 is open and left alone: it is not JSON']);

  const pause = { by: 'anna@desk', why: null, since: '2026-11-27T00:00:05.000Z' };
  paused.push({ step: 'tarball', activityId: '7', pause, isUnheard: false });
  paused.push({ step: 'dumpDatabase', activityId: '8', pause, isUnheard: true });
  await leftAlone.look();
  await leftAlone.look();
  expect(told.slice(3)).toEqual([
    expect.stringMatching(
      /tarball is paused in Temporal by anna@desk since 2026-11-27 00:00:05 UTC; `temporal activity unpause/,
    ),
    expect.stringMatching(/dumpDatabase is paused/),
  ]);
  // An attempt that was told to end has said so itself.
  expect(logged).toEqual([
    [
      'gazette.example-20261127.000000-backup',
      'dumpDatabase',
      expect.stringMatching(/^paused in Temporal by anna@desk/),
    ],
  ]);
});
