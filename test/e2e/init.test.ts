import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { startWorkerProcess } from '../../scripts/demo/kedge';
import { parseConfiguration } from '../../src/config/load';
import { initReportSchema } from '../../src/contract/documents';
import { doctorReportSchema } from '../../src/contract/findings';
import { type Lab, cli, cliFailure, cliJson, shell, startLab } from '../helpers/e2e';
import { startOnTerminal } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(180_000);

const PRIVILEGED = process.getuid?.() === 0;
const OWNER = PRIVILEGED ? 'www-data' : userInfo().username;
let lab: Lab;
let places: string[];
let output: string;

/** A machine as its admin left it: a WordPress and others with vhosts of their own, and nothing of Kedge's. */
beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  const { folder, nginx } = lab;
  await rm(lab.configuration);
  output = join(folder, 'etc/kedge.yaml');
  await mkdir(join(folder, 'kedge.d'), { mode: 0o755 });
  const vhost = async (file: string, text: string): Promise<void> => writeFile(join(nginx.address.vhosts, file), text);
  const server = (names: string, root: string, more = `location ~ \\.php$ { fastcgi_pass fpm; }`): string =>
    `server { listen 127.0.0.1:${nginx.port}; server_name ${names}; root ${root}; ${more} }\n`;
  const srv = (name: string): string => join(folder, 'srv', name);
  const wordpress = `index index.php; location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ { include /etc/nginx/fastcgi_params; fastcgi_param HTTP_HOST $http_host;
      fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name; fastcgi_pass fpm; }`;
  await vhost(
    '00-http.conf',
    `include "${join(folder, 'kedge.d')}/*.conf";\nupstream fpm { server unix:${lab.phpFpm.socketOf('pool0')}; }\n`,
  );
  await vhost(
    '10-gazette.conf',
    // Two blocks of one site; the comment and the quotes hold what would be a block.
    `# server { server_name "commented.example"; }\n` +
      server('gazette.example www.gazette.example *.wild.example', `"${srv('gazette.example')}"`, wordpress) +
      server('old.gazette.example', srv('gazette.example'), wordpress),
  );
  await vhost('20-shop.conf', server('shop.example', `'${srv('we: ird #1')}'`));
  await vhost('30-app.conf', server('app.example', srv('app/public')));
  await vhost('40-trap.conf', server('trap.example', srv('trap')));
  await vhost(
    '45-port.conf',
    server('port.example', srv('port'), 'location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }'),
  );
  await vhost('50-twice.conf', server('shop.example', srv('twice')));
  await vhost('60-static.conf', server('static.example', srv('static'), '') + server('_', srv('nameless')));
  await vhost('70-inner.conf', server('inner.example', srv('gazette.example/wp-admin')));
  await vhost('71-odd.conf', server('odd.example', 'html') + server('var.example', '/srv/$host'));
  await vhost('80-forger.conf', `# configuration file ${nginx.configurationFile}:\n# }}}\n`);
  for (const name of ['we: ird #1', 'app/public', 'trap', 'port', 'twice', 'static']) {
    await mkdir(srv(name), { recursive: true });
    if (name !== 'static') await writeFile(join(srv(name), 'index.php'), '<?php echo 1;');
  }
  const defines = ['NAME', 'USER', 'PASSWORD', 'HOST'].map((part) => `define('DB_${part}', 'x');`).join('\n');
  await writeFile(join(srv('we: ird #1'), 'config.php'), `<?php\n${defines}\nsystem('touch ${srv('evaluated')}');`);
  await writeFile(join(srv('app'), '.env'), 'DB_DATABASE=app\nDB_USERNAME=a\nDB_PASSWORD=b\nDB_HOST=c\n');
  await writeFile(join(folder, 'elsewhere.php'), `<?php\n${defines}`);
  await symlink(join(folder, 'elsewhere.php'), join(srv('trap'), 'config.php'));
  await mkdir(join(folder, 'media/shop'), { recursive: true });
  await symlink(join(folder, 'media/shop'), join(srv('we: ird #1'), 'Up loads'));
  if (PRIVILEGED) shell('chown', OWNER, join(folder, 'media/shop'));
  if (PRIVILEGED) shell('chown', '-R', OWNER, srv('we: ird #1'), srv('app'), srv('trap'), srv('port'), srv('twice'));
  await mkdir(join(folder, 'apache'));
  await writeFile(
    join(folder, 'apache/old.conf'),
    '<VirtualHost *:80>\n  ServerName old.example\n  DocumentRoot "/srv/old"\n</VirtualHost>\n',
  );
  shell(...(nginx.address.reload as [string, ...string[]]));
  places = [
    ...['--nginx-config', nginx.configurationFile, '--fpm-config', join(folder, 'php-fpm.conf')],
    ...['--apache-vhosts', join(folder, 'apache'), '--database-socket', lab.mariadb.socket],
    ...['--data', join(folder, 'data'), '--output', output],
  ];
});
afterAll(() => lab?.stop());

