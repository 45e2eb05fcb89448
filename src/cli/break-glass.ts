import type { Master } from '../composition';
import type { SiteLocks } from '../core/tasks/site-locks';
import type { CommandContext } from './context';

/** What is done under the lock of a site takes a few seconds; a holder that takes longer is ended, ms. */
const PATIENCE_MS = 15_000;

/** The locks for who takes a site over by hand: he is told which process he waits for, and does not wait for long. */
export function breakGlassLocks(context: CommandContext, master: Master): SiteLocks {
  return master.locks.waiting({
    patienceMs: PATIENCE_MS,
    tell: (message) => context.printer.note(context.redact(message)),
  });
}
