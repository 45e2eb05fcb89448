import { differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, type WordPressSite, cliJson, leftovers, shell, startServedLab } from '../helpers/e2e';

jest.setTimeout(480_000);

let lab: Lab;
let site: WordPressSite;
beforeAll(async () => {
  ({ lab, site } = await startServedLab());
});
afterAll(() => lab?.stop());

/** More than the pool has workers. */
const VISITORS = 4;

/* Every worker of PHP waits for ever in code or files of the owner's, when a restore begins. */
it.each([
  [
    // Settings that opcache still has are read from there for a moment, and then the plugin waits.
    'pipes for its settings and a plugin',
    'mkdir -p wp-content/mu-plugins; mkfifo -m 644 wp-content/mu-plugins/a.php; rm wp-config.php; mkfifo -m 644 wp-config.php',
  ],
  ['pages that never end', "printf '<?php while (true) sleep(1000);' > index.php"],
])('a site with %s is restored', async (_what, spoil) => {
  const look = () => fingerprint(site, lab.nginx.port, lab.mariadb);
  const before = await look();
  const saved = await cliJson<BackupResult>(lab, 'backup', site.uri);
  const clean = await leftovers(lab);
  shell('sh', '-euc', `cd "$1"; ${spoil}`, 'sh', site.root);
  const visitors = Array.from({ length: VISITORS }, () =>
    get(lab.nginx.port, site.uri, '/').catch((error: unknown) => error),
  );
  const restored = await cliJson<RestoreResult>(lab, 'restore', site.uri, saved.backup.id, '--yes');
  expect(restored.warnings.join('\n')).toMatch(/of its workers held requests from before, and were ended/);
  await Promise.all(visitors);
  expect(differences(before, await look())).toEqual([]);
  const left = await leftovers(lab);
  for (const place of ['staging', 'spool', 'open', 'flags', 'temporary', 'processes'])
    expect(left[place]).toEqual(clean[place]);
});
