import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { describeAsRoot } from '../helpers/as-root';
import { runCommand } from '../helpers/command';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { type NetworkHost, NetworkHosts } from '../../scripts/lab/network-hosts';

const LIBRARY = '/usr/local/lib/kedge';

describeAsRoot('a bare server', () => {
  let machines: NetworkHosts;
  let web1: NetworkHost;
  let folder: string;
  let environment: Record<string, string>;
  let sshConfig: string;
  beforeAll(async () => {
    machines = await NetworkHosts.open(['web1']);
    web1 = machines.get('web1');
    ({ folder, environment } = await makeConfiguredFolder());
    const { host, user, knownHosts, identityFile } = web1.address;
    const path = join(folder, 'kedge.yaml');
    const written = parse(readFileSync(path, 'utf8')) as { servers: Record<string, object> };
    written.servers['web1'] = {
      ssh: { host, user, knownHosts, identityFile },
      web: { kind: 'nginx', vhosts: '/etc/nginx/kedge.d', flags: '/srv/kedge-web' },
    };
    writeFileSync(path, stringify(written));
    // An administrator gets in, by a key of his own; the master does not yet.
    const admin = join(folder, 'admin');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'admin', '-f', admin]);
    writeFileSync(web1.at('/opt/kedge/authorized_keys'), readFileSync(`${admin}.pub`));
    sshConfig = join(folder, 'ssh_config');
    writeFileSync(
      sshConfig,
      `Host far\n  HostName ${host}\n  User root\n  IdentityFile ${admin}\n  IdentitiesOnly yes\n  UserKnownHostsFile ${knownHosts}\n`,
    );
    chmodSync(sshConfig, 0o644);
    // Folders that it shares with this machine are its own from here on.
    web1.sh(
      'set -e; rm /opt/kedge/kedge-host; cp -a /etc /opt/etc; rm -rf /opt/etc/kedge; mount --bind /opt/etc /etc; mkdir /opt/lib; mount --bind /opt/lib /usr/local/lib; touch /opt/none; chmod 644 /opt/none',
    );
  });
  afterAll(async () => {
    await machines.close();
    await rm(folder, { recursive: true, force: true });
  });

  const prepare = (...more: string[]) =>
    runCommand(['servers', 'prepare', 'web1', '--login', 'far', '--ssh-config', sshConfig, ...more], { environment });
  const servers = () => runCommand(['servers'], { environment });
  /** Everything that preparing may touch, with its time. */
  const traces = (): string =>
    web1.sh('find /usr/local/lib /etc/kedge /root -printf "%p %m %u %T@ %s\\n" 2>/dev/null | sort; true');
  const bare = (): string => web1.sh('rm -rf /usr/local/lib/kedge /etc/kedge /root/.ssh');

  test('is made ready, and its master reaches it; twice does nothing', async () => {
    bare();
    expect((await servers()).stderr).toContain('web1 refuses the login of root');
    const first = await prepare();
    expect([first.exitCode, first.stderr]).toEqual([0, expect.not.stringContaining('hint')]);
    expect(first.stdout).toContain('web1 is ready\n');
    expect((await servers()).exitCode).toBe(0);
    const after = traces();
    const second = await prepare();
    expect([second.exitCode, second.stdout]).toEqual([0, 'web1 is ready; nothing was changed\n']);
    expect(traces()).toBe(after);
  });

  test('whatever is not so any more is made so again, and nothing else', async () => {
    await prepare();
    const own = readFileSync(web1.at('/root/.ssh/authorized_keys'), 'utf8');
    const key = own.split(' ').slice(1, 3).join(' ');
    const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKVYxcANPy1cH0mXYXBSCq6tQrPnnKgOSVjDXyzZoyzT somebody';
    // The key of the master lets in anything, before and behind its own line.
    web1.sh('printf "%s\\n" "$1" "$2" "$3" > /root/.ssh/authorized_keys', `# words`, other, key);
    web1.sh('echo tampered >> /etc/kedge/host.yaml; chmod 666 /usr/local/lib/kedge/kedge-host.cjs');
    const { exitCode, stdout } = await prepare();
    expect([exitCode, stdout.trim().split('\n')]).toEqual([
      0,
      [
        'web1: the program kedge-host: done',
        'web1: /etc/kedge/host.yaml: done',
        'web1: the key of the master: done',
        'web1 is ready',
      ],
    ]);
    expect(readFileSync(web1.at('/root/.ssh/authorized_keys'), 'utf8')).toBe(`# words\n${other}\n${own}`);
    expect(web1.sh(`stat -c %a ${LIBRARY}/kedge-host.cjs; grep -c tampered /etc/kedge/host.yaml || true`)).toBe(
      '755\n0\n',
    );
  });

  test('the key of the master starts the program and nothing else', async () => {
    await prepare();
    const { host, knownHosts, identityFile = '' } = web1.address;
    const said = execFileSync(
      'ssh',
      [
        '-F',
        '/dev/null',
        '-i',
        identityFile,
        '-o',
        `UserKnownHostsFile=${knownHosts}`,
        '-T',
        `root@${host}`,
        'id; touch /root/x',
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], input: '' },
    );
    expect(said).not.toContain('uid=');
    expect(existsSync(web1.at('/root/x'))).toBe(false);
  });

  test('may be touched where the configuration has sites, and what is restored waits where a restore looks for room', async () => {
    const path = environment['KEDGE_CONFIG'] ?? '';
    const before = readFileSync(path, 'utf8');
    const written = parse(before) as { sites: Record<string, object> };
    const site = written.sites['gazette.example'];
    web1.sh(
      'mkdir -p /srv/root-owned/site /srv/of-owner/site; chown games /srv/of-owner /srv/of-owner/site; touch /srv/of-owner/site/by-a-deploy /srv/of-owner/site/by-nobody-known; chown daemon /srv/of-owner/site/by-a-deploy; chown 54321 /srv/of-owner/site/by-nobody-known',
    );
    const roots = {
      'a.example': '/srv/root-owned/site',
      'b.example': '/srv/of-owner/site',
      'c.example': '/srv/none/yet',
    };
    for (const [uri, root] of Object.entries(roots)) written.sites[uri] = { ...site, server: 'web1', root };
    writeFileSync(path, stringify(written));
    try {
      expect((await prepare()).exitCode).toBe(0);
    } finally {
      writeFileSync(path, before);
    }
    const { sites } = parse(web1.sh('cat /etc/kedge/host.yaml')) as {
      sites: { folder: string; staging: string; owners: string[] }[];
    };
    expect(sites.map(({ folder: of, staging }) => [of, staging])).toEqual([
      ['/srv/root-owned/site', '/srv/root-owned/.kedge'],
      ['/srv/of-owner/site', '/srv/.kedge'],
      ['/srv/none/yet', '/srv/.kedge'],
    ]);
    // As they are there now: who restores a site gives files to all of them.
    const owner = sites[0]?.owners[0];
    expect(sites.map(({ owners }) => owners)).toEqual([[owner], [owner, 'daemon', 'games'], [owner]]);
  });

  test('--print changes nothing, and what it prints is what is done', async () => {
    bare();
    const before = traces();
    const printed = await prepare('--print');
    expect(printed.exitCode).toBe(0);
    expect(traces()).toBe(before);
    execFileSync('sh', ['-e', '-c', printed.stdout], { stdio: ['ignore', 'ignore', 'pipe'] });
    expect((await servers()).exitCode).toBe(0);
    expect((await prepare('--print')).stdout).toBe('# web1: nothing is to be done\n');
    expect((await prepare()).stdout).toBe('web1 is ready; nothing was changed\n');
  });

  test('gets the Node of the master where its own does not run the program', async () => {
    web1.sh('mount --bind /bin/false /usr/bin/node');
    try {
      const { exitCode, stdout } = await prepare();
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining('web1: Node: done')]);
      expect(web1.sh(`cat ${LIBRARY}/kedge-host`)).toContain(`exec ${LIBRARY}/node `);
      expect((await servers()).exitCode).toBe(0);
      expect((await prepare()).stdout).toBe('web1 is ready; nothing was changed\n');
    } finally {
      web1.sh('umount /usr/bin/node');
    }
    // Its own will do again.
    expect((await prepare()).stdout).toContain('what starts kedge-host: done');
    expect(web1.sh(`cat ${LIBRARY}/kedge-host`)).toContain('exec /usr/bin/node ');
  });

  test('has root run no Node that somebody else could change, by whatever way it is found', async () => {
    const NODES = {
      'his file': 'chown games node',
      'his link to root’s': 'ln -sf /opt/spy node; chown -h games node',
      'root’s, in a folder of his':
        'mkdir -p /opt/tool/bin; mv node /opt/tool/bin; chown games /opt/tool; ln -s /opt/tool/bin/node',
      'root’s, which a group may write': 'chmod 775 node',
      'root’s, where all may write': 'chmod 777 .',
      'root’s alone': 'true',
    };
    writeFileSync(web1.at('/opt/spy'), '#!/bin/sh\ntouch /opt/ran\nexec /usr/bin/node "$@"\n');
    // Where root looks first.
    web1.sh('chmod 755 /opt/spy; mkdir /opt/bin; mount --bind /opt/bin /usr/local/bin');
    const taken: Record<string, unknown> = {};
    try {
      for (const [whose, make] of Object.entries(NODES)) {
        web1.sh(`set -e; cd /opt/bin; rm -f *; chmod 755 .; cp /opt/spy node; ${make}`);
        const { exitCode } = await prepare();
        const [, started] = /^exec (\S+)/m.exec(web1.sh(`cat ${LIBRARY}/kedge-host`)) ?? [];
        taken[whose] = [exitCode, started, existsSync(web1.at('/opt/ran'))];
      }
    } finally {
      web1.sh('umount /usr/local/bin; rm -rf /opt/bin /opt/tool /opt/spy /opt/ran');
    }
    const others = Object.keys(NODES).slice(0, -1);
    expect(taken).toEqual({
      ...Object.fromEntries(others.map((whose) => [whose, [0, '/usr/bin/node', false]])),
      'root’s alone': [0, '/usr/local/bin/node', true],
    });
    expect((await prepare()).stdout).toContain('what starts kedge-host: done');
  });

  test('is not made ready where others can change what root would run', async () => {
    web1.sh('chmod 777 /opt/lib');
    try {
      const before = traces();
      const { exitCode, stderr } = await prepare();
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('/usr/local/lib/kedge on web1 can be changed')]);
      expect(traces()).toBe(before);
    } finally {
      web1.sh('chmod 755 /opt/lib');
    }
  });

  test('without a package is not ready, and says which; --install would ask apt-get', async () => {
    web1.sh('mount --bind /opt/none /usr/bin/bwrap');
    try {
      const { exitCode, stderr } = await prepare();
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('install bubblewrap there (--install does it)')]);
      const { stdout } = await prepare('--install', '--print');
      expect(stdout).toMatch(/apt-get install -y --no-install-recommends bubblewrap/);
    } finally {
      web1.sh('umount /usr/bin/bwrap');
    }
  });

  test('whose bubblewrap confines nothing is not ready', async () => {
    web1.sh('mount --bind /bin/false /usr/bin/bwrap');
    try {
      const { exitCode, stderr } = await prepare();
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('have bubblewrap confine programs of root')]);
    } finally {
      web1.sh('umount /usr/bin/bwrap');
    }
  });

  test.each([
    ['a login that is refused', ['--login', 'nobody@far'], 1, /HostLoginRefused/],
    ['a login that is an option', ['--login', '-oProxyCommand=id'], 2, /is no machine to log in to/],
    ['a machine that is not there', ['--login', 'root@198.18.255.254.invalid'], 1, /HostUnreachable/],
  ])('%s is told, and nothing is done', async (_what, more, exit, message) => {
    const before = traces();
    const { exitCode, stderr } = await prepare(...more);
    expect([exitCode, stderr]).toEqual([exit, expect.stringMatching(message)]);
    expect(traces()).toBe(before);
  });
});
