import type { Plant } from '../plant';

/** What is undone, in which order, and what is not. */
export const WORKFLOWS: readonly Plant[] = [
  {
    name: 'a backup that is cancelled behind its publishing is not tidied',
    file: 'src/workflows/backup.ts',
    text: 'return CancellationScope.nonCancellable(async () => {',
    instead: 'return CancellationScope.cancellable(async () => {',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'a published backup is discarded at its end',
    file: 'src/workflows/backup.ts',
    text: "      task.undo.forget('discardUnpublished');\n",
    instead: '',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'a site stays shut behind its backup',
    file: 'src/workflows/backup.ts',
    text: '      await task.undoAll();\n',
    instead: '',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'undo runs oldest first',
    file: 'src/workflows/undo.ts',
    text: 'for (let name = this.names.pop(); name !== undefined; name = this.names.pop()) {',
    instead: 'for (let name = this.names.shift(); name !== undefined; name = this.names.shift()) {',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'undo ends when the task is cancelled again',
    file: 'src/workflows/undo.ts',
    text: '    await CancellationScope.nonCancellable(() =>\n',
    instead: '    await CancellationScope.cancellable(() =>\n',
    caughtBy: ['test/workflows/restore.test.ts'],
  },
  {
    name: 'a step that failed is not taken back',
    file: 'src/workflows/steps/task.ts',
    text: '    if (undoneBy !== null) this.undo.register(undoneBy);\n    return this.report(forward, name, rest);\n',
    instead:
      '    const value = await this.report(forward, name, rest);\n    if (undoneBy !== null) this.undo.register(undoneBy);\n    return value;\n',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'a task that failed is closed without its undo',
    file: 'src/workflows/steps/undo-or-finish.ts',
    text: '  if (!hadCommitted) await task.undoAll();\n',
    instead: '',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
  {
    name: 'a task behind its commit point is undone',
    file: 'src/workflows/steps/undo-or-finish.ts',
    text: '  if (!hadCommitted) await task',
    instead: '  await task',
    caughtBy: ['test/workflows/restore.test.ts'],
  },
  {
    name: 'a commit that was done while its task was being ended is told as taken back',
    file: 'src/workflows/steps/undo-or-finish.ts',
    text: ' || (mayCommit && patched(COMMITTED_MEANWHILE) && (await committedBefore(task)))',
    instead: '',
    caughtBy: ['test/workflows/turns.test.ts'],
  },
  {
    name: 'what is committed can be taken back',
    file: 'src/workflows/steps/finish-restore.ts',
    text: '    task.undo.forget();\n',
    instead: '',
    caughtBy: ['test/workflows/restore.test.ts'],
  },
  {
    name: 'a restore that is cancelled behind its commit is left there',
    file: 'src/workflows/steps/finish-restore.ts',
    text: '  return CancellationScope.nonCancellable(async () => {',
    instead: '  return CancellationScope.cancellable(async () => {',
    caughtBy: ['test/workflows/restore.test.ts'],
  },
  {
    name: 'undo begins while a step beside the one that failed still runs',
    file: 'src/workflows/steps/together.ts',
    text: '      await Promise.allSettled(running);\n',
    instead: '',
    caughtBy: ['test/workflows/restore.test.ts'],
  },
  {
    name: 'nobody waits for a step that is cancelled',
    file: 'src/workflows/options.ts',
    text: 'ActivityCancellationType.WAIT_CANCELLATION_COMPLETED',
    instead: 'ActivityCancellationType.TRY_CANCEL',
    caughtBy: ['test/workflows/backup.test.ts'],
  },
];
