import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import type { LimitMeans } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { works } from './machine';
import type { MasterMachine } from './master-contract';

const privileged = process.getuid?.() === 0;
const mounts = privileged && works('unshare', '--mount', 'mount', '-t', 'tmpfs', 'kedge-test', '/mnt');

/** This machine, with a fresh folder in /var/tmp. */
export function localMachine(atBest?: LimitMeans): MasterMachine {
  const folder = mkdtempSync('/var/tmp/kedge-hosts-');
  chmodSync(folder, 0o755);
  const id = (option: string, ...user: string[]): number =>
    Number(execFileSync('id', [option, ...user], { encoding: 'utf8' }));
  // As root an account that has no other processes, so that limits count ours alone.
  const owner = privileged
    ? { user: 'games', uid: id('-u', 'games'), gid: id('-g', 'games') }
    : { user: String(id('-u')), uid: id('-u'), gid: id('-g') };
  return {
    host: createLocalHost({ name: 'here', ...(atBest === undefined ? {} : { atBest }) }),
    folder,
    owner,
    canMount: mounts,
    sh: (script, ...parameters) =>
      execFileSync('sh', ['-c', script, 'sh', ...parameters], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
      }),
    dispose: () => removePrivateFolder(folder),
  };
}
