import { KedgeError } from '../../src/contract/errors';
import { LeftAlone } from '../../src/temporal/left-alone';

it('an open task that nothing can be done about is named once for each reason', async () => {
  const unreadable = new Map<string, KedgeError>();
  const stuck = new Set<string>();
  const open = ['shop.example', 'gazette.example'].map((site) => ({
    task: `${site}-20261127.000000-backup`,
    workflowId: `site/${site}`,
    runId: `run of ${site}`,
  }));
  const told: string[] = [];
  const leftAlone = new LeftAlone(
    { open: async () => open, unreadable: async () => unreadable },
    async (workflowId, runId) => stuck.has(`${workflowId} ${runId}`),
    (text) => told.push(text),
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
});
