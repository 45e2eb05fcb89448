import type { Operation } from '../../src/core/operation';

/** An operation for tests: collects what was warned about, and can be cancelled. */
export function testOperation(
  mark = `test/${process.pid}`,
): Operation & { warnings: string[]; cancel(): void; bytes(): number } {
  const controller = new AbortController();
  const warnings: string[] = [];
  let bytes = 0;
  return {
    signal: controller.signal,
    mark,
    warnings,
    cancel: () => controller.abort(new Error('cancelled by the test')),
    bytes: () => bytes,
    progress: (progress) => (bytes = progress.bytes ?? bytes),
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
  };
}
