import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { targetOf } from '../../src/config/inventory';
import { leaseLimitsOf } from '../../src/config/limits';
import { parseConfiguration } from '../../src/config/load';
import { assertSshServer, sshPlaceOf, sshPlacesOf, whyUnreached } from '../../src/config/ssh';

const text = readFileSync(join(__dirname, 'good.yaml'), 'utf8');
/** The good file, with what stands below a server. */
const withSsh = (server: string, ssh: string) =>
  parseConfiguration(text.replace(`  ${server}:\n`, `  ${server}:\n    ssh: ${ssh}\n`), 'kedge.yaml');

test('how a server is reached: what is not said has a default', () => {
  const configuration = withSsh('db1', '{ host: db1.example, identityFile: /etc/kedge/key }');
  expect(sshPlaceOf(configuration, 'db1')).toEqual({
    server: 'db1',
    host: 'db1.example',
    port: 22,
    user: 'root',
    identityFile: '/etc/kedge/key',
    compress: false,
    knownHosts: '/var/lib/kedge/state/known_hosts',
  });
  expect([...sshPlacesOf(configuration).keys()]).toEqual(['db1']);
  const all =
    '{ host: "2001:db8::1", port: 2222, user: kedge, agent: /run/agent, compress: true, knownHosts: /etc/kedge/known }';
  expect(sshPlaceOf(withSsh('db1', all), 'db1')).toEqual({
    ...{ server: 'db1', host: '2001:db8::1', port: 2222, user: 'kedge', agent: '/run/agent', compress: true },
    knownHosts: '/etc/kedge/known',
  });
});

test('the master is reached by nothing, and a name that every object has is no server', () => {
  const configuration = withSsh('db1', '{ host: db1.example, agent: /run/agent }');
  expect(sshPlaceOf(configuration, 'master')).toBeNull();
  expect(sshPlaceOf(configuration, 'constructor')).toBeNull();
  expect(() => assertSshServer(configuration, 'master')).toThrow(
    expect.objectContaining({ code: 'UsageInvalid', message: expect.stringContaining('master is this machine') }),
  );
  for (const [name, hint] of [
    ['db11', 'Did you mean db1?'],
    ['constructor', 'See `kedge servers`.'],
  ] as const)
    expect(() => assertSshServer(configuration, name)).toThrow(
      expect.objectContaining({ code: 'ServerUnknown', hint: expect.stringContaining(hint) }),
    );
});

test('a database server elsewhere serves sites that reach it by an address', async () => {
  const configuration = withSsh('db1', '{ host: far.example, agent: /run/agent }');
  const resolve = (site: string) =>
    targetOf(configuration, site, {
      lookUpOwner: async (user) => ({ user, uid: 1001, gid: 1001 }),
      isElsewhere: (server) => sshPlaceOf(configuration, server) !== null,
      kindOf: () => ({ defaultExcludes: [] }),
      readTemplate: async () => '',
    });
  expect(await resolve('app.example')).toMatchObject({ elsewhere: { web: false, database: true } });
  expect(await resolve('shop.example')).toMatchObject({ elsewhere: { web: false, database: false } });
  // By a socket it is reached on its own machine alone.
  const [, { db }] = Object.entries(configuration.servers).find(([name]) => name === 'db1') ?? ['', {}];
  const { host: _host, port: _port, ...rest } = db ?? {};
  Object.assign(configuration.servers['db1'] ?? {}, { db: { ...rest, socket: '/run/mysqld/mysqld.sock' } });
  await expect(resolve('app.example')).rejects.toMatchObject({
    code: 'ConfigurationInvalid',
    site: 'app.example',
    state: 'nothing was touched',
    message: expect.stringContaining('is another machine than the database server db1, whose socket it does not reach'),
  });
  Object.assign(configuration.sites['app.example'] ?? {}, { server: 'db1' });
  expect(whyUnreached(configuration, 'app.example')).toBeNull();
});

test('a web server elsewhere reaches no socket of this machine', () => {
  const far = (db: string) =>
    parseConfiguration(
      text
        .replace(
          'sites:\n',
          `  web1:\n    ssh: { host: web1.example, agent: /run/agent }\n    web: { kind: nginx, vhosts: /etc/nginx/kedge.d, flags: /var/lib/kedge-web }\nsites:\n`,
        )
        .replace(/(\n {2}shop\.example:\n(?: {4}.*\n)*? {4}server: )master/, '$1web1')
        .replace(/(\n {2}shop\.example:\n(?: {4}.*\n)*? {4}db: )master/, `$1${db}`),
      'kedge.yaml',
    );
  expect(whyUnreached(far('master'), 'shop.example')).toEqual({
    key: 'db',
    message: expect.stringContaining(
      'web1, is another machine than the database server master, whose socket it does not reach',
    ),
    hint: expect.stringContaining('servers.master.db.host'),
  });
  expect(whyUnreached(far('db1'), 'shop.example')).toBeNull();
});

test('how much is done at one time is said of another machine where it is, and of the master once', () => {
  const limited = (server: string, ssh: string) =>
    parseConfiguration(text.replace(`  ${server}:\n`, `  ${server}:\n${ssh}    limit: 7\n`), 'kedge.yaml');
  const ssh = '    ssh: { host: far.example, agent: /run/agent }\n';
  expect(leaseLimitsOf(limited('db1', ssh)).servers).toEqual({ db1: 7 });
  expect(leaseLimitsOf(withSsh('db1', '{ host: far.example, agent: /run/agent }')).servers).toEqual({ db1: 2 });
  expect(() => limited('db1', '')).toThrow(
    expect.objectContaining({ message: expect.stringContaining('servers.db1.limit: db1 is the master itself') }),
  );
});

test('a target says which of its servers are other machines', async () => {
  const configuration = withSsh('db1', '{ host: far.example, agent: /run/agent }');
  const target = await targetOf(configuration, 'shop.example', {
    lookUpOwner: async (user) => ({ user, uid: 1001, gid: 1001 }),
    isElsewhere: (server) => server === 'master',
    kindOf: () => ({ defaultExcludes: [] }),
    readTemplate: async () => '',
  });
  expect(target).toMatchObject({ web: { name: 'master' }, elsewhere: { web: true } });
});
