import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { findTemporalCli, startTemporal } from '../../scripts/lab/temporal';
import { parseConfiguration } from '../../src/config/load';
import { REQUIREMENTS } from '../../src/core/doctor/programs';
import { connectClient } from '../../src/temporal/connection';
import { SERVER_TUNING } from '../../src/temporal/dev-server';
import { checkSearchAttributes } from '../../src/temporal/search-attributes';
import { instructionsOf } from '../helpers/dockerfile';

const TOP = join(__dirname, '../..');
const CONTAINER = 'packaging/container';
const read = (path: string): string => readFileSync(join(TOP, path), 'utf8');
const run = promisify(execFile);

const serviceSchema = z.object({
  image: z.string(),
  build: z.object({ context: z.string() }).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  networks: z.record(z.string(), z.unknown()).default({}),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  entrypoint: z.array(z.string()).optional(),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
});
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.unknown()),
});
type Service = z.infer<typeof serviceSchema>;

/** What the engine gives a container without being asked. */
const GIVEN_CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP', 'SETPCAP'],
  ...['NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
];
/** Part of every Debian, the slim image too. */
const ESSENTIAL = ['coreutils', 'findutils', 'libc-bin'];

describe('docker-compose.yml', () => {
  const configuration = parseConfiguration(read(`${CONTAINER}/kedge.yaml`), 'kedge.yaml');
  const [uri = '', site] = Object.entries(configuration.sites)[0] ?? [];
  const server = configuration.servers['local'];
  const entrypoint = read(`${CONTAINER}/entrypoint`);
  let services: Record<string, Service>;
  let volumes: string[];

  const service = (name: string): Service => {
    const found = services[name];
    if (!found) throw new Error(`there is no service ${name}`);
    return found;
  };
  const networksOf = (name: string): string[] => Object.keys(service(name).networks);
  const meet = (one: string, other: string): boolean =>
    networksOf(one).some((network) => networksOf(other).includes(network));
  /** Folders of a service that outlive it. */
  const kept = (name: string): string[] =>
    service(name)
      .volumes.filter((volume) => volumes.includes(volume.split(':')[0] ?? ''))
      .map((volume) => volume.split(':')[1] ?? '');
  const isBelow = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);

  beforeAll(async () => {
    const parsed = composeSchema.parse(parse(await composed({ all: 'secret' })));
    services = parsed.services;
    volumes = Object.keys(parsed.volumes);
  });

  it('is read by docker-compose 1.29, with passwords alone', async () => {
    expect(Object.keys(services)).toEqual(
      expect.arrayContaining(['temporal', 'temporal-ui', 'temporal-database', 'mariadb', 'site']),
    );
    await expect(composed({ all: '' })).rejects.toThrow(`${CONTAINER}/env.example`);
    await expect(composed({ all: 'secret', but: 'KEDGE_DATABASE_PASSWORD' })).rejects.toThrow(
      'KEDGE_DATABASE_PASSWORD',
    );
  });

  it('names every image by its full version', () => {
    for (const [name, { image, build }] of Object.entries(services))
      if (!build) expect([name, image]).toEqual([name, expect.stringMatching(/^[a-z/-]+:\d+\.\d+/)]);
  });

  it('has Temporal of one version, and its client programs too', () => {
    const [, version] = service('temporal').image.split(':');
    for (const name of ['temporal-schema', 'temporal-namespace'])
      expect(service(name).image).toMatch(new RegExp(`:${version}(-|$)`));
  });

  it('lets a site be renamed: mounts are above it, on one volume with what is staged', () => {
    const folders = kept('site');
    const root = site?.root ?? '';
    expect(folders.filter((folder) => folder === root || isBelow(folder, root))).toEqual([]);
    expect(folders.filter((folder) => isBelow(root, folder))).toHaveLength(1);
  });

  it('keeps on volumes whatever has to outlive a container', () => {
    const folders = kept('site');
    const { backups, state, spool } = configuration;
    for (const path of [backups, state, ...(spool === undefined ? [] : [spool])])
      expect(folders.filter((folder) => isBelow(path, folder))).toEqual([expect.any(String)]);
    expect(folders).toEqual(expect.arrayContaining([server?.web?.vhosts, server?.web?.flags]));
    expect(kept('mariadb')).toEqual(['/var/lib/mysql']);
    expect(kept('temporal-database')).toEqual(['/var/lib/postgresql/data']);
  });

  it('leads the worker to Temporal and to the database server', () => {
    const { environment } = service('site');
    const [host = '', port] = (environment['TEMPORAL_ADDRESS'] ?? '').split(':');
    expect(meet('site', host)).toBe(true);
    expect(service(host).healthcheck?.test).toContain(port);
    expect(service('temporal-namespace').environment).toMatchObject({
      TEMPORAL_ADDRESS: environment['TEMPORAL_ADDRESS'],
      TEMPORAL_NAMESPACE: environment['TEMPORAL_NAMESPACE'],
    });
    expect(meet('site', server?.db?.host ?? '')).toBe(true);
    const password = server?.db?.admin.password;
    expect(password).toEqual({ env: 'KEDGE_DATABASE_PASSWORD' });
    expect(environment['KEDGE_DATABASE_PASSWORD']).toBe(service('mariadb').environment['MARIADB_ROOT_PASSWORD']);
  });

  it('gives Temporal the database whose schemas are laid before it starts', () => {
    const { environment } = service('temporal');
    const schema = service('temporal-schema');
    expect(environment['POSTGRES_SEEDS']).toBe(schema.environment['SQL_HOST']);
    expect(environment['POSTGRES_USER']).toBe(schema.environment['SQL_USER']);
    expect(environment['POSTGRES_PWD']).toBe(schema.environment['SQL_PASSWORD']);
    expect(environment['DB']).toBe(schema.environment['SQL_PLUGIN']);
    expect(service(schema.environment['SQL_HOST'] ?? '').environment).toMatchObject({
      POSTGRES_USER: schema.environment['SQL_USER'],
      POSTGRES_PASSWORD: schema.environment['SQL_PASSWORD'],
    });
    expect(service('temporal').depends_on).toEqual({
      'temporal-schema': { condition: 'service_completed_successfully' },
    });
    expect(service('site').depends_on).toMatchObject({
      'temporal-namespace': { condition: 'service_completed_successfully' },
    });
  });

  it('mounts what its commands and variables name', () => {
    for (const name of ['temporal-schema', 'temporal-namespace', 'temporal']) {
      const { volumes: mounts, entrypoint: command = [], environment } = service(name);
      const named = [...command, environment['DYNAMIC_CONFIG_FILE_PATH'] ?? ''].filter((path) =>
        isBelow(path, '/kedge'),
      );
      expect(named).toHaveLength(1);
      expect(mounts).toEqual([`${join(TOP, CONTAINER, 'temporal')}:/kedge:ro`]);
      expect(existsSync(join(TOP, CONTAINER, 'temporal', named[0]?.slice('/kedge/'.length) ?? ''))).toBe(true);
    }
  });

  it('is reached from this machine alone, and Temporal and databases from none', () => {
    const published = Object.entries(services).flatMap(([name, { ports }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([
      ['site', `127.0.0.1:8080:${server?.web?.listen[0]?.port}/tcp`],
      ['temporal-ui', '127.0.0.1:8233:8080/tcp'],
    ]);
  });

  it('checks the health of all that stays', () => {
    const passing = ['temporal-schema', 'temporal-namespace'];
    const unchecked = Object.entries(services).filter(([, { healthcheck }]) => !healthcheck);
    // The Web UI's image has nothing in it that could ask.
    expect(unchecked.map(([name]) => name).sort()).toEqual([...passing, 'temporal-ui'].sort());
  });

  it('gives the worker every capability that its sandboxes ask for', () => {
    const asked = new Set(['SYS_ADMIN', 'NET_ADMIN', 'SETUID', 'SETGID', 'SYS_PTRACE']);
    for (const path of filesOf(join(TOP, 'src/core')))
      for (const [, list] of readFileSync(path, 'utf8').matchAll(/capabilities: \[([^\]]*)\]/g))
        for (const [, name] of (list ?? '').matchAll(/'([A-Z_]+)'/g)) asked.add(name ?? '');
    const has = [...GIVEN_CAPABILITIES, ...service('site').cap_add];
    expect([...asked].filter((name) => !has.includes(name))).toEqual([]);
    expect(service('site').security_opt).toEqual(['seccomp:unconfined', 'apparmor:unconfined']);
  });

  it('sets for Temporal what `kedge up` sets', () => {
    const entries = Object.entries(SERVER_TUNING).map(([key, value]) => [key, [{ value }]]);
    expect(parse(read(`${CONTAINER}/temporal/dynamic-config.yaml`))).toEqual(Object.fromEntries(entries));
  });

  describe('the container of the site', () => {
    it('starts what its configuration names', () => {
      const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(entrypoint)?.[1];
      expect([value('uri'), value('root'), value('owner')]).toEqual([uri, site?.root, site?.owner]);
      expect(value('adopted')).toBe(`${configuration.state}/sites/$uri.json`);
      expect(read(`${CONTAINER}/php-fpm.conf`)).toContain(`listen = ${site?.php.socket}\n`);
      expect(read(`${CONTAINER}/php-fpm.conf`)).toContain(`user = ${site?.owner}\n`);
      expect(entrypoint).toContain(site?.php.socket);
      expect(read(`${CONTAINER}/nginx.conf`)).toContain(`include ${server?.web?.vhosts}/*.conf;`);
      expect(read(`${CONTAINER}/wp-config.php`)).toContain(`define('DB_HOST', '${server?.db?.host}');`);
      expect(read('Dockerfile')).toMatch(new RegExp(`useradd .* ${site?.owner} `));
      expect(service('site').healthcheck?.test[1]).toBe('kedge-container-health');
    });

    it('has the programs that doctor asks for', () => {
      const installed = read('Dockerfile').split(/\s+/);
      const packages = [...REQUIREMENTS.map(({ debian }) => debian), 'e2fsprogs', 'nginx-light', 'wordpress'];
      expect(packages.filter((name) => !installed.includes(name) && !ESSENTIAL.includes(name))).toEqual([]);
    });

    it('is built by instructions that Docker knows, from files that it is sent', () => {
      const instructions = instructionsOf(read('Dockerfile'));
      const sent = read('.dockerignore').trim().split('\n');
      expect(sent.shift()).toBe('**');
      const sources = instructions.flatMap(({ name, words }) =>
        name === 'COPY' && !words[0]?.startsWith('--from') ? words.slice(0, -1) : [],
      );
      expect(sources.length).toBeGreaterThan(5);
      for (const source of sources) {
        expect(existsSync(join(TOP, source))).toBe(true);
        const isSent = sent.some((line) => line === `!${source}` || isBelow(`!${source}`, line));
        expect([source, isSent]).toEqual([source, true]);
      }
      const minimum = /"node": ">=(\d+\.\d+)"/.exec(read('package.json'))?.[1];
      for (const { words } of instructions.filter(({ name }) => name === 'FROM'))
        expect(words[0]).toMatch(new RegExp(`^node:${minimum?.replace('.', '\\.')}\\.\\d+-bookworm-slim$`));
    });

    it('has scripts that their shells can read', () => {
      for (const [shell, script] of [
        ['bash', 'entrypoint'],
        ['sh', 'temporal/schema.sh'],
        ['sh', 'temporal/namespace.sh'],
      ] as const) {
        const path = join(TOP, CONTAINER, script);
        execFileSync(shell, ['-n', path]);
        expect(statSync(path).mode & 0o111).toBe(0o111);
      }
    });
  });
});

describe('namespace.sh', () => {
  it('makes a namespace with what Kedge needs, and does so again', async () => {
    const folder = await mkdtemp('/var/tmp/kedge-compose-');
    const temporal = await startTemporal({ folder });
    const environment = {
      PATH: `${dirname(await findTemporalCli())}:${process.env['PATH']}`,
      HOME: folder,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: 'containers',
    };
    const lay = () => run('sh', [join(TOP, CONTAINER, 'temporal/namespace.sh')], { env: environment });
    try {
      await lay();
      await lay();
      const client = await connectClient(environment);
      try {
        // A new namespace is seen everywhere after a moment.
        await checkSearchAttributes(client.connection, 'containers');
        const { config } = await client.workflowService.describeNamespace({ namespace: 'containers' });
        expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(30 * 24 * 3600);
      } finally {
        await client.connection.close();
      }
    } finally {
      await temporal.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** What docker-compose makes of the file when every variable of env.example has the value `all`, except the one `but`. */
async function composed({ all, but }: { all: string; but?: string }): Promise<string> {
  const folder = await mkdtemp('/var/tmp/kedge-compose-');
  try {
    const names = [...read(`${CONTAINER}/env.example`).matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name ?? '');
    const file = join(folder, 'env');
    await writeFile(file, names.map((name) => `${name}=${name === but ? '' : `${all}-${name}`}\n`).join(''));
    if (all === '') await writeFile(file, names.map((name) => `${name}=\n`).join(''));
    const argv = ['--env-file', file, '--file', join(TOP, 'docker-compose.yml'), 'config'];
    return (await run('docker-compose', argv)).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
