import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Fingerprint, currentDatabase, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import type { BackupResult, DeployResult, RestoreResult } from '../../src/contract/tasks';
import { KedgeError } from '../../src/contract/errors';
import { answeringProbes } from '../helpers/changed-sites';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  leftovers,
  shell,
  startLab,
  withWorkerInProcess,
} from '../helpers/e2e';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let saved: Fingerprint;
let archive: string;

/** The machine is lost: folder, database, account, vhost and what Kedge knew. Only the archive was kept elsewhere. */
beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  // As its application names the server, and Kedge would not.
  const settings = await readFile(join(site.root, 'wp-config.php'), 'utf8');
  await writeFile(join(site.root, 'wp-config.php'), settings.replace("'DB_HOST', 'localhost:/", "'DB_HOST', ':/"));
  await cliJson(lab, 'sites', 'adopt', site.uri);
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      saved = await fingerprint(site, lab.nginx.port, lab.mariadb);
      const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      archive = join(lab.folder, 'kept-elsewhere.tar.zst');
      await rename(backup.path, archive);
    },
  );
});
afterAll(async () => {
  await lab?.stop();
});

async function loseTheSite(): Promise<void> {
  await lab.mariadb.query(
    `DROP DATABASE IF EXISTS \`${site.database}\`; DROP USER IF EXISTS '${site.user}'@'localhost'`,
  );
  shell('rm', '-rf', site.root, lab.backups, join(lab.state, 'sites'));
  shell('rm', '-f', join(lab.nginx.address.vhosts, `${site.uri}.conf`));
  shell(...(lab.nginx.address.reload as [string, ...string[]]));
}

it('a site that is there is not overwritten', async () => {
  const before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  const failure = await withWorkerInProcess(
    lab,
    (real) => real,
    () => cliFailure(lab, 'deploy', archive, site.uri),
  );
  expect(failure).toMatchObject({ code: 'SiteFolderRefused', exitCode: 1, state: 'the site is unchanged' });
  expect(failure.message).toContain('exists already');
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
});

it('a failed deploy onto a new site leaves no trace of it', async () => {
  await loseTheSite();
  const before = await leftovers(lab);
  const failure = await withWorkerInProcess(
    lab,
    (real) => answeringProbes(real, () => Promise.reject(new KedgeError('Internal', 'the probe was made to fail'))),
    () => cliFailure(lab, 'deploy', archive, site.uri),
  );
  expect(failure).toMatchObject({ code: 'Internal', message: 'the probe was made to fail' });
  const after = await leftovers(lab);
  // The folder for staging stays, empty.
  expect({ ...after, sites: after['sites']?.filter((name) => name !== '.kedge') }).toEqual(before);
  expect(after['sites']).not.toContain(site.uri);
  // nginx knows no such site: it hangs up.
  await expect(get(lab.nginx.port, site.uri, '/')).rejects.toThrow('socket hang up');
});

it('a lost site is deployed from its archive: pages, files, tables and definitions are those that were saved', async () => {
  await loseTheSite();
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      const asItWas = await readFile(lab.configuration, 'utf8');
      const configuration = parse(asItWas) as { sites: Record<string, object> };
      const hooks = { before: ['false'], afterSwitch: ['echo', 'it is there'] };
      Object.assign(configuration.sites[site.uri] as object, { hooks });
      await writeFile(lab.configuration, stringify(configuration));
      const deployed = await cliJson<DeployResult>(lab, 'deploy', archive, site.uri);
      await writeFile(lab.configuration, asItWas);
      // Before, there is nothing that a hook could run in.
      expect((await cli(lab, 'log', deployed.task)).stdout).toMatch(/before: not run.*afterSwitch: it is there/s);
      // Whoever brings an archive does not say whose files are on this machine.
      const warnings = [
        expect.stringMatching(/files of other accounts; all becomes .*: .\/wp-content\/uploads\/by-another\.bin$/),
      ];
      expect(deployed).toMatchObject({ site: site.uri, warnings });
      const changed = differences(saved, await fingerprint(site, lab.nginx.port, lab.mariadb));
      expect(changed).toEqual([expect.stringContaining('wp-content/uploads/by-another.bin')]);
      shell('chown', '1:1', join(site.root, 'wp-content/uploads/by-another.bin'));
      expect(differences(saved, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
      expect(await currentDatabase(site)).toMatch(/^gazetteexample/);
      expect(await readFile(join(site.root, 'wp-config.php'), 'utf8')).toMatch(/'DB_HOST', ':\//);
      // It is a site like any other now: it is backed up, and a restore drops what the deploy made.
      const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      const first = await currentDatabase(site);
      await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.id, '--yes');
      expect((await leftovers(lab))['databases']).not.toContain(first);
      expect(differences(saved, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    },
  );
});

it.each<[string, string[], string]>([
  ['an archive that others can change', ['chmod', '666'], 'OwnerRefused'],
  ['a path where nothing is', ['rm'], 'OwnerRefused'],
])('%s is refused', async (_what, spoil, code) => {
  const copy = join(lab.folder, 'copy.tar.zst');
  shell('cp', archive, copy);
  shell(spoil[0] as string, ...spoil.slice(1), copy);
  const failure = await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      await loseTheSite();
      return cliFailure(lab, 'deploy', copy, site.uri);
    },
  );
  expect(failure).toMatchObject({ code, exitCode: 1 });
  expect((await leftovers(lab))['sites']).not.toContain(site.uri);
});
