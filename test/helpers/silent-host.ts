import { KedgeError } from '../../src/contract/errors';
import type { Host } from '../../src/core/hosts/host';

/** A machine that a test makes silent, and lets answer again. */
export interface SilentHost {
  readonly host: Host;
  /** Whether it does not answer what it is asked now: it cannot be reached, for a reason of the test's own too, or nothing ever comes of it. */
  silence: (method: string) => 'unreachable' | 'hangs' | Error | null;
}

export const ANSWERS = (): null => null;
export const UNREACHABLE = () => 'unreachable' as const;

/** A host, as whoever reaches it over a link that may be cut. */
export function silentHost(real: Host): SilentHost {
  const machine: { host: Host; silence: SilentHost['silence'] } = {
    silence: ANSWERS,
    host: new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]): unknown => {
          const silence = machine.silence(String(name));
          if (silence === 'hangs') return new Promise(() => undefined);
          if (silence === 'unreachable') return Promise.reject(unreachable(real.name));
          if (silence !== null) return Promise.reject(silence);
          return (value as (...all: unknown[]) => unknown).apply(target, given);
        };
      },
    }),
  };
  return machine;
}

function unreachable(server: string): KedgeError {
  return new KedgeError('HostUnreachable', `${server} cannot be reached: the test cut its link`, { server });
}
