import { waitingText } from '../../../src/cli/render/waiting';
import type { Journal } from '../../../src/core/tasks/journal';

const TASK = 'example.com-20261124.031502-restore';
const maintenance = { foundOn: false, deadline: '2026-11-24T03:30:02.000Z', limit: null, seen: null, ended: null };

function said(journal: Partial<Journal> | undefined, lastFailure: string | null = 'nginx does not answer.') {
  return waitingText(
    TASK,
    { step: 'probeSite', attempt: 2, progress: {}, lastFailure },
    journal as Journal | undefined,
  );
}

test('a step that has not failed waits for nothing that anybody could do something about', () => {
  expect(said({ maintenance }, null)).toBeNull();
});

test('what is waited for, until when, and what a cancel would do', () => {
  expect(said({ maintenance })).toBe(
    'probeSite failed: nginx does not answer. It is tried again until 03:30:02 UTC, when the task undoes; ' +
      `\`kedge cancel ${TASK}\` ends it now and puts the site back as it was.`,
  );
  const endless = `probeSite failed: nginx does not answer. It is tried again; \`kedge cancel ${TASK}\``;
  for (const journal of [undefined, { maintenance: null }, { maintenance: { ...maintenance, foundOn: true } }])
    expect(said(journal)).toContain(endless);
});

test('where a cancel changes nothing, that is said', () => {
  expect(said({ maintenance, committed: true })).toContain('the restored site is live, `kedge cancel` changes nothing');
  expect(said({ maintenance, undoing: true })).toContain(`\`kedge abandon ${TASK}\` gives it up`);
});
