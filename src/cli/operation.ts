import type { Operation } from '../core/operation';
import type { CommandContext } from './context';

/** For work a command does itself: ends with Ctrl-C, and tells on standard error. */
export function commandOperation(context: CommandContext, mark: string): Operation {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  context.onClose(() => process.off('SIGINT', interrupt));
  return {
    signal: controller.signal,
    mark: `command/${mark}`,
    progress: () => undefined,
    log: {
      info: (message) => context.printer.detail(context.redact(message)),
      warn: (message) => context.printer.warn(context.redact(message)),
    },
  };
}
