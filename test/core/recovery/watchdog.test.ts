import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { Epochs } from '../../../src/core/tasks/epochs';
import { JOURNAL } from '../../../src/core/tasks/journal';
import { Journals } from '../../../src/core/tasks/journals';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { Watchdog, type WatchdogParts } from '../../../src/core/recovery/watchdog';
import { testOperation } from '../../helpers/operation';

/* What it does for a site: test/e2e/break-glass.test.ts. */
it('leaves a task of a newer Kedge alone, however long its site is shut, and looks after the others', async () => {
  const folder = mkdtempSync('/var/tmp/kedge-watchdog-');
  try {
    cpSync(join(__dirname, '../../fixtures/documents-on-disk/2026-11-25'), folder, { recursive: true });
    const task = 'gazette.example-20261125.061502-restore';
    const path = join(folder, `state/tasks/${task}.json`);
    const text = readFileSync(path, 'utf8');
    const newer = JSON.stringify({ ...(JSON.parse(text) as object), version: JOURNAL.version + 1 });
    const host = createLocalHost({ name: 'master' });
    const revoked: string[] = [];
    const parts = {
      locks: new SiteLocks(join(folder, 'state/locks'), host),
      journals: new Journals(join(folder, 'state/tasks'), join(folder, 'state/open'), host, () => undefined),
      epochs: new Epochs(join(folder, 'state/epochs'), host),
      revoke: async (of: string) => revoked.push(of),
      // Nothing of the site is there.
      siteAtWork: () => ({ hosts: () => [host] }),
    } as unknown as WatchdogParts;
    const look = async (): Promise<void> => {
      const watchdog = new Watchdog(parts, async () => false);
      await watchdog.look(() => testOperation());
      await watchdog.settled();
    };
    writeFileSync(path, newer);
    await look();
    expect([revoked, readFileSync(path, 'utf8')]).toEqual([[], newer]);
    expect(await parts.epochs.current('gazette.example')).toBe(1);
    writeFileSync(path, text);
    await look();
    expect(revoked).toEqual([task]);
    expect(await parts.epochs.current('gazette.example')).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
