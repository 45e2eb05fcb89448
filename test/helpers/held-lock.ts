import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { until } from './until';

/** Another process that takes the lock of a site, and does as it is told: see `lock-holder.js`. */
export interface LockHolder {
  readonly child: ChildProcessWithoutNullStreams;
  readonly said: (text: string) => Promise<void>;
  /** How it ended: its exit code, or the signal. */
  readonly ended: Promise<unknown>;
}

/** Starts one. `folder`: of the locks. Whoever starts it ends it. */
export function startLockHolder(folder: string, site: string): LockHolder {
  const child = spawn(process.execPath, [join(__dirname, 'lock-holder.js'), folder, site]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    child,
    said: (text) => until(`the holder says ${text}`, () => output.split('\n').some((line) => line.includes(text))),
    ended: once(child, 'exit').then(([code, signal]) => signal ?? code),
  };
}
