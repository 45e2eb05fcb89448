import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { makeCertificate } from '../../scripts/lab/certificate';
import { differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { freePort } from '../../scripts/lab/free-port';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { KedgeError } from '../../src/contract/errors';
import type { Finding } from '../../src/contract/findings';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { stamped } from '../../src/core/web/stamp';
import { changingDatabaseServers } from '../helpers/changed-sites';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  leftovers,
  startLab,
  withWorkerInProcess,
  journalsOf,
} from '../helpers/e2e';
import { visitTls } from '../helpers/tls-visit';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let securePort: number;
let tls: string;

const snippet = () => join(lab.nginx.address.vhosts, `${site.uri}.include`);
const line = () => `include ${snippet()};`;

/** The administrator's vhost, with a port for TLS. */
async function writeOwnVhost(inner: string, { root = site.root, secure = true } = {}): Promise<void> {
  const block = (listen: string): string => `server {
    ${listen}
    server_name ${site.uri};
    root "${root}";
    index index.php;
    ${inner}
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ {
        include /etc/nginx/fastcgi_params;
        # Debian's own lack the port, which this site has in its address.
        fastcgi_param HTTP_HOST $http_host;
        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
        fastcgi_pass "unix:${lab.phpFpm.socketOf('pool0')}";
    }
}
`;
  const text = block(`listen 127.0.0.1:${lab.nginx.port};`) + (secure ? block(tls) : '');
  await writeFile(join(lab.nginx.address.vhosts, 'admin.conf'), text);
}

const bothPorts = async (): Promise<number[]> => [
  (await get(lab.nginx.port, site.uri, '/readme.html')).status,
  (await visitTls(securePort, site.uri, '/readme.html')).status,
];

/** Looks at both ports in the middle of the import, which then goes on or fails. */
function lookingOn(watch: { seen: number[][]; fails: boolean }): (real: ActivityDependencies) => ActivityDependencies {
  return (real) =>
    changingDatabaseServers(real, (server) => ({
      ...server,
      importDump: async (...args) => {
        const [, , , , , options] = args;
        if (options?.definitionsOnly === true) return server.importDump(...args);
        watch.seen.push(await bothPorts());
        if (watch.fails) throw new KedgeError('ImportFailed', 'the import was made to fail');
        return server.importDump(...args);
      },
    }));
}

async function vhostFindings(): Promise<Finding[]> {
  const { stdout } = await cli(lab, 'doctor', '--json');
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings.filter(({ check }) => check === 'site-vhost');
}

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  securePort = await freePort();
  const { certificate, key } = await makeCertificate(lab.folder, [site.uri]);
  tls = `listen 127.0.0.1:${securePort} ssl http2; ssl_certificate "${certificate}"; ssl_certificate_key "${key}";`;
  const document = parse(readFileSync(lab.configuration, 'utf8')) as { sites: Record<string, Record<string, unknown>> };
  // The default: a vhost of somebody else's is kept.
  delete document.sites[site.uri]?.['vhost'];
  await writeFile(lab.configuration, stringify(document));
});
afterAll(async () => {
  await lab?.stop();
});

const reload = (): void => {
  const [program = '', ...options] = lab.nginx.address.reload;
  execFileSync(program, options);
};

/** Its status; 0 where nginx, which is reloaded, cuts the request. */
const frontPage = (): Promise<number> =>
  get(lab.nginx.port, site.uri, '/').then(
    ({ status }) => status,
    () => 0,
  );

async function configure(change: Record<string, unknown>): Promise<void> {
  const document = parse(readFileSync(lab.configuration, 'utf8')) as { sites: Record<string, object> };
  document.sites[site.uri] = { ...document.sites[site.uri], ...change };
  await writeFile(lab.configuration, stringify(document));
}

