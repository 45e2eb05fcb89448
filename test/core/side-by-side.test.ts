import { sideBySide } from '../../src/core/side-by-side';

describe('sideBySide', () => {
  it('gives the results in the order of the work', async () => {
    const later = new Promise<number>((resolve) => setImmediate(() => resolve(1)));
    expect(await sideBySide([later, 'two', null])).toEqual([1, 'two', null]);
  });

  it('lets everything settle before it throws, and throws what comes first in the order, not in time', async () => {
    const log: string[] = [];
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const slow = gate.then(() => {
      log.push('slow settled');
      throw new Error('slow');
    });
    const quick = Promise.reject(new Error('quick'));
    const done = sideBySide([slow, quick]).catch((error: Error) => log.push(`threw ${error.message}`));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual([]);
    open();
    await done;
    expect(log).toEqual(['slow settled', 'threw slow']);
  });
});
