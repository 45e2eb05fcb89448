import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { instructionsOf } from '../helpers/dockerfile';
import { MachineOfItsOwn, type Ran, type RunningMachine } from '../helpers/machine-of-its-own';
import { PrivateNetwork } from '../helpers/private-network';
import { until } from '../helpers/until';

const TOP = join(__dirname, '../..');
const PASSWORD = 'its "password" with \\ and $';
const SITE = 'wordpress.localhost';
const { services } = z
  .object({ services: z.object({ site: z.object({ cap_add: z.array(z.string()) }) }) })
  .parse(parse(readFileSync(join(TOP, 'docker-compose.yml'), 'utf8')));
/** What Docker gives by itself, and what docker-compose.yml adds. */
const CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP', 'SETPCAP'],
  ...['NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
  ...services.site.cap_add,
];

/**
 * No engine runs where these tests do. Every step of the Dockerfile is carried out on a Debian with Node, which is what its
 * base image is, and the result started with the capabilities that a container of docker-compose.yml has, beside a
 * MariaDB and a Temporal at the names and ports that it knows.
 */
describe('the container of the site', () => {
  let folder: string;
  let network: PrivateNetwork;
  let machine: MachineOfItsOwn;
  let container: RunningMachine;

  beforeAll(async () => {
    folder = await mkdtemp('/var/tmp/kedge-container-');
    await chmod(folder, 0o755);
    network = await PrivateNetwork.open();
    const base = await MachineOfItsOwn.install();
    try {
      machine = await build(base);
    } finally {
      await base.remove();
    }
    await startMariadb();
    await startTemporal();
  }, 900_000);

  afterAll(async () => {
    await container?.stop('SIGKILL');
    await network?.close();
    await machine?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('lays a WordPress, adopts it, and takes tasks', async () => {
    container = await started();
    expect((await kedge('sites', 'show', SITE)).code).toBe(0);
    const installed = await visit('/wp-admin/install.php?step=2', {
      ...{ weblog_title: 'A site in a container', user_name: 'admin', admin_email: 'admin@example.test' },
      ...{ admin_password: 'p4ssw0rd-of-the-admin', admin_password2: 'p4ssw0rd-of-the-admin', blog_public: '0' },
    });
    expect(installed).toContain('Success!');
    expect(await visit('/')).toContain('A site in a container');
  });

  it('is what doctor asks for, but for TLS', async () => {
    const { stdout } = await kedge('doctor', '--json');
    const { findings } = z
      .object({ findings: z.array(z.object({ check: z.string(), level: z.string(), message: z.string() })) })
      .parse(JSON.parse(stdout));
    expect(findings.map(({ check, message }) => [check, message])).toEqual([
      ['temporal-tls', 'Temporal at temporal:7233 is reached without TLS'],
    ]);
  });

  it('backs up and restores the site with the capabilities it has', async () => {
    const before = await visit('/');
    const backup = await kedge('backup', SITE, '-m', 'before the update', '--json');
    expect([backup.code, backup.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    const { id } = z.object({ backup: z.object({ id: z.string() }) }).parse(JSON.parse(backup.stdout)).backup;
    await machine.sh('rm -rf /srv/www/wordpress/wp-content/themes /srv/www/wordpress/wp-includes');
    expect(await visit('/')).not.toBe(before);
    const restored = await kedge('restore', SITE, id, '--yes', '--json');
    expect([restored.code, restored.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect(await visit('/')).toBe(before);
    expect(await machine.sh('ls -A /srv/www')).toBe('.kedge\nwordpress\n');
  });

  it('ends in good order, and goes on where it stopped', async () => {
    const before = await visit('/');
    expect(await container.stop()).toBe(0);
    container = await started();
    expect(await visit('/')).toBe(before);
    expect(await kedge('verify', SITE)).toMatchObject({ code: 0, stderr: expect.not.stringContaining('warning') });
  });

  it('ends when nginx does, so that the engine starts it anew', async () => {
    await container.run(['nginx', '-s', 'quit']);
    expect(await container.stop('SIGCONT')).not.toBe(0);
  });

  async function started(): Promise<RunningMachine> {
    const environment = {
      ...{ TEMPORAL_ADDRESS: 'temporal:7233', TEMPORAL_NAMESPACE: 'container', KEDGE_DATABASE_PASSWORD: PASSWORD },
    };
    const running = await machine.start(['/usr/local/bin/kedge-container'], {
      ...{ environment, capabilities: CAPABILITIES, network: network.name },
    });
    await until('the worker is ready', () => {
      if (/error|refused/i.test(running.said())) throw new Error(running.said());
      return running.said().includes('is ready');
    });
    expect((await running.run(['kedge-container-health'])).code).toBe(0);
    return running;
  }

  const kedge = (...args: readonly string[]): Promise<Ran> => container.run(['kedge', ...args]);

  /** A page, as a visitor of the published port gets it; with a form, as one who sends it. */
  async function visit(path: string, form: Readonly<Record<string, string>> = {}): Promise<string> {
    const fields = Object.entries(form).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`]);
    return network.run(['curl', '--silent', '--header', `Host: ${SITE}:8080`, ...fields, `http://127.0.0.1${path}`]);
  }

  async function startMariadb(): Promise<void> {
    const data = join(folder, 'mariadb');
    execFileSync('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--skip-test-db', '--user=mysql'], {
      stdio: 'ignore',
    });
    const init = join(folder, 'init.sql');
    const quoted = `'${PASSWORD.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
    await writeFile(
      init,
      `CREATE USER root@'%' IDENTIFIED BY ${quoted};\nGRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;\n`,
    );
    await chmod(init, 0o644);
    const options = [`--datadir=${data}`, `--socket=${join(data, 'mariadb.sock')}`, `--init-file=${init}`];
    const server = ['mariadbd', '--no-defaults', ...options, '--user=mysql', '--skip-name-resolve', '--port=3306'];
    await network.serve([...server, '--bind-address=127.0.0.1', '--skip-log-bin'], 3306, folder);
  }

  async function startTemporal(): Promise<void> {
    const temporal = await findTemporalCli();
    const server = ['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--log-level', 'error'];
    await network.serve([temporal, ...server, '--db-filename', join(folder, 'temporal.sqlite')], 7233, folder);
    await network.run(['sh', join(TOP, 'packaging/container/temporal/namespace.sh')], {
      ...process.env,
      PATH: `${dirname(temporal)}:${process.env['PATH']}`,
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      // Not the one that the development server comes with.
      TEMPORAL_NAMESPACE: 'container',
    });
  }
});

/** Carries out the Dockerfile on copies of a Debian with Node. Returns what its last stage is. */
async function build(base: MachineOfItsOwn): Promise<MachineOfItsOwn> {
  const stages = new Map<string, MachineOfItsOwn>();
  let machine = base;
  let workingFolder = '/';
  let finished: MachineOfItsOwn | undefined;
  try {
    for (const { name, text, words } of instructionsOf(readFileSync(join(TOP, 'Dockerfile'), 'utf8'))) {
      if (name === 'FROM') {
        machine = await base.copy();
        stages.set(words[2] ?? '', machine);
        workingFolder = '/';
      } else if (name === 'WORKDIR') {
        workingFolder = text;
        await machine.sh(`mkdir -p ${text}`);
      } else if (name === 'RUN') {
        await machine.sh(`set -e; ${text}`, { workingFolder });
      } else if (name === 'COPY') {
        await copyFiles(machine, workingFolder, words, stages);
      }
    }
    finished = machine;
    await machine.sh('echo 127.0.0.1 mariadb temporal >>/etc/hosts');
    return machine;
  } finally {
    for (const stage of stages.values()) if (stage !== finished) await stage.remove();
  }
}

async function copyFiles(
  machine: MachineOfItsOwn,
  workingFolder: string,
  words: readonly string[],
  stages: ReadonlyMap<string, MachineOfItsOwn>,
): Promise<void> {
  const [, stage] = /^--from=(.*)$/.exec(words[0] ?? '') ?? [];
  const sources = words.slice(stage === undefined ? 0 : 1, -1);
  const last = words.at(-1) ?? '';
  const target = last.startsWith('/') ? last : join(workingFolder, last);
  for (const source of sources) {
    const from = stage === undefined ? join(TOP, source) : (stages.get(stage)?.path(source) ?? '');
    const into = (words.at(-1) ?? '').endsWith('/');
    const to = machine.path(into ? join(target, basename(source)) : target);
    // Over a file that is there, as Docker does.
    await cp(from, to, { recursive: true, verbatimSymlinks: true, force: true });
  }
}
