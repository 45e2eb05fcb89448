import type { Operation } from '../core/operation';
import type { CommandContext } from './context';

/** For work a command does itself: ends with Ctrl-C and SIGTERM, and tells on standard error. */
export function commandOperation(context: CommandContext, mark: string): Operation {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, interrupt);
    context.onClose(() => process.off(signal, interrupt));
  }
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
