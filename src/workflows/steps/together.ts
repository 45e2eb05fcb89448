import { CancellationScope } from '@temporalio/workflow';

/**
 * Runs steps side by side. When one fails the others are cancelled, and all have settled before the failure goes on:
 * nothing is undone while a step may still run.
 */
export async function together(...steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  await CancellationScope.cancellable(async () => {
    const running = steps.map((step) => step());
    try {
      await Promise.all(running);
    } catch (error) {
      CancellationScope.current().cancel();
      await Promise.allSettled(running);
      throw error;
    }
  });
}
