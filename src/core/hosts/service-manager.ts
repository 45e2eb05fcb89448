import type { Operation } from '../operation';
import type { Host } from './host';

const MICROSECONDS = 1000;

/** What systemd gives a service that it waits for, in its environment (`man sd_notify`, `man sd_watchdog_enabled`). */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
}

/**
 * Tells systemd how a service is, by its own program: Node speaks to no socket of datagrams. Without systemd nothing is told. Whether it was
 * understood is nothing the service depends on.
 */
export class ServiceManager {
  constructor(
    private readonly host: Host,
    private readonly environment: ServiceEnvironment,
    private readonly operation: Operation,
  ) {}

  /** The service has begun. */
  async ready(status: string): Promise<void> {
    await this.notify('READY=1', `STATUS=${status}`);
  }

  /** The service is about to end. */
  async stopping(): Promise<void> {
    await this.notify('STOPPING=1');
  }

  /**
   * Says twice within what systemd allows that this process goes on, until the function returned is called: one that hangs is
   * ended and started again.
   */
  keepAlive(): () => void {
    const limitMs = Number(this.environment.WATCHDOG_USEC) / MICROSECONDS;
    if (!(limitMs > 0)) return () => undefined;
    const timer = setInterval(() => void this.notify('WATCHDOG=1'), limitMs / 2);
    return () => clearInterval(timer);
  }

  private async notify(...words: string[]): Promise<void> {
    const { NOTIFY_SOCKET: socket } = this.environment;
    if (!socket) return;
    await this.host
      .run({
        argv: ['systemd-notify', ...words],
        environment: { NOTIFY_SOCKET: socket },
        limits: { timeoutMs: 5000 },
        operation: this.operation,
      })
      .catch((error: unknown) => {
        if (this.operation.signal.aborted) return;
        this.operation.log.warn(`systemd was not told ${words.join(' ')}: ${String(error)}`);
      });
  }
}
