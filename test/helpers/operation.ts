import type { Progress } from '../../src/contract/tasks';
import type { Operation } from '../../src/core/operation';

/** An operation that remembers what it was told, and can be cancelled. */
export interface TestOperation extends Operation {
  readonly warnings: string[];
  readonly messages: string[];
  readonly reports: Progress[];
  cancel(reason?: Error): void;
}

let operations = 0;

/** Every operation has a mark of its own, unless told otherwise. */
export function testOperation(mark = `test-${process.pid}-${(operations += 1)}`): TestOperation {
  const controller = new AbortController();
  const warnings: string[] = [];
  const messages: string[] = [];
  const reports: Progress[] = [];
  return {
    signal: controller.signal,
    mark,
    warnings,
    messages,
    reports,
    cancel: (reason = new Error('the test cancelled')) => controller.abort(reason),
    progress: (progress) => void reports.push(progress),
    log: { info: (message) => void messages.push(message), warn: (message) => void warnings.push(message) },
  };
}
