import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { makeCertificate } from '../../scripts/lab/certificate';
import { differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { freePort } from '../../scripts/lab/free-port';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { KedgeError } from '../../src/contract/errors';
import type { Finding } from '../../src/contract/findings';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import {
  type Lab,
  type WordPressSite,
  cli,
  cliFailure,
  cliJson,
  leftovers,
  startLab,
  withWorkerInProcess,
} from '../helpers/e2e';
import { visitTls } from '../helpers/tls-visit';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let securePort: number;
let tls: string;

const snippet = () => join(lab.nginx.address.vhosts, `${site.uri}.include`);
const line = () => `include ${snippet()};`;

/** The administrator's vhost, with a port for TLS. */
async function writeOwnVhost(inner: string): Promise<void> {
  const block = (listen: string): string => `server {
    ${listen}
    server_name ${site.uri};
    root "${site.root}";
    index index.php;
    ${inner}
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ {
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass "unix:${lab.phpFpm.socketOf('pool0')}";
    }
}
`;
  const text = block(`listen 127.0.0.1:${lab.nginx.port};`) + block(tls);
  await writeFile(join(lab.nginx.address.vhosts, 'admin.conf'), text);
}

const bothPorts = async (): Promise<number[]> => [
  (await get(lab.nginx.port, site.uri, '/readme.html')).status,
  (await visitTls(securePort, site.uri, '/readme.html')).status,
];

/** Looks at both ports in the middle of the import, which then goes on or fails. */
function lookingOn(watch: { seen: number[][]; fails: boolean }): (real: ActivityDependencies) => ActivityDependencies {
  return (real) => ({
    ...real,
    databaseServer: async (...asked) => {
      const server = await real.databaseServer(...asked);
      const importDump: typeof server.importDump = async (...args) => {
        watch.seen.push(await bothPorts());
        if (watch.fails) throw new KedgeError('ImportFailed', 'the import was made to fail');
        return server.importDump(...args);
      };
      return new Proxy(server, {
        get(target, name) {
          const value: unknown = name === 'importDump' ? importDump : Reflect.get(target, name, target);
          return typeof value === 'function'
            ? (...args: unknown[]): unknown => Reflect.apply(value, target, args)
            : value;
        },
      });
    },
  });
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

it('adopting says which line is missing, and proves both ports once it is there', async () => {
  await writeOwnVhost('');
  const [program = '', ...options] = lab.nginx.address.reload;
  execFileSync(program, options);
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

    // A block loses the line: refused before anything begins; a backup needs no maintenance page.
    await writeOwnVhost('');
    for (const args of [
      ['restore', site.uri, backup.id, '--yes'],
      ['verify', site.uri],
    ])
      expect(await cliFailure(lab, ...args)).toMatchObject({ code: 'VhostUnfit', exitCode: 1 });
    await cliJson(lab, 'backup', site.uri);
    expect(await bothPorts()).toEqual([200, 200]);
    expect(watch.seen).toHaveLength(2);
  });
});
