import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { targetOf } from '../../src/config/inventory';
import { parseConfiguration } from '../../src/config/load';
import { assertSshServer, sshPlaceOf, sshPlacesOf, whyNotYet } from '../../src/config/ssh';

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
    knownHosts: '/var/lib/kedge/state/known_hosts',
  });
  expect([...sshPlacesOf(configuration).keys()]).toEqual(['db1']);
  const all = '{ host: "2001:db8::1", port: 2222, user: kedge, agent: /run/agent, knownHosts: /etc/kedge/known }';
  expect(sshPlaceOf(withSsh('db1', all), 'db1')).toEqual({
    ...{ server: 'db1', host: '2001:db8::1', port: 2222, user: 'kedge', agent: '/run/agent' },
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

test('with a database server elsewhere no task begins on its sites, and it does on others', async () => {
  const configuration = withSsh('db1', '{ host: far.example, agent: /run/agent }');
  const resolve = (site: string) =>
    targetOf(configuration, site, {
      lookUpOwner: async (user) => ({ user, uid: 1001, gid: 1001 }),
      isElsewhere: (server) => sshPlaceOf(configuration, server) !== null,
      kindOf: () => ({ defaultExcludes: [] }),
      readTemplate: async () => '',
    });
  await expect(resolve('app.example')).rejects.toMatchObject({
    code: 'ConfigurationInvalid',
    site: 'app.example',
    state: 'nothing was touched',
    message: expect.stringContaining('the database server of app.example, db1, is another machine'),
  });
  expect(await resolve('shop.example')).toMatchObject({ elsewhere: { web: false, database: false } });
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
  expect(whyNotYet(far('master'), 'shop.example')).toEqual({
    key: 'db',
    message: expect.stringContaining('web1, is another machine, which does not reach the socket'),
    hint: expect.stringContaining('servers.master.db.host'),
  });
  expect(whyNotYet(far('db1'), 'shop.example')).toBeNull();
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