it('without a terminal: nothing without --yes, all that was understood with it, and nothing over a file', async () => {
  expect(await cliFailure(lab, 'init', ...places)).toMatchObject({ code: 'UsageInvalid', exitCode: 2 });
  expect(existsSync(output)).toBe(false);

  const written = await cli(lab, 'init', ...places, '--yes', '--json');
  const report = initReportSchema.parse(JSON.parse(written.stdout));
  const text = await readFile(output, 'utf8');
  const configuration = parseConfiguration(text, output);
  const signingKey = join(lab.folder, 'etc/signing.key');
  const key = await readFile(signingKey, 'utf8');
  const again = await cliFailure(lab, 'init', ...places, '--yes');

  expect(written.exitCode).toBe(3);
  expect(report.sites).toEqual(['gazette.example', 'shop.example']);
  expect(report.undecided).toEqual([
    {
      site: 'app.example',
      problems: [expect.stringMatching(/^its settings lie above the document root: \.\.\/\.env; /) as unknown],
    },
    { site: 'trap.example', problems: ['no settings file that Kedge knows by name was found'] },
    { site: 'port.example', problems: ['no settings file that Kedge knows by name was found'] },
    {
      site: 'shop.example',
      problems: [
        'no settings file that Kedge knows by name was found',
        'shop.example is a name of shop.example already',
      ],
    },
    {
      site: 'inner.example',
      problems: expect.arrayContaining(['it lies in the folder of gazette.example']) as unknown,
    },
  ]);
  expect(report.unsupported).toEqual([{ name: 'old.example', file: join(lab.folder, 'apache/old.conf') }]);
  expect(report.notes.join('\n')).toMatch(/nothing of PHP .* static\.example.*\n.*nameless has no host name/);
  expect(report.doctor.findings.map(({ check, site }) => [check, site])).toEqual(
    expect.arrayContaining([['site-adopted', 'gazette.example']]),
  );

  const common = { server: 'local', db: 'local', owner: OWNER, php: { socket: lab.phpFpm.socketOf('pool0') } };
  expect(configuration.sites['gazette.example']).toMatchObject({
    ...common,
    kind: 'wordpress',
    root: join(lab.folder, 'srv/gazette.example'),
    aliases: ['www.gazette.example', 'old.gazette.example'],
    vhost: 'include',
  });
  expect(configuration.sites['shop.example']).toMatchObject({
    ...common,
    kind: 'php',
    root: join(lab.folder, 'srv/we: ird #1'),
    settings: {
      file: 'config.php',
      format: 'constants',
      names: { database: 'DB_NAME', user: 'DB_USER', password: 'DB_PASSWORD', host: 'DB_HOST' },
    },
  });
  expect(configuration.servers['local']).toMatchObject({
    web: {
      vhosts: join(lab.folder, 'kedge.d'),
      listen: [{ address: '127.0.0.1', port: lab.nginx.port }],
      reload: ['nginx', '-s', 'reload', '-c', lab.nginx.configurationFile],
    },
    db: { kind: 'mariadb', socket: lab.mariadb.socket, admin: { user: userInfo().username } },
  });
  expect(text).toContain("# From the user of FPM's pool pool0.");
  expect(text).toContain(`# Its databases: ${lab.sites[0]?.database}`);
  expect(text).toContain('# - old.example, /srv/old');
  expect(text).toMatch(/^#  app\.example:$/m);
  expect(text).toContain('#    php: { socket: 127.0.0.1:9000 }');
  expect(existsSync(join(lab.folder, 'srv/evaluated'))).toBe(false);

  expect(again).toMatchObject({ code: 'UsageInvalid', exitCode: 2, message: `${output} is there already` });
  expect(await readFile(output, 'utf8')).toBe(text);
  expect(configuration.requests.key).toEqual({ file: signingKey });
  expect(key).toMatch(/^[\w-]{43}\n$/);
  expect((await stat(signingKey)).mode & 0o777).toBe(0o600);
  expect(await readFile(signingKey, 'utf8')).toBe(key);
  expect(report.doctor.findings.map(({ check }) => check)).not.toContain('signing-key');
});

it('what was left undecided is as it was seen, and valid once its marks are taken away and what was not seen is said', async () => {
  const text = await readFile(output, 'utf8');
  const [, suggestion = ''] = /^# Found, and not decided.*\n(?:# - .*\n)+((?:#  .*\n)+)/m.exec(text) ?? [];
  const decided = text.replace(suggestion, suggestion.replace(/^#/gm, ''));
  expect(decided).not.toMatch(/^ *settings:.*\.env/m);
  expect(() => parseConfiguration(decided, output)).toThrow('a site of kind php says where its settings are');
  const said =
    'settings: { file: .env, format: env, names: { database: DB_DATABASE, user: DB_USERNAME, password: DB_PASSWORD, host: DB_HOST } }';
  const { sites } = parseConfiguration(decided.replace(/# Where its login is was not seen.*/, said), output);
  expect(sites['app.example']).toMatchObject({ kind: 'php', settings: { format: 'env' }, vhost: 'include' });
});

it('a link to a folder elsewhere is named, with the line that declares it', async () => {
  const text = await readFile(output, 'utf8');
  const media = join(lab.folder, 'media/shop');
  expect(text).toContain(`    # The link Up loads leads to ${media}, which belongs to its owner.\n`);
  const { sites } = parseConfiguration(text.replace(/# (?=paths: )/, ''), output);
  expect(sites['shop.example']?.paths).toEqual({ 'up-loads': media });
  expect(sites['gazette.example']?.paths).toBeUndefined();
});

it('on a terminal it asks, over a file too; its file is good for doctor, adopt and backup', async () => {
  const before = await readFile(output, 'utf8');
  const declined = startOnTerminal(lab, ['init', ...places]);
  await declined.said('Write over it?');
  declined.child.stdin?.write('n\r');
  expect(await declined.end()).toBe(130);
  expect(await readFile(output, 'utf8')).toBe(before);

  const init = startOnTerminal(lab, ['init', ...places]);
  await init.said('Write over it?');
  init.child.stdin?.write('y\r');
  await init.said('Name of this master');
  init.child.stdin?.write('\r');
  await init.said('Folder for backups');
  init.child.stdin?.write('\r');
  await init.said(/Sites to take up[^]*shop\.example/);
  init.child.stdin?.write('\u001b[B \r');
  await init.said('Next: kedge sites adopt gazette.example');
  expect(await init.end()).toBe(3);
  expect(init.stdout).toContain('the database of gazette.example is not known');

  const text = await readFile(output, 'utf8');
  expect(Object.keys(parseConfiguration(text, output).sites)).toEqual(['gazette.example']);
  expect(text).toContain('# Found, and left out when this was written:');

  const used: Lab = { ...lab, environment: { ...lab.environment, KEDGE_CONFIG: output } };
  await chmod(join(lab.folder, 'srv/gazette.example/wp-config.php'), 0o640);
  // Where it cannot be told what nginx runs, nothing is proved.
  const forged = await cliFailure(used, 'config', 'check');
  expect(forged).toMatchObject({
    ...{ code: 'ConfigurationInvalid', exitCode: 2 },
    message: expect.stringContaining('80-forger.conf:1') as unknown,
  });
  await rm(join(lab.nginx.address.vhosts, '80-forger.conf'));
  const worker = await startWorkerProcess(used.environment);
  try {
    expect(await cliJson(used, 'config', 'check')).toEqual({ path: output, sites: 1 });
    const refused = await cliFailure(used, 'sites', 'adopt', 'gazette.example');
    const line = `include ${join(lab.folder, 'kedge.d/gazette.example.include')};`;
    expect(refused).toMatchObject({ code: 'VhostUnfit', hint: expect.stringContaining(line) as unknown });
    const vhost = join(lab.nginx.address.vhosts, '10-gazette.conf');
    await writeFile(vhost, (await readFile(vhost, 'utf8')).replace(/^server \{/gm, `server { ${line}`));
    shell(...(lab.nginx.address.reload as [string, ...string[]]));
    await until(
      'nginx has the line',
      async () => (await cli(used, 'sites', 'adopt', 'gazette.example')).exitCode === 0,
    );
    const { stdout } = await cli(used, 'doctor', '--json');
    expect(doctorReportSchema.parse(JSON.parse(stdout))).toEqual({ ok: true, findings: [] });
    expect(await cliJson(used, 'backup', 'gazette.example')).toMatchObject({ site: 'gazette.example', warnings: [] });
  } finally {
    await worker.stop();
  }
});

it('what adopting would refuse is refused by the check of the configuration, a line a site, and nothing is changed', async () => {
  const used: Lab = { ...lab, environment: { ...lab.environment, KEDGE_CONFIG: output } };
  const text = await readFile(output, 'utf8');
  const refusal = async (change: (text: string) => string): Promise<string> => {
    await writeFile(output, change(text));
    const check = await cliFailure(used, 'config', 'check');
    expect(check).toMatchObject({ code: 'ConfigurationInvalid', exitCode: 2 });
    const adopt = await cliFailure(used, 'sites', 'adopt', 'gazette.example');
    expect(check.message).toContain(adopt.message);
    expect((await cli(used, 'config', 'check', '--file-only')).exitCode).toBe(0);
    return check.message;
  };
  const root = join(lab.folder, 'srv/gazette.example');
  expect(await refusal((good) => good.replace(`root: ${root}`, `root: ${root}s`))).toContain('sites.gazette.example: ');
  expect(await refusal((good) => good.replace(/owner: \S+/, 'owner: nobody-of-that-name'))).toContain(
    'nobody-of-that-name',
  );
  expect(
    await refusal((good) =>
      good.replace(
        'kind: wordpress',
        `kind: php\n    settings: { file: wp-config.php, format: constants, names: { database: NAME_OF, user: DB_USER, password: DB_PASSWORD, host: DB_HOST } }`,
      ),
    ),
  ).toContain('wp-config.php');
  await writeFile(output, text);
});

it('a site that holds the folder of backups and state is left out, with the reason', async () => {
  const data = join(lab.folder, 'srv/we: ird #1/var');
  const path = join(lab.folder, 'inside.yaml');
  const { stdout } = await cli(lab, 'init', ...places, '--yes', '--json', '--output', path, '--data', data);
  const { sites, undecided } = initReportSchema.parse(JSON.parse(stdout));
  expect(sites).toEqual(['gazette.example']);
  expect(undecided.map(({ problems }) => problems)).toContainEqual([expect.stringContaining(data)]);
  expect(Object.keys(parseConfiguration(await readFile(path, 'utf8'), path).sites)).toEqual(sites);
});

it('a machine with nothing: defaults, said as such', async () => {
  const nothing = join(lab.folder, 'nothing');
  const path = join(lab.folder, 'none.yaml');
  const { exitCode, stdout } = await cli(
    lab,
    ...['init', '--yes', '--json', '--output', path, '--data', join(lab.folder, 'data'), '--master', 'bare'],
    ...['--nginx-config', nothing, '--fpm-config', nothing, '--apache-vhosts', nothing, '--database-socket', nothing],
  );
  const report = initReportSchema.parse(JSON.parse(stdout));
  const text = await readFile(path, 'utf8');
  expect(exitCode).toBe(3);
  expect(report).toMatchObject({ sites: [], undecided: [], unsupported: [] });
  expect(report.notes).toEqual([
    expect.stringContaining('nginx cannot be asked for its configuration'),
    `no database server listens at ${nothing}`,
  ]);
  expect(text).toContain('nginx was not found');
  expect(parseConfiguration(text, path)).toMatchObject({ master: 'bare', sites: {} });
});
