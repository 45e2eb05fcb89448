import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createLocalHost } from '../../src/core/hosts/local-host';
import type { OnlineParts } from '../../src/core/recovery/bring-online';
import { Epochs } from '../../src/core/tasks/epochs';
import { Journals } from '../../src/core/tasks/journals';
import { SiteLocks } from '../../src/core/tasks/site-locks';
import { MappedHost } from './mapped-host';
import { newTask } from './new-task';
import { type SilentHost, silentHost } from './silent-host';
import { targetIn, webServerAddress } from './target';

const SITE = 'shop.example';

/** A restore that has shut, fenced and switched a site whose web server is another machine than its master. */
export interface ShutElsewhere {
  readonly parts: OnlineParts;
  readonly site: string;
  readonly task: string;
  readonly web: SilentHost;
  /** How the site is to its visitors now. */
  readonly state: () => { folder: string[]; isShut: boolean; isFenced: boolean };
  readonly staging: string;
  readonly spool: string;
}

/** Does `work` with one: machines and journals are real, the servers on them are not. */
export async function withShutElsewhere(work: (shut: ShutElsewhere) => Promise<void>): Promise<void> {
  const folder = mkdtempSync('/var/tmp/kedge-elsewhere-');
  try {
    await work(await shutElsewhere(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function shutElsewhere(folder: string): Promise<ShutElsewhere> {
  const master = createLocalHost({ name: 'master' });
  const machine = new MappedHost('web1', join(folder, 'web1'));
  const web = silentHost(machine);
  const places = { vhosts: join(folder, 'vhosts'), flags: join(folder, 'flags') };
  const target = targetIn(folder, {
    web: webServerAddress({ name: machine.name, ...places }),
    elsewhere: { web: true, database: false },
  });
  const { root } = target.site;
  const staging = join(dirname(root), '.kedge/token');
  const staged = { name: 'site', live: root, staging, attempt: 'one', previous: `${staging}.previous` };
  const flag = join(target.web.flags, SITE);
  const lay = (path: string): void => {
    mkdirSync(dirname(machine.at(path)), { recursive: true });
    writeFileSync(machine.at(path), '');
  };
  lay(join(root, 'restored.php'));
  lay(join(staged.previous, 'site/of-before.php'));
  lay(flag);
  mkdirSync(machine.at(join(staging, 'one')), { recursive: true });

  let isFenced = true;
  const atWork = {
    ...{ target, uri: SITE, location: target.site, host: web.host, onMaster: false, hosts: () => [master, web.host] },
    kind: { maintenanceFile: null, objectCache: async () => null },
    webServer: {
      refreshPhp: async () => ({ state: 'off' }),
      lowerMaintenance: () => web.host.removeFile(flag),
    },
    databaseServer: async () => ({ lowerFence: async () => void (isFenced = false) }),
  };
  const journals = new Journals(join(folder, 'state/tasks'), join(folder, 'state/open'), master, () => undefined);
  const parts = {
    locks: new SiteLocks(join(folder, 'state/locks'), master),
    journals,
    epochs: new Epochs(join(folder, 'state/epochs'), master),
    siteAtWork: () => atWork,
  } as unknown as OnlineParts;
  const { task, token } = await journals.begin(newTask({ site: SITE }));
  await journals.recordUndo(task, {
    target,
    staged: [staged],
    switched: true,
    fence: {
      account: { user: 'shop', hosts: ['%'] },
      database: 'shop',
      lockedBefore: [],
      eventPrivilegeAt: [],
      lowered: false,
    },
    maintenance: { foundOn: false, deadline: new Date(0).toISOString(), limit: null, seen: null, ended: null },
  });
  return {
    ...{ parts, site: SITE, task, web, staging, spool: join(target.spool, token) },
    state: () => ({ folder: readdirSync(machine.at(root)), isShut: existsSync(machine.at(flag)), isFenced }),
  };
}
