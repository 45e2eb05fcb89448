import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { checkConfiguredFiles } from '../../src/core/doctor/folders';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { connectionOf } from '../../src/temporal/connection';
import { findTemporalCli } from '../../src/temporal/dev-server';
import { describeAsRoot } from '../helpers/as-root';
import { runCommand } from '../helpers/command';

const SOMEBODY = 65534;

let top: string;
beforeEach(() => {
  top = mkdtempSync('/var/tmp/kedge-offered-');
  chmodSync(top, 0o755);
  mkdirSync(at('home'));
  mkdirSync(at('etc'));
});
afterEach(() => rmSync(top, { recursive: true }));

const at = (path: string): string => join(top, path);

function configuration(web: object = {}, site: object = {}): string {
  return stringify({
    master: 'offered',
    backups: at('backups'),
    state: at('state'),
    servers: {
      local: {
        web: { kind: 'nginx', vhosts: at('vhosts'), flags: at('flags'), test: ['true'], reload: ['true'], ...web },
        db: { kind: 'mariadb', socket: '/run/none.sock', admin: { user: 'root' } },
      },
    },
    sites: {
      'gazette.example': {
        kind: 'wordpress',
        server: 'local',
        db: 'local',
        root: at('srv'),
        owner: 'nobody',
        php: { socket: '/run/none.sock' },
        vhost: 'managed',
        ...site,
      },
    },
  });
}

const run = (argv: string[], environment: Record<string, string> = {}) =>
  runCommand(argv, { environment, workingFolder: at('home') });

