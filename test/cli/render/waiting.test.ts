import { pausedStepNote, stuckText, waitingText } from '../../../src/cli/render/waiting';
import type { Journal } from '../../../src/core/tasks/journal';

const TASK = 'example.com-20261124.031502-restore';
const maintenance = { foundOn: false, deadline: '2026-11-24T03:30:02.000Z', limit: null, seen: null, ended: null };

function said(journal: Partial<Journal> | undefined, lastFailure: string | null = 'nginx does not answer.') {
  return waitingText(
    TASK,
    { step: 'probeSite', attempt: 2, progress: {}, lastFailure, paused: null },
    journal as Journal | undefined,
  );
}

test('a step that has not failed waits for nothing that anybody could do something about', () => {
  expect(said({ maintenance }, null)).toBeNull();
});

test('what is waited for, until when, and what a cancel would do', () => {
  expect(said({ maintenance })).toBe(
    '"Ask for a page" failed: nginx does not answer. It is tried again until 03:30:02 UTC, when the task undoes; ' +
      `\`kedge cancel ${TASK}\` ends it now and puts the site back as it was.`,
  );
  const endless = `"Ask for a page" failed: nginx does not answer. It is tried again; \`kedge cancel ${TASK}\``;
  for (const journal of [undefined, { maintenance: null }, { maintenance: { ...maintenance, foundOn: true } }])
    expect(said(journal)).toContain(endless);
});

test('where a cancel changes nothing, that is said', () => {
  expect(said({ maintenance, committed: true })).toContain('the restored site is live, `kedge cancel` changes nothing');
  expect(said({ maintenance, undoing: true })).toContain(`\`kedge abandon ${TASK}\` gives it up`);
});

describe('a step that somebody paused', () => {
  const followed = { task: TASK, workflowId: 'site/example.com' };
  const paused = { by: 'anna\u001b[2J@desk', why: 'the disk is being moved', since: '2026-11-24T03:16:02.000Z' };
  const note = (journal: Partial<Journal> | undefined, lastFailure: string | null = null, by = paused): string =>
    pausedStepNote(
      followed,
      { step: 'importDatabase', attempt: 2, progress: {}, lastFailure, paused: by },
      journal as Journal | undefined,
    );

  test('is named with who did it, since when and why, and how it goes on', () => {
    expect(note({ maintenance })).toBe(
      'importDatabase is paused in Temporal by anna\\u001b[2J@desk since 2026-11-24 03:16:02 UTC ("the disk is being moved"); ' +
        'unpause it in the Temporal Web UI, or by `temporal activity unpause --workflow-id site/example.com --activity-type importDatabase`. ' +
        `It waits until 03:30:02 UTC, when the task undoes; \`kedge cancel ${TASK}\` ends it now and puts the site back as it was.`,
    );
    expect(note(undefined, 'no answer.')).toContain('. Its last attempt failed: no answer. It waits; `kedge cancel');
  });

  test('where a cancel changes nothing, that is said', () => {
    expect(note({ maintenance, committed: true })).toContain('The task goes on then; the restored site is live');
    expect(note({ maintenance, undoing: true })).toContain('Undo goes on then; `kedge cancel` changes nothing');
  });

  test('of whom Temporal tells nothing, nothing is said', () => {
    const unknown = { by: null, why: null, since: null } as never;
    expect(note({}, null, unknown)).toMatch(/^importDatabase is paused in Temporal; unpause it/);
  });
});

test('what cannot finish is named, with the reason: an undo, what follows the commit point, and what hangs', () => {
  expect(stuckText(TASK, 'discardDatabase', 'no connection.')).toBe(
    `undo of ${TASK} cannot finish: "Undo: drop the new database and account" failed: no connection. ` +
      `It goes on trying; look now: \`kedge log ${TASK}\``,
  );
  expect(stuckText(TASK, 'endMaintenance', 'no disk')).toContain(
    `${TASK} cannot finish: "Take the maintenance page away" failed: no disk.`,
  );
  expect(stuckText(TASK, 'endMaintenance', 'no disk')).not.toContain('undo of');
  expect(stuckText(TASK, 'switchBack', null)).toContain('neither ends nor fails: it hangs.');
});
