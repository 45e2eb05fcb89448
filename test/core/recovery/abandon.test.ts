import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { abandonTask } from '../../../src/core/recovery/abandon';
import type { OnlineParts } from '../../../src/core/recovery/bring-online';
import { Epochs } from '../../../src/core/tasks/epochs';
import { Journals } from '../../../src/core/tasks/journals';
import { SiteLocks } from '../../../src/core/tasks/site-locks';
import { newTask } from '../../helpers/new-task';
import { testOperation } from '../../helpers/operation';
import { targetIn } from '../../helpers/target';

/** A task of shop.example that has made databases and accounts, and the parts to give it up with. */
async function withTask(work: (parts: OnlineParts, task: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync('/var/tmp/kedge-abandon-');
  try {
    const host = createLocalHost({ name: 'master' });
    const journals = new Journals(join(folder, 'state/tasks'), join(folder, 'state/open'), host, () => undefined);
    const parts = {
      locks: new SiteLocks(join(folder, 'state/locks'), host),
      journals,
      epochs: new Epochs(join(folder, 'state/epochs'), host),
      siteAtWork: () => ({ hosts: () => [host] }),
    } as unknown as OnlineParts;
    const { task } = await journals.begin(newTask({ site: 'shop.example' }));
    const account = (user: string) => ({ user, hosts: ['localhost'] });
    await journals.recordUndo(task, {
      target: targetIn(folder),
      created: {
        databases: ['new1', 'new2'],
        account: account('new'),
        password: 'p',
        importBegan: true,
        enabledEvents: [],
      },
      scratch: { database: 'proof0', account: account('proof0') },
    });
    await work(parts, task, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TAKE_OVER = { by: 'anna', why: 'gone' };

it('a task that is given up names all that it made: the database too in which definitions were proved', () =>
  withTask(async (parts, task, folder) => {
    const journal = await parts.journals.get(task);
    const { leftovers } = await abandonTask(parts, journal, { ...TAKE_OVER, machineIsGone: false }, testOperation());
    expect(leftovers).toEqual([
      `the folder ${join(targetIn(folder).spool, journal.token)}`,
      'the database new1',
      'the database new2',
      'the database proof0',
      'the database account new',
      'the database account proof0',
    ]);
    expect((await parts.journals.get(task)).outcome?.status).toBe('abandoned');
  }));

it('a task that passed its commit point while it was given up does not name what is the database of its site now', () =>
  withTask(async (parts, task) => {
    const journal = await parts.journals.get(task);
    await parts.journals.recordUndo(task, { committed: true });
    const { leftovers } = await abandonTask(parts, journal, { ...TAKE_OVER, machineIsGone: false }, testOperation());
    expect(leftovers).toContain('the database new1');
    expect(leftovers).not.toContain('the database new2');
    expect(leftovers).not.toContain('the database account new');
  }));
