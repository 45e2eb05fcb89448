import { readDocument } from '../../../src/contract/documents-on-disk';
import { JOURNAL, journalSchema, markOf, newJournal } from '../../../src/core/tasks/journal';

const journal = newJournal({
  task: 'example.com-20261124.031502-backup',
  site: 'example.com',
  type: 'backup',
  who: 'anna',
  description: null,
  requestKey: null,
  token: 'abcdefghij',
  workflowId: 'site/example.com',
  runId: 'run',
  epoch: 1,
  accepted: null,
  started: '2026-11-24T03:15:02.000Z',
});

test('the mark of a task is a secret of its own, which its token does not tell', () => {
  const other = newJournal(journal);
  expect(journalSchema.parse(journal)).toEqual(journal);
  expect(markOf(journal)).toMatch(/^[0-9a-f]{32}$/);
  expect(markOf(other)).not.toBe(markOf(journal));
  expect(markOf(journal)).not.toContain(journal.token);
});

test('processes of a task that began before there were marks are found by its token', () => {
  const { mark: _, ...before } = journal;
  expect(markOf(readDocument(JOURNAL, { ...before, version: 1 }, 'journal'))).toBe(journal.token);
});
