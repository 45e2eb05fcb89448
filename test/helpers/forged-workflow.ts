import { ActivityFailure, ApplicationFailure, proxyActivities } from '@temporalio/workflow';

/**
 * What somebody who reaches Temporal can start under any id: a workflow of his own, on a queue of his own, that calls
 * activities on Kedge's. Returns the code with which each was refused, or `done`.
 */
export async function forge(queue: string, calls: readonly (readonly [string, ...unknown[]])[]): Promise<string[]> {
  const activities = proxyActivities<Record<string, (...args: unknown[]) => Promise<unknown>>>({
    taskQueue: queue,
    startToCloseTimeout: '1 minute',
    retry: { maximumAttempts: 1 },
  });
  const answers: string[] = [];
  for (const [name, ...args] of calls) {
    const call = activities[name];
    const answer = await call?.(...args).then(
      () => 'done',
      (error: unknown) => {
        if (!(error instanceof ActivityFailure)) throw error;
        return error.cause instanceof ApplicationFailure ? (error.cause.type ?? '') : String(error.cause);
      },
    );
    answers.push(answer ?? '');
  }
  return answers;
}
