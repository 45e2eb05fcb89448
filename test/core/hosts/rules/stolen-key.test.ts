import { execFileSync, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { chownSync, existsSync, readFileSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { decodeFromMaster } from '../../../../src/core/hosts/remote/messages';
import { describeAsRoot } from '../../../helpers/as-root';
import { HOST_PROGRAM } from '../../../helpers/host-program';
import { type PrivateSshd, startSshd } from '../../../helpers/private-sshd';
import { type Answer, RawMaster } from '../../../helpers/raw-master';
import { OWNER, type RuledMachine, STRANGER, ruledMachine } from '../../../helpers/ruled-machine';

/* Somebody has the key of a master, and speaks its protocol as he likes. What he gets beyond the rules of the server is nothing. */

describeAsRoot('with the key of a master and nothing else', () => {
  let machine: RuledMachine;
  let thief: RawMaster;
  beforeAll(() => {
    machine = ruledMachine();
    thief = new RawMaster(['--rules', machine.rulesFile]);
  });
  afterAll(async () => {
    await thief.close();
    machine.dispose();
  });

  const at = (...names: string[]): string => machine.at(...names);
  const bytes = (text: string): Buffer => Buffer.from(text);
  const write = (path: string, text = 'x', attributes: object = { mode: 0o644 }): Promise<Answer> =>
    thief.ask({ method: 'writeFile', path, attributes }, { stream: 'content', bytes: bytes(text) });
  const ask = (method: string, more: object): Promise<Answer> => thief.ask({ method, ...more });
  const sh = (script: string, sandbox?: object, more: object = {}): Promise<Answer> =>
    thief.run(['sh', '-c', script], { ...(sandbox ? { sandbox } : {}), ...more });
  const shop = (): string => at('sites/shop');

  /** All that may not change, whatever is tried. */
  const kept = (): string =>
    machine.sh(
      'cd "$1"; find . -path ./sites -prune -o -path ./flags -prune -o -printf "%p %y %m %U %G %n\\n" | sort; cat outside/secret; find sites -perm /6000',
      machine.folder,
    );

  /** What is tried, and what the server says to it. */
  const ATTEMPTS: Record<string, () => Promise<Answer>> = {
    // Other folders.
    'to read a file of another folder': () => ask('readFile', { path: at('outside/secret') }),
    'to read passwords': () => ask('readFile', { path: '/etc/shadow' }),
    'to read a file of a site past its sandbox': () => ask('readFile', { path: join(shop(), 'index.php') }),
    'to read what is said to be trusted': () => ask('readTrustedFile', { path: at('certificates/site.key') }),
    'to learn whether a file is there': () => ask('status', { path: '/root/.ssh/id_ed25519' }),
    'to learn who can change a file': () => ask('assertTrusted', { path: '/etc/shadow' }),
    'to list a folder': () => ask('list', { path: '/root' }),
    'to learn where a link leads': () => ask('realPath', { path: '/etc/alternatives/awk' }),
    'to write another file': () => write('/etc/cron.d/kedge'),
    'to write its own rules': () => write(machine.rulesFile),
    'to make a folder elsewhere': () => ask('makeFolder', { path: at('outside/new'), attributes: { mode: 0o755 } }),
    'to move a folder out': () => ask('rename', { from: shop(), to: at('outside/shop') }),
    'to move a folder in': () => ask('rename', { from: at('outside'), to: at('sites/.kedge/t/outside') }),
    'to remove a folder': () => ask('removeTree', { path: at('outside'), mark: 'm' }),
    'to remove a site past its staging folder': () => ask('removeTree', { path: shop(), mark: 'm' }),
    'to remove a file': () => ask('removeFile', { path: at('outside/secret') }),
    'to remove a file by way of a folder above': () => ask('removeFile', { path: `${at('flags')}/../outside/secret` }),
    'to hold a lock on a file': () => ask('withLock', { path: at('outside/secret'), mark: 'm' }),
    'to learn of the space of other disks': () => ask('freeSpace', { path: '/root' }),
    'to show a program another folder': () => sh('cat /it/secret', { readOnly: [{ from: at('outside'), to: '/it' }] }),
    'to show it the folder above': () =>
      sh('cat /it/outside/secret', { readOnly: [{ from: machine.folder, to: '/it' }] }),
    'to show it a folder by another name': () =>
      sh('true', { readOnly: [{ from: `${at('sites')}/../outside`, to: '/it' }] }),
    'to show it /etc': () => sh('cat /it/shadow', { readOnly: [{ from: '/etc', to: '/it' }] }),
    'to show it the processes of the machine': () => sh('ls /it', { readOnly: [{ from: '/proc', to: '/it' }] }),
    'to show it sockets': () => sh('ls /it', { readOnly: [{ from: '/run', to: '/it' }] }),
    'to have it write to programs of the system': () => sh('touch /it/x', { writable: [{ from: '/usr', to: '/it' }] }),
    'to have it write to the folder of vhosts': () =>
      sh('touch /it/x', { writable: [{ from: at('vhosts'), to: '/it' }] }),

    // Other accounts.
    'to run something as another account': () => sh('id', {}, { owner: STRANGER }),
    'to run something as root by the name of an owner': () => sh('id', {}, { owner: { ...OWNER, uid: 0, gid: 0 } }),
    'to run something with another group': () => sh('id', {}, { owner: { ...OWNER, gid: 0 } }),
    'to make a folder of another account': () =>
      ask('makeFolder', { path: at('sites/new'), attributes: { mode: 0o755, uid: STRANGER.uid, gid: STRANGER.gid } }),
    'to make a folder for everybody': () => ask('makeFolder', { path: at('sites/new'), attributes: { mode: 0o777 } }),
    'to make one with the setgid bit': () => ask('makeFolder', { path: at('sites/new'), attributes: { mode: 0o2755 } }),
    'to look another account up': () => ask('lookUpOwner', { user: 'root' }),
    'to give a file to another account': () =>
      sh(`touch /it/f && chown ${STRANGER.uid} /it/f`, {
        writable: [{ from: shop(), to: '/it' }],
        capabilities: ['CHOWN', 'DAC_OVERRIDE'],
      }),
    'to end processes of root': () => ask('endSocketHolders', { sockets: [1], uid: 0 }),

    // Rights of root.
    'to run a shell': () => sh('id'),
    'to run a shell with a terminal': () => thief.run(['script', '-c', 'id']),
    'to run another program': () => thief.run(['systemctl', 'restart', 'ssh']),
    'to alter a command: one word more': () => thief.run(['true', '-t', '-c', '/etc/passwd']),
    'to alter a command: one word less': () => thief.run(['id']),
    'to alter a command: another place': () => thief.run(['/tmp/id', '-u']),
    'to alter what a command finds': () => thief.run(['id', '-u'], { environment: { PATH: shop() } }),
    'to load something into a command': () =>
      thief.run(['id', '-u'], { environment: { LD_PRELOAD: join(shop(), 'x.so') } }),
    'to give a command a secret': () => thief.run(['id', '-u'], { secret: 'x' }),
    'to make a file that runs as root': () =>
      sh('cp /bin/sh /it/sh && chmod 4755 /it/sh', {
        writable: [{ from: shop(), to: '/it' }],
        capabilities: ['DAC_OVERRIDE', 'FOWNER'],
      }),
    'to give a file capabilities': () =>
      sh('cp /bin/sh /it/sh && setcap cap_setuid+ep /it/sh', {
        writable: [{ from: shop(), to: '/it' }],
        capabilities: ['DAC_OVERRIDE', 'SETFCAP'],
      }),
    'to shadow what makes a program its owner’s': () =>
      sh('id', { readOnly: [{ from: shop(), to: '/usr/bin' }] }, { owner: OWNER }),
    'to shadow libraries': () => sh('id', { readOnly: [{ from: shop(), to: '/etc/ld.so.preload' }] }, { owner: OWNER }),
    'to shadow by a path that goes back': () => sh('id', { readOnly: [{ from: shop(), to: '/x/../usr/bin' }] }),
    'to open a file by its number': () =>
      sh(
        `perl -e 'opendir(D, "/it"); my $h = pack("IiQQ", 8, 1, 2, 0); exit(syscall(304, fileno(D), $h, 0) < 0 && $!{EPERM} ? 9 : 0)'`,
        {
          readOnly: [{ from: shop(), to: '/it' }],
          capabilities: ['DAC_READ_SEARCH'],
        },
      ),

    'to take descriptors from outside': () =>
      sh(`perl -MSocket -e 'exit(socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) ? 0 : 9)'`, {
        writable: [{ from: shop(), to: '/it' }],
        capabilities: ['DAC_OVERRIDE'],
      }),
    'to bring a file of a site, which may have another name there, to where it is given bits': async () => {
      await ask('makeFolder', { path: at('sites/.kedge/bits'), attributes: { mode: 0o700 } });
      return ask('rename', { from: join(shop(), 'index.php'), to: at('sites/.kedge/bits/f') });
    },
    'to change what was taken back': () =>
      sh('touch /it/x', { writable: [{ from: at('sites/.kedge/task.back/site'), to: '/it' }] }),

    // The network.
    'to reach the network as root': () => sh('true', { network: true }),
    'to reach the network as an owner who runs no hook': () => sh('true', { network: true }, { owner: OWNER }),

    'to connect to another socket': () => ask('connectTo', { address: { socketPath: '/run/docker.sock' } }),
    'to connect to a port of this machine': () => ask('connectTo', { address: { host: '127.0.0.1', port: 22 } }),
    'to connect by way of a name that he says the address of': () =>
      ask('connectTo', { address: { host: 'db.example', port: 22 } }),

    // The web server.
    'to write a vhost': () => write(at('vhosts/shop.example.conf'), 'access_log "|id";'),
    'to write a snippet': () => write(at('vhosts/shop.example.include'), 'load_module x.so;'),
    'to have a flag hold something': () => write(at('flags/shop.example'), 'server {}'),
    'to write a flag of another site': () => write(at('flags/bank.example'), ''),
    'to write a probe file for everybody': () =>
      write(at('flags/shop.example.probe/0123456789abcdef0123456789abcdef'), 'x', { mode: 0o666 }),
    'to write a probe file of another account': () =>
      write(at('flags/shop.example.probe/0123456789abcdef0123456789abcdef'), 'x', { mode: 0o644, uid: 7 }),
    'to write a probe file that a folder above gets': () =>
      write(`${at('flags')}/shop.example.probe/../../vhosts/x.conf`),
    'to remove a vhost': () => ask('removeFile', { path: at('vhosts/shop.example.conf') }),
  };

  test('every attempt to reach further is refused by the server, and changes nothing', async () => {
    const before = kept();
    const answers: Record<string, string | null> = {};
    for (const [what, attempt] of Object.entries(ATTEMPTS)) answers[what] = (await attempt()).error?.code ?? null;
    const byKernel = /^to (?:give a file to|make a file that runs|open a file by|take descriptors)/;
    const expected = Object.keys(ATTEMPTS).map((what) => [what, byKernel.test(what) ? 'ProgramFailed' : 'HostRefused']);
    expect(answers).toEqual(Object.fromEntries(expected));
    expect(kept()).toBe(before);
  });

  test('links that lead out are followed by nothing, whoever laid them', async () => {
    const token = at('sites/.kedge/links');
    await ask('makeFolder', { path: `${token}/1`, attributes: { mode: 0o700 } });
    // As root, in the folder of a task; and as the owner, in his site.
    const laid = await sh(`ln -s ${at('outside')} /it/out`, { writable: [{ from: `${token}/1`, to: '/it' }] });
    expect(laid.error).toBeUndefined();
    symlinkSync(at('outside'), join(shop(), 'out'));
    const before = kept();
    for (const link of [`${token}/1/out`, join(shop(), 'out')]) {
      const answers = [
        await ask('status', { path: `${link}/secret` }),
        await ask('list', { path: link }),
        await ask('freeSpace', { path: `${link}/secret` }),
        await ask('realPath', { path: link }),
        await ask('makeFolder', { path: `${link}/new`, attributes: { mode: 0o700 } }),
        await ask('rename', { from: `${link}/secret`, to: `${token}/1/secret` }),
        await ask('rename', { from: `${token}/1`, to: `${link}/new` }),
        await sh('cat /it/secret', { readOnly: [{ from: link, to: '/it' }] }),
        await sh('cat /it', { readOnly: [{ from: `${link}/secret`, to: '/it' }] }),
        await sh('touch /it/x', { writable: [{ from: link, to: '/it' }] }),
        await sh('touch /it/x', { writable: [{ from: link, to: '/it' }], network: true }, { owner: OWNER }),
        await thief.run(['rmdir', '--', '/folder/secret'], { sandbox: { writable: [{ from: link, to: '/folder' }] } }),
      ];
      expect(answers.map(({ error }) => error?.code)).toEqual(
        answers.map(() => expect.stringMatching(/^(?:HostRefused|FileRefused|ProgramFailed)$/)),
      );
      expect(answers.map(({ output }) => output).join('')).not.toContain('canary');
    }
    expect(kept()).toBe(before);
    unlinkSync(join(shop(), 'out'));
    expect((await ask('removeTree', { path: token, mark: 'm' })).error).toBeUndefined();
    expect(kept()).toBe(before);
  });

  test('a folder that is removed takes nothing with it that links in it lead to', async () => {
    const token = at('sites/.kedge/removed');
    await ask('makeFolder', { path: `${token}/1`, attributes: { mode: 0o700 } });
    await sh(`ln -s ${at('outside')} /it/out`, { writable: [{ from: `${token}/1`, to: '/it' }] });
    const before = kept();
    expect((await ask('removeTree', { path: `${token}/1/out/secret`, mark: 'm' })).error?.code).toBe('FileRefused');
    expect((await ask('removeTree', { path: token, mark: 'm' })).error).toBeUndefined();
    expect(kept()).toBe(before);
  });

  test('what runs as root gets to nothing of the system that is for the eyes of root', async () => {
    const { output } = await sh('find /etc -type f ! -perm -o+r -exec head -c 1 {} + 2>/dev/null; ls /root /home /var');
    expect(output).toBe('');
    const confined = await sh('find /etc /usr/local/etc -type f ! -perm -o+r -size +0 2>/dev/null', {});
    expect([confined.error, confined.output]).toEqual([undefined, '']);
  });

  describe('a vhost', () => {
    const SITE = {
      uri: 'shop.example',
      aliases: ['www.shop.example'],
      kind: 'php',
      phpSocket: '',
      root: '',
      tls: { certificate: '', key: '' },
      redirects: { https: true, names: ['www.shop.example'] },
    };
    const site = (changes: object = {}) => ({
      ...SITE,
      phpSocket: at('php.sock'),
      root: shop(),
      tls: { certificate: at('certificates/site.crt'), key: at('certificates/site.key') },
      ...changes,
    });
    const SHA = 'a'.repeat(64);
    const put = (values: object, more: object = {}): Promise<Answer> =>
      ask('putVhostFile', { path: at('vhosts/shop.example.conf'), site: values, sha256: SHA, ...more });

    test('is what this server renders for the site, and nothing else', async () => {
      const answer = await put(site());
      expect(answer.error).toMatchObject({
        code: 'HostRefused',
        message: expect.stringContaining('neither what this server renders'),
      });
      expect(readdirSync(at('vhosts'))).toEqual([]);
    });

    const HOSTILE: Record<string, () => object> = {
      'of another site': () => site({ uri: 'bank.example' }),
      'with a name of another site': () => site({ aliases: ['bank.example'] }),
      'that redirects a name of another site': () => site({ redirects: { https: false, names: ['bank.example'] } }),
      'with a folder elsewhere': () => site({ root: '/etc' }),
      'with a folder that goes back': () => site({ root: `${at('sites')}/../outside` }),
      'with what is staged': () => site({ root: at('sites/.kedge/t/1/site') }),
      'with a link elsewhere': () => site({ linkedRoot: '/etc' }),
      'with the socket of another pool': () => site({ phpSocket: '/run/php/other.sock' }),
      'with a port that is not named': () => site({ phpSocket: '127.0.0.1:9000' }),
      'with a key elsewhere': () => site({ tls: { certificate: at('certificates/site.crt'), key: '/etc/shadow' } }),
      'with a certificate elsewhere': () =>
        site({ tls: { certificate: '/etc/shadow', key: at('certificates/site.key') } }),
      'that includes a file': () => site({ vhostInclude: join(shop(), 'upload.conf') }),
      'by a template elsewhere': () => site({ vhostTemplate: { path: join(shop(), 'vhost.mustache') } }),
    };

    test('names nothing that the rules do not name', async () => {
      const answers: Record<string, string | null | undefined> = {};
      for (const [what, make] of Object.entries(HOSTILE)) answers[what] = (await put(make())).error?.code;
      expect(answers).toEqual(Object.fromEntries(Object.keys(HOSTILE).map((what) => [what, 'HostRefused'])));
      for (const path of [
        at('vhosts/nginx.conf'),
        at('vhosts/../outside/shop.example.conf'),
        '/etc/shop.example.conf',
        at('vhosts/sub/shop.example.conf'),
      ])
        expect((await put(site(), { path })).error?.code).toBe('HostRefused');
      expect(readdirSync(at('vhosts'))).toEqual([]);
    });

    /** Values with something more at their ends that would begin a new directive, in every place. */
    const INJECTIONS = [
      '\nload_module x.so;',
      '";access_log "|id',
      '; include /etc/passwd',
      '\r',
      '$(id)',
      '\u2028}',
      '{',
    ];
    const INJECTED: Record<string, (more: string) => object> = {
      uri: (more) => site({ uri: `shop.example${more}` }),
      alias: (more) => site({ aliases: [`shop.example${more}`] }),
      'redirected name': (more) => site({ redirects: { https: true, names: [`www.shop.example${more}`] } }),
      root: (more) => site({ root: shop() + more }),
      'linked root': (more) => site({ linkedRoot: shop() + more }),
      'socket of PHP': (more) => site({ phpSocket: at('php.sock') + more }),
      certificate: (more) =>
        site({ tls: { certificate: at('certificates/site.crt') + more, key: at('certificates/site.key') } }),
      key: (more) =>
        site({ tls: { certificate: at('certificates/site.crt'), key: at('certificates/site.key') + more } }),
      include: (more) => site({ vhostInclude: at('certificates/site.crt') + more }),
      template: (more) => site({ vhostTemplate: { path: at('certificates/site.crt') + more } }),
      'settings file': (more) =>
        site({
          settings: {
            file: `config.env${more}`,
            format: 'env',
            names: { database: 'a', user: 'b', password: 'c', host: 'd' },
          },
        }),
    };

    const isUnderstood = (request: object): boolean => {
      try {
        decodeFromMaster({ type: 'request', id: 1, request });
        return true;
      } catch {
        return false;
      }
    };

    test('takes no value that would begin another directive', async () => {
      const before = kept();
      const answers: Record<string, string | null | undefined> = {};
      for (const text of INJECTIONS)
        for (const [value, make] of Object.entries(INJECTED)) {
          const request = {
            method: 'putVhostFile',
            path: at('vhosts/shop.example.conf'),
            site: make(text),
            sha256: SHA,
          };
          // What is no value at all ends the connection of who sends it.
          const answer = isUnderstood(request) ? (await thief.ask(request)).error : { code: 'not understood' };
          answers[`${value} with ${JSON.stringify(text)}`] = answer?.code;
        }
      expect(
        Object.entries(answers).filter(
          ([, code]) => !/^(?:HostRefused|ConfigurationInvalid|not understood)$/.test(code ?? ''),
        ),
      ).toEqual([]);
      expect(kept()).toBe(before);
    });

    test('of a text that is sent is not understood', async () => {
      const one = new RawMaster(['--rules', machine.rulesFile]);
      const request = {
        ...{ method: 'putVhostFile', path: at('vhosts/shop.example.conf'), sha256: SHA },
        site: site(),
      };
      const template = { path: at('vhost.mustache'), text: 'server {}' };
      await expect(one.ask({ ...request, text: 'load_module x.so;' })).rejects.toThrow('not understood');
      const other = new RawMaster(['--rules', machine.rulesFile]);
      await expect(other.ask({ ...request, site: site({ vhostTemplate: template }) })).rejects.toThrow(
        'not understood',
      );
      for (const each of [one, other]) await each.close();
    });
  });

  describe('by SSH', () => {
    let sshd: PrivateSshd;
    let identity: string;
    beforeAll(async () => {
      sshd = await startSshd();
      identity = sshd.makeKey('stolen');
      sshd.allow(identity, `${process.execPath} ${HOST_PROGRAM} --rules ${machine.rulesFile}`);
    });
    afterAll(() => sshd.remove());

    const ssh = (...args: string[]) => {
      const options = [
        ...['-F', 'none', '-i', identity, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-p', String(sshd.port)],
        ...['-o', `UserKnownHostsFile=${sshd.address.knownHosts}`, '-l', sshd.address.user],
      ];
      return spawnSync('ssh', [...options, ...args], { encoding: 'utf8', timeout: 20_000, input: '' });
    };

    test.each([
      ['another command', ['127.0.0.1', 'id; cat /etc/shadow']],
      ['a shell', ['127.0.0.1']],
      ['a terminal', ['-tt', '127.0.0.1', 'id']],
      ['files', ['-s', '127.0.0.1', 'sftp']],
      ['other rules', ['127.0.0.1', 'kedge-host --rules /tmp/mine.yaml']],
    ])('there is no %s', (_what, args) => {
      const { stdout, stderr } = ssh(...args);
      // What is started is the program, which hears nothing that it knows.
      expect(stdout).toBe('');
      expect(stderr).toMatch(
        /kedge-host: |kedge-host is started by Kedge|PTY allocation request failed|subsystem request failed/,
      );
      expect(stderr).not.toMatch(/uid=|root:/);
    });

    test('nothing is forwarded', async () => {
      const server = createServer((socket) => socket.end('canary'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      try {
        const { stdout, stderr, status } = ssh('-W', `127.0.0.1:${port}`, '127.0.0.1');
        expect(stdout).toBe('');
        expect(stderr).toMatch(/prohibited|refused|failed/);
        expect(status).not.toBe(0);
        const back = ssh('-o', 'ExitOnForwardFailure=yes', '-N', '-R', '0:127.0.0.1:22', '127.0.0.1');
        expect(back.stderr).toMatch(/forwarding failed|remote port forwarding failed/);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    });
  });

  test('an ordinary account that owns its sites works too, and is held to them', async () => {
    const own = at('own');
    machine.sh(
      'mkdir -p "$1/sites/shop" "$1/sites/.kedge" && chmod 700 "$1/sites/.kedge" && cp "$4" "$1/kedge-host" && chown -R "$2:$3" "$1"',
      own,
      String(OWNER.uid),
      String(OWNER.gid),
      HOST_PROGRAM,
    );
    const file = join(own, 'host.yaml');
    writeFileSync(
      file,
      stringify({ version: 1, master: 'm', sites: [{ folder: `${own}/sites`, owners: [OWNER.user] }] }),
    );
    chownSync(file, OWNER.uid, OWNER.gid);
    const become = ['setpriv', `--reuid=${OWNER.uid}`, `--regid=${OWNER.gid}`, '--clear-groups'] as const;
    const one = new RawMaster(['--rules', file], [...become, process.execPath, `${own}/kedge-host`]);
    try {
      const to = (method: string, more: object): Promise<Answer> => one.ask({ method, ...more });
      const token = `${own}/sites/.kedge/t`;
      expect((await to('makeFolder', { path: `${token}/1`, attributes: { mode: 0o700 } })).error).toBeUndefined();
      const unpacked = await one.run(['sh', '-c', 'echo new > /it/index.php; id -u'], {
        sandbox: {
          writable: [{ from: `${token}/1`, to: '/it' }],
          capabilities: ['CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'FSETID'],
        },
      });
      expect([unpacked.error, unpacked.output]).toEqual([undefined, `${OWNER.uid}\n`]);
      expect((await to('rename', { from: `${own}/sites/shop`, to: `${token}.previous` })).error?.code).toBe(
        'HostRefused',
      );
      expect((await to('rename', { from: `${own}/sites/shop`, to: `${token}/2` })).error?.code).toBe('HostRefused');
      const before = `${token}.previous`;
      expect((await to('makeFolder', { path: before, attributes: { mode: 0o700 } })).error).toBeUndefined();
      expect((await to('rename', { from: `${own}/sites/shop`, to: `${before}/site` })).error).toBeUndefined();
      expect((await to('rename', { from: `${token}/1`, to: `${own}/sites/shop` })).error).toBeUndefined();
      expect(readFileSync(`${own}/sites/shop/index.php`, 'utf8')).toBe('new\n');
      const shown = { readOnly: [{ from: `${own}/sites/shop`, to: '/it' }] };
      expect((await one.run(['cat', '/it/index.php'], { sandbox: shown, owner: OWNER })).output).toBe('new\n');
      const answers = [
        await to('readFile', { path: file }),
        await one.run(['id']),
        await one.run(['id'], { sandbox: {}, owner: STRANGER }),
        await one.run(['cat', '/it'], { sandbox: { readOnly: [{ from: file, to: '/it' }] } }),
        await one.run(['id'], { sandbox: { network: true } }),
      ];
      expect(answers.map(({ error }) => error?.code)).toEqual(answers.map(() => 'HostRefused'));
    } finally {
      await one.close();
    }
  });

  test('the site itself is what the key is worth', async () => {
    const { output } = await sh('cat /it/index.php', { readOnly: [{ from: shop(), to: '/it' }] });
    expect(output).toBe('shop');
    expect(existsSync(at('sites/shop'))).toBe(true);
    expect(readFileSync(at('outside/secret'), 'utf8')).toBe('canary');
    expect(execFileSync('id', ['-u'], { encoding: 'utf8' })).toBe('0\n');
  });
});

test('without rules the program does nothing, and says what mends it', async () => {
  const one = new RawMaster(['--rules', '/no/such/host.yaml']);
  const { error } = await one.ask({ method: 'status', path: '/' });
  expect(error).toMatchObject({ code: 'HostRefused', hint: expect.stringContaining('`kedge servers prepare web1`') });
  await one.close();
});
