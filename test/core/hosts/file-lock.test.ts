import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { findEndedLock, withFileLock } from '../../../src/core/hosts/file-lock';
import { createLocalHost } from '../../../src/core/hosts/local-host';

jest.setTimeout(60_000);

const host = createLocalHost({ name: 'lab' });
let folder: string;
let lock: string;
let holder: ChildProcessWithoutNullStreams | undefined;

beforeEach(() => {
  folder = mkdtempSync('/var/tmp/kedge-file-lock-');
  lock = join(folder, '.shop.lock');
});
afterEach(() => {
  holder?.kill('SIGKILL');
  removePrivateFolder(folder);
});

/** Another process that has the lock. */
async function hold(): Promise<ChildProcessWithoutNullStreams> {
  holder = spawn(process.execPath, [join(__dirname, '../../helpers/lock-holder.js'), folder, 'shop', 'file']);
  await once(holder.stdout, 'data');
  return holder;
}

const hasActed = (): boolean => existsSync(join(folder, 'shop.acted'));

it('a holder that is stopped is ended: it writes over nothing when it wakes', async () => {
  const stopped = await hold();
  const ended = once(stopped, 'exit');
  stopped.kill('SIGSTOP');
  stopped.stdin.write('let go\n');
  expect(await withFileLock(lock, host, async () => hasActed(), 500)).toBe(false);
  stopped.kill('SIGCONT');
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(hasActed()).toBe(false);
});

it('a holder that runs is waited for', async () => {
  const running = await hold();
  const taken = withFileLock(lock, host, async () => hasActed(), 500);
  await delay(3_000);
  expect(running.exitCode).toBeNull();
  running.stdin.write('let go\n');
  expect(await taken).toBe(true);
});

it('of one process those who wait come in the order in which they asked: one at a time asks for the file', async () => {
  const running = await hold();
  const came: number[] = [];
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  const all = Promise.all(numbers.map((number) => withFileLock(lock, host, async () => void came.push(number))));
  running.stdin.write('let go\n');
  await all;
  expect(came).toEqual(numbers);
});

it('what a killed process left is taken over, by one of many', async () => {
  const killed = await hold();
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(await findEndedLock(lock, host)).not.toBeNull();
  let inside = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    expect(inside).toBe(1);
    await delay(5);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 20 }, () => withFileLock(lock, host, work)));
  expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([]);
});

it.each([
  ['a process that never was', () => symlinkSync('4194305 1 abc', lock)],
  ['nobody', () => symlinkSync('nonsense', lock)],
  ['a file that an older Kedge left', () => writeFileSync(lock, '4194305 1 abc')],
  ['an empty file', () => writeFileSync(lock, '')],
])('a lock of %s keeps nobody', async (_whose, leave) => {
  leave();
  expect(await withFileLock(lock, host, async () => 'done')).toBe('done');
  expect(existsSync(lock)).toBe(false);
});

it('what fails under it gives it back; one that is held is no leftover', async () => {
  const failing = withFileLock(lock, host, async () => {
    expect(await findEndedLock(lock, host)).toBeNull();
    throw new Error('made to fail');
  });
  await expect(failing).rejects.toThrow('made to fail');
  expect(readdirSync(folder)).toEqual([]);
});
