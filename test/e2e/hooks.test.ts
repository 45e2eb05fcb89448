import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { differences, fingerprint } from '../../scripts/lab/fingerprint';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, type WordPressSite, cli, cliFailure, cliJson, shell, startServedLab } from '../helpers/e2e';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let backup: BackupResult;

beforeAll(async () => {
  ({ lab, site } = await startServedLab());
});
afterAll(() => lab?.stop());

async function declare(hooks: Record<string, string[]>): Promise<void> {
  const configuration = parse(await readFile(lab.configuration, 'utf8')) as { sites: Record<string, object> };
  configuration.sites[site.uri] = { ...configuration.sites[site.uri], hooks };
  await writeFile(lab.configuration, stringify(configuration));
}

const uploads = (name: string): string => join(site.root, 'wp-content/uploads', name);

it('hooks run as the owner, in the site folder, told what the task is; what they print is in the log', async () => {
  const script = 'cat > wp-content/uploads/hook.json; id -un; ls /root /etc/shadow 2>/dev/null; pwd';
  await declare({ before: ['sh', '-c', script] });
  backup = await cliJson<BackupResult>(lab, 'backup', site.uri, '-m', 'told');
  const told = JSON.parse(await readFile(uploads('hook.json'), 'utf8')) as object;
  expect(told).toMatchObject({
    hook: 'before',
    type: 'backup',
    site: site.uri,
    task: backup.task,
    description: 'told',
  });
  expect(shell('stat', '-c', '%U', uploads('hook.json')).trim()).toBe(site.owner);
  const { stdout } = await cli(lab, 'log', backup.task);
  expect(stdout).toContain(`runHook: before: ${site.owner}\n`);
  expect(stdout).toContain(`runHook: before: ${site.root}\n`);
  // Neither /root nor /etc/shadow exists for it.
  expect(stdout.match(/runHook: before: /g)).toHaveLength(2);
});

it('a hook that fails after the switch: the site is as before; one that fails at the end is a warning', async () => {
  const before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  await declare({ afterSwitch: ['sh', '-c', 'echo cache is away >&2; exit 7'] });
  const failure = await cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes');
  expect(failure).toMatchObject({ code: 'HookFailed', exitCode: 1, state: 'the site is as it was before' });
  expect(failure.message).toContain('the hook afterSwitch of gazette.example failed: sh ended with 7');
  expect(failure.message).toContain('cache is away');
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);

  await declare({ after: ['no-such-program'] });
  const late = await cli(lab, 'restore', site.uri, backup.backup.id, '--yes', '--json');
  expect(late.exitCode).toBe(3);
  const { warnings } = JSON.parse(late.stdout) as RestoreResult;
  expect(warnings.join()).toContain('runLastHook could not finish: no-such-program is not installed');
});