it('adopting says which line is missing, and proves both ports once it is there', async () => {
  await writeOwnVhost('');
  reload();
  const failure = await cliFailure(lab, 'sites', 'adopt', site.uri);
  expect(failure).toMatchObject({ code: 'VhostUnfit', exitCode: 1, site: site.uri });
  expect(failure.hint).toContain(`\`${line()}\``);
  expect(existsSync(snippet())).toBe(true);
  expect(await vhostFindings()).toEqual([
    expect.objectContaining({ level: 'error', hint: expect.stringContaining(`\`${line()}\``) as unknown }),
  ]);
  await writeOwnVhost(line());
  await cliJson(lab, 'sites', 'adopt', site.uri);
  expect(await vhostFindings()).toEqual([]);
  expect(await bothPorts()).toEqual([200, 200]);
});

it('restores show the maintenance page on both ports, and bring the site back or leave it as it was', async () => {
  const before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  const watch = { seen: [] as number[][], fails: false };
  await withWorkerInProcess(lab, lookingOn(watch), async () => {
    const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
    await lab.mariadb.query(`DELETE FROM \`${site.database}\`.wp_posts`);
    await rm(join(site.root, 'wp-content/uploads'), { recursive: true });
    const { restored } = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.id, '--yes');
    expect(restored).toBe(backup.id);
    expect(watch.seen).toEqual([[503, 503]]);
    expect(await bothPorts()).toEqual([200, 200]);
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);

    const leftBefore = await leftovers(lab);
    const text = readFileSync(snippet(), 'utf8');
    watch.fails = true;
    const undone = await cliFailure(lab, 'restore', site.uri, backup.id, '--yes');
    expect(undone).toMatchObject({ code: 'ImportFailed', state: 'the site is as it was before' });
    expect(watch.seen).toEqual([
      [503, 503],
      [503, 503],
    ]);
    expect(await bothPorts()).toEqual([200, 200]);
    expect(readFileSync(snippet(), 'utf8')).toBe(text);
    expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    expect(await leftovers(lab)).toEqual(leftBefore);

    // A block loses the line: refused before anything begins; an ordinary backup needs no maintenance page.
    await writeOwnVhost('');
    for (const args of [
      ['restore', site.uri, backup.id, '--yes'],
      ['backup', site.uri, '--quiesce'],
      ['verify', site.uri],
    ])
      expect(await cliFailure(lab, ...args)).toMatchObject({ code: 'VhostUnfit', exitCode: 1 });
    await cliJson(lab, 'backup', site.uri);
    expect(await bothPorts()).toEqual([200, 200]);
    expect(watch.seen).toHaveLength(2);
    const refused = journalsOf(lab).filter(({ outcome }) => outcome?.code === 'VhostUnfit');
    expect(refused.filter(({ maintenance }) => maintenance !== null)).toEqual([]);
    expect(refused).toHaveLength(3);
  });
});

it('behind a password the application itself is asked, or the visitor with credentials', async () => {
  const users = join(lab.folder, 'users');
  const secret = join(lab.folder, 'probe-password');
  await writeFile(users, 'tester:{PLAIN}open sesame\n', { mode: 0o644 });
  await writeFile(secret, 'open sesame', { mode: 0o600 });
  await writeOwnVhost(`${line()} auth_basic "members"; auth_basic_user_file "${users}";`, { secure: false });
  reload();
  const answers = async (): Promise<Finding[]> => {
    const { findings } = JSON.parse((await cli(lab, 'doctor', '--json')).stdout) as { findings: Finding[] };
    return findings.filter(({ check }) => check === 'site-answer');
  };
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      await until('a password is asked for', async () => (await frontPage()) === 401);
      expect(await cliJson(lab, 'verify', site.uri)).toMatchObject({ status: 401, warnings: [] });
      const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      const record = JSON.parse(readFileSync(backup.path.replace(/\.tar\.zst$/, '.json'), 'utf8')) as object;
      expect(record).toMatchObject({ contentMark: { status: 200, title: expect.any(String) as unknown } });
      expect(await answers()).toEqual([]);

      // A page that works, but not this site's: nothing but its application tells.
      const front = join(site.root, 'index.php');
      const code = readFileSync(front, 'utf8');
      await writeFile(front, '<?php http_response_code(500);');
      // PHP looks at its files every other second.
      await until('the application is seen to be broken', async () =>
        (await answers()).some(({ level, message }) => level === 'warning' && message.includes('answers 500')),
      );
      await writeFile(front, '<?php http_response_code(404);');
      const unproven = await cli(lab, 'verify', site.uri);
      expect(unproven).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('set `probe:` of') as unknown });
      expect(await answers()).toEqual([expect.objectContaining({ level: 'warning' })]);
      await writeFile(front, code);

      await configure({ probe: { user: 'tester', password: { file: secret } } });
      expect(await cliJson(lab, 'verify', site.uri)).toMatchObject({ status: 200, warnings: [] });

      // Nobody is let in, and its application works.
      await writeOwnVhost(`${line()} deny all;`, { secure: false });
      reload();
      await until('nobody is let in', async () => (await frontPage()) === 403);
      expect(await answers()).toEqual([
        expect.objectContaining({
          level: 'warning',
          message: expect.stringContaining('are answered 403 at /') as unknown,
        }),
      ]);
    },
  );
  await writeOwnVhost(line());
  reload();
});