/* What root is offered by whoever owns the folder he stands in, or the variables he brought along. */
describeAsRoot('root', () => {
  it('looks at no configuration of the folder he stands in, and says so', async () => {
    writeFileSync(at('home/kedge.yaml'), configuration());
    const told = await run(['config', 'check']);
    expect(told.exitCode).toBe(2);
    expect(told.stderr).toContain('there is no /etc/kedge/kedge.yaml');
    expect(told.stderr).toContain(`If you trust ${at('home/kedge.yaml')}, name it by --config`);
    const { stdout } = await run(['complete', '--', 'backup', '']);
    expect(stdout).not.toContain('gazette');
  });

  it.each<[string, () => void]>([
    ['of others', () => chownSync(at('etc/kedge.yaml'), SOMEBODY, SOMEBODY)],
    ['that a group may write', () => chmodSync(at('etc/kedge.yaml'), 0o664)],
    ['in a folder of others', () => chownSync(at('etc'), SOMEBODY, SOMEBODY)],
    ['below a folder a group may write', () => chmodSync(top, 0o775)],
  ])('takes no configuration %s, however it is named, with any command', async (_, change) => {
    writeFileSync(at('etc/kedge.yaml'), configuration());
    expect((await run(['config', 'check', '--file-only', '--config', at('etc/kedge.yaml')])).exitCode).toBe(0);
    change();
    const named: [string[], Record<string, string>][] = [
      [['--config', at('etc/kedge.yaml')], {}],
      [['--config', '../etc/kedge.yaml'], {}],
      [[], { KEDGE_CONFIG: at('etc/kedge.yaml') }],
    ];
    for (const [options, environment] of named) {
      for (const command of [
        ['config', 'check'],
        ['sites'],
        ['tasks'],
        ['worker'],
        ['up'],
        ['backup', 'gazette.example'],
      ]) {
        const { exitCode, stdout } = await run([...command, ...options, '--json'], environment);
        expect([command, exitCode, JSON.parse(stdout).error.code]).toEqual([command, 1, 'OwnerRefused']);
      }
      const { stdout } = await run(['complete', '--', ...options, 'backup', ''], environment);
      expect(stdout).not.toContain('gazette');
    }
    const { exitCode, stdout } = await run(['doctor', '--json', '--config', at('etc/kedge.yaml')]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout).findings[0]).toMatchObject({
      check: 'configuration',
      level: 'error',
      message: expect.stringContaining('can be changed by others than root'),
    });
  });

  it('takes one through a link of his own, not of others', async () => {
    writeFileSync(at('etc/kedge.yaml'), configuration());
    symlinkSync('../etc/kedge.yaml', at('home/link.yaml'));
    expect((await run(['sites', '--config', 'link.yaml'])).exitCode).toBe(0);
    chownSync(at('home'), SOMEBODY, SOMEBODY);
    expect((await run(['sites', '--config', 'link.yaml', '--json'])).exitCode).toBe(1);
  });

  it('writes no first configuration where others could change it', async () => {
    chownSync(at('home'), SOMEBODY, SOMEBODY);
    const told = await run(['init', '--yes', '--json', '--output', 'kedge.yaml']);
    expect(JSON.parse(told.stdout)).toMatchObject({ error: { code: 'OwnerRefused' } });
    expect(() => readFileSync(at('home/kedge.yaml'))).toThrow('ENOENT');
  });

  describe.each<[string, (path: string) => [web: object, site: object]]>([
    ['the test of the web server', (path) => [{ test: [path] }, {}]],
    ['a file that the test reads', (path) => [{ test: ['nginx', '-t', '-c', path] }, {}]],
    ['one behind an equal sign', (path) => [{ test: ['nginx', '-t', `--config=${path}`] }, {}]],
    ['the reload of the web server', (path) => [{ reload: ['sh', path] }, {}]],
    ['the reload of PHP', (path) => [{}, { php: { socket: '/run/none.sock', reload: [path] } }]],
    ['the template of the server', (path) => [{ vhostTemplate: path }, {}]],
    ['the template of the site', (path) => [{}, { vhostTemplate: path }]],
    ['the included file', (path) => [{}, { vhostInclude: path }]],
    ['one of the included files', (path) => [{}, { vhostInclude: `${path.slice(0, -1)}*` }]],
    ['the certificate', (path) => [{}, { tls: { certificate: path, key: '/none' } }]],
    ["the certificate's key", (path) => [{}, { tls: { certificate: '/none', key: path } }]],
  ])('%s', (_, configure) => {
    it('is refused when others can change it', async () => {
      writeFileSync(at('home/named'), 'x');
      writeFileSync(at('etc/kedge.yaml'), configuration(...configure(at('home/named'))));
      const check = async (): Promise<unknown> =>
        JSON.parse((await run(['config', 'check', '--file-only', '--json', '--config', at('etc/kedge.yaml')])).stdout);
      expect(await check()).toEqual({ path: at('etc/kedge.yaml'), sites: 1 });
      chownSync(at('home'), SOMEBODY, SOMEBODY);
      expect(await check()).toMatchObject({
        error: { code: 'OwnerRefused', message: expect.stringMatching(/(home|it) belongs to uid 65534/) },
      });
    });
  });

  it('is told by doctor of each of them', async () => {
    writeFileSync(at('home/named'), 'x');
    chownSync(at('home/named'), SOMEBODY, SOMEBODY);
    chownSync(at('etc'), SOMEBODY, SOMEBODY);
    const complaints = await checkConfiguredFiles({
      master: createLocalHost({ name: 'here' }),
      configuredFiles: async () => [at('home/named'), at('etc/none'), at('none'), at('home')],
    });
    expect(complaints.map(({ level, message }) => [level, message.replaceAll(top, '')])).toEqual([
      ['error', '/home/named can be changed by others than root: it belongs to uid 65534'],
      ['error', '/etc/none can be changed by others than root: /etc belongs to uid 65534'],
    ]);
  });

  it('reads a connection to Temporal, and the keys it names, only where others can change neither', () => {
    mkdirSync(at('home/.config/temporalio'), { recursive: true });
    const file = at('home/.config/temporalio/temporal.toml');
    writeFileSync(file, '[profile.default]\naddress = "offered.example:7233"\n');
    const homes = [{ HOME: at('home') }, { XDG_CONFIG_HOME: at('home/.config') }, { TEMPORAL_CONFIG_FILE: file }];
    for (const home of homes) expect(connectionOf(home).connectionOptions.address).toBe('offered.example:7233');
    chownSync(at('home'), SOMEBODY, SOMEBODY);
    for (const home of homes)
      expect(() => connectionOf(home)).toThrow(expect.objectContaining({ code: 'OwnerRefused' }) as Error);
    expect(connectionOf({ HOME: at('etc') }).connectionOptions.address).toBeUndefined();
    writeFileSync(at('home/key'), 'key');
    const tls = { TEMPORAL_TLS: 'true', TEMPORAL_TLS_SERVER_CA_CERT_PATH: at('home/key') };
    expect(() => connectionOf(tls)).toThrow(expect.objectContaining({ code: 'OwnerRefused' }) as Error);
  });

  it("runs no Temporal out of somebody's cache or path", async () => {
    mkdirSync(at('home/.cache/kedge'), { recursive: true });
    writeFileSync(at('home/.cache/kedge/temporal'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(at('home/temporal'), '#!/bin/sh\n', { mode: 0o755 });
    const offers = [{ HOME: at('home'), PATH: '' }, { PATH: at('home') }, { KEDGE_TEMPORAL_CLI: at('home/temporal') }];
    for (const offer of offers) expect(await findTemporalCli(offer)).toMatch(/temporal$/);
    chownSync(at('home'), SOMEBODY, SOMEBODY);
    for (const offer of offers) await expect(findTemporalCli(offer)).rejects.toMatchObject({ code: 'OwnerRefused' });
  });
});
