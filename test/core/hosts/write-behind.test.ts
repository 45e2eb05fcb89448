import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeBehind } from '../../../src/core/hosts/write-behind';

it('what was written last is brought to the disk by a sync of its own, and an error of the disk is told', async () => {
  const folder = mkdtempSync('/var/tmp/kedge-behind-');
  const file = await open(join(folder, 'file'), 'w');
  const calls: string[] = [];
  const told = new Proxy(file, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls.push(String(name));
        return Reflect.apply(value, target, args);
      };
    },
  }) satisfies FileHandle;
  try {
    const onDisk = writeBehind(told);
    await told.write('the end');
    await onDisk();
    expect(calls.at(-1)).toBe('sync');
    expect(calls.indexOf('datasync')).toBeGreaterThan(-1);
  } finally {
    await file.close();
    rmSync(folder, { recursive: true });
  }
  await expect(writeBehind(file)()).rejects.toMatchObject({ code: 'EBADF' });
});