it('a managed vhost that nginx never included: verify fails, leaves it as it was, and holds nothing', async () => {
  const forgotten = join(lab.folder, 'forgotten');
  const file = join(forgotten, `${site.uri}.conf`);
  const before = stamped((stamp) => `# ${stamp}\n`);
  const configuration = readFileSync(lab.configuration, 'utf8');
  await mkdir(forgotten);
  await writeFile(file, before);
  await writeFile(lab.configuration, configuration.replace(lab.nginx.address.vhosts, forgotten));
  await configure({ vhost: 'managed', probe: undefined });
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      for (let round = 0; round < 2; round += 1) {
        expect(await cliFailure(lab, 'verify', site.uri)).toMatchObject({
          ...{ code: 'VhostTestFailed', exitCode: 1, state: 'the site is as it was before' },
          message: expect.stringContaining('does not run the vhost') as unknown,
        });
        expect(readFileSync(file, 'utf8')).toBe(before);
      }
    },
  );
  expect(await frontPage()).toBe(200);
  await writeFile(lab.configuration, configuration);
  await configure({ probe: undefined });
});

it('releases: a link as root is followed at each task, and a root that is not served is refused', async () => {
  const project = join(lab.folder, 'project');
  const current = join(project, 'current');
  execFileSync('sh', [
    '-ec',
    'mkdir -p "$2/releases"; mv "$1" "$2/releases/1"; ln -s releases/1 "$2/current"',
    'sh',
    site.root,
    project,
  ]);
  await writeOwnVhost(line(), { root: current });
  reload();
  await configure({ root: current });
  await withWorkerInProcess(
    lab,
    (real) => real,
    async () => {
      await until('the link is served', async () => (await frontPage()) === 200);
      const { backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
      execFileSync('sh', [
        '-ec',
        'cd "$1/releases"; cp -a 1 2; echo two > 2/marker; ln -sfn releases/2 ../current',
        'sh',
        project,
      ]);
      const { restored } = await cliJson<RestoreResult>(lab, 'restore', site.uri, backup.id, '--yes');
      expect(restored).toBe(backup.id);
      expect(existsSync(join(project, 'releases/2/index.php'))).toBe(true);
      expect(existsSync(join(project, 'releases/2/marker'))).toBe(false);
      expect(readlinkSync(current)).toBe('releases/2');
      expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);

      await configure({ root: join(project, 'releases/1') });
      const failure = await cliFailure(lab, 'backup', site.uri);
      expect(failure).toMatchObject({ code: 'RootNotServed', exitCode: 1 });
      expect(failure.message).toContain(`${current}, which leads to ${project}/releases/2`);
      const { findings } = JSON.parse((await cli(lab, 'doctor', '--json')).stdout) as { findings: Finding[] };
      expect(findings.filter(({ check }) => check === 'site-served')).toEqual([
        expect.objectContaining({ level: 'error', message: failure.message }),
      ]);
    },
  );
});
