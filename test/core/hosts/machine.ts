import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { Owner } from '../../../src/contract/target';
import type { Host } from '../../../src/core/hosts/host';

/** The machine behind a host, looked at past the host, so that no test believes what it tests. */
export interface Machine {
  readonly host: Host;
  /** A fresh folder of the worker's on the machine, which every account may pass. */
  readonly folder: string;
  /** Another account than the worker's; without privileges its own. */
  readonly owner: Owner;
  /** The worker may mount file systems there. */
  readonly canMount: boolean;
  /** Runs a script by `sh` as the worker's user, with `$1` …; returns what it prints. Throws when it fails. */
  sh(script: string, ...parameters: string[]): string;
  dispose(): Promise<void> | void;
}

export type MachineFactory = () => Promise<Machine> | Machine;

/** An argument for `sleep` that no other process of the machine has. */
export function uniqueSleep(): string {
  return `9${randomInt(1e8, 1e9)}`;
}

/** How many processes of the machine hold a text in their arguments. The text itself is in none of the script's. */
export function processesWith(machine: Machine, text: string): number {
  const half = Math.ceil(text.length / 2);
  return Number(
    machine.sh(
      `printf '%s%s' "$1" "$2" | grep -alF -f - /proc/[0-9]*/cmdline 2>/dev/null | wc -l`,
      text.slice(0, half),
      text.slice(half),
    ),
  );
}

/** True when the command succeeds here. */
export function works(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
