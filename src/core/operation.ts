import type { Progress } from '../contract/tasks';

/** One line of a task's log. Implementations redact what it says; keys of fields and `event` are the writer's own words. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  /** A warning ends up in the task's result too: the command then exits 3. */
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** What the work is given by whoever asks for it: how to stop, how to tell, and under which mark. */
export interface Operation {
  /** Aborts when the activity is cancelled. Every process, stream and statement ends with it. */
  readonly signal: AbortSignal;
  /** `<mark of the task>/<step>`: stands in the environment of every process, so that a successor can find and end it. */
  readonly mark: string;
  progress(progress: Progress): void;
  readonly log: Log;
}

/** For what belongs to no task: nobody follows it, and nobody reads its log. */
export function unheard(mark: string, signal: AbortSignal): Operation {
  return { signal, mark, progress: () => undefined, log: { info: () => undefined, warn: () => undefined } };
}

/** The operation, and what it warns of from now on. */
export function listeningTo(operation: Operation): { readonly operation: Operation; readonly warned: string[] } {
  const { log } = operation;
  const warned: string[] = [];
  const warn: Log['warn'] = (message, fields) => {
    warned.push(message);
    log.warn(message, fields);
  };
  return { operation: { ...operation, log: { info: (message, fields) => log.info(message, fields), warn } }, warned };
}
