import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { removePrivateFolder } from '../../scripts/lab/private-folder';
import type { Owner } from '../../src/contract/target';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { type HostRules, type HostRulesFile, hostRulesSchema } from '../../src/core/hosts/rules/host-rules';
import { rulesReader } from '../../src/core/hosts/rules/read-host-rules';
import { RuledHost } from '../../src/core/hosts/rules/ruled-host';

/** The owner of the site, and an account that has nothing to do with it. */
export const OWNER: Owner = { user: 'games', uid: 5, gid: 60 };
export const STRANGER: Owner = { user: 'lp', uid: 7, gid: 7 };

/** This machine, with a site in a folder of sites, folders of a web server, and rules for both. Needs root. */
export interface RuledMachine {
  readonly folder: string;
  /** Below its folder. */
  at(...names: string[]): string;
  readonly rules: HostRulesFile;
  /** Where the rules lie as a file. */
  readonly rulesFile: string;
  readonly host: RuledHost;
  sh(script: string, ...parameters: string[]): string;
  dispose(): void;
}

export function ruledMachine(more: Partial<HostRulesFile> = {}): RuledMachine {
  const folder = mkdtempSync('/var/tmp/kedge-rules-');
  chmodSync(folder, 0o755);
  const at = (...names: string[]): string => join(folder, ...names);
  for (const name of ['sites', 'sites/shop', 'vhosts', 'flags', 'certificates', 'outside'])
    mkdirSync(at(name), { mode: 0o755 });
  mkdirSync(at('sites/.kedge'), { mode: 0o700 });
  chownSync(at('sites/shop'), OWNER.uid, OWNER.gid);
  writeFileSync(at('sites/shop/index.php'), 'shop');
  chownSync(at('sites/shop/index.php'), OWNER.uid, OWNER.gid);
  writeFileSync(at('outside/secret'), 'canary', { mode: 0o600 });
  for (const name of ['site.crt', 'site.key']) writeFileSync(at('certificates', name), 'pem', { mode: 0o600 });
  const rules: HostRulesFile = {
    version: 1,
    master: 'backup1',
    sites: [{ folder: at('sites'), owners: [OWNER.user], hooks: true }],
    web: {
      kind: 'nginx',
      vhosts: at('vhosts'),
      flags: at('flags'),
      test: ['true', '-t'],
      reload: ['true', 'reload'],
      names: ['shop.example', '*.shop.example'],
      listen: [{ address: '127.0.0.1', port: 8080 }],
      files: [at('certificates/site.crt'), at('certificates/site.key')],
    },
    commands: [['id', '-u']],
    connect: { sockets: [at('php.sock')] },
    ...more,
  };
  const rulesFile = at('host.yaml');
  writeFileSync(rulesFile, stringify(rules), { mode: 0o644 });
  return {
    folder,
    at,
    rules,
    rulesFile,
    host: new RuledHost(createLocalHost({ name: 'web1' }), always(rules)),
    sh: (script, ...parameters) =>
      execFileSync('sh', ['-c', script, 'sh', ...parameters], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
      }),
    dispose: () => removePrivateFolder(folder),
  };
}

/** The same machine, as another process serves it: to another master, or by the rules of a file. */
export function ruledMachineOver({ rules }: RuledMachine, master = rules.master, file?: string): RuledHost {
  const read = file === undefined ? always({ ...rules, master }) : rulesReader(file, 'web1');
  return new RuledHost(createLocalHost({ name: 'web1' }), read);
}

function always(rules: HostRulesFile): () => HostRules {
  let parsed: HostRules | null = null;
  return () => (parsed ??= hostRulesSchema.parse(rules));
}
