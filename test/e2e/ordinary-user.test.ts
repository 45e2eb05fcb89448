import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findTemporalCli } from '../../scripts/lab/temporal';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

/**
 * Everything (servers, worker, commands) is run by one ordinary account that owns the site. Where root runs the tests it
 * becomes the web server's account, which every system has that can run them.
 */
const ACCOUNT = 'www-data';
const isRoot = process.getuid?.() === 0;
const REPOSITORY = join(__dirname, '../..');
const SITE = 'gazette.example';

let folder: string;
let tree: string;
let environment: Record<string, string>;
let demo: ChildProcess;
/** What the demo says, and its exit code when it has ended. */
let said = '';
let stdout = '';
let ended: number | null = null;

function asAccount(argv: readonly string[]): [string, string[]] {
  const become = isRoot ? [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups'] : [];
  return ['setpriv', [...become, '--pdeathsig=KILL', '--', ...argv]];
}

function run(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(...asAccount(argv), { cwd: folder, env: environment, encoding: 'utf8' });
}

/** The path, or, where the account cannot reach it, that of a copy made of hard links. */
function reachable(path: string, needed: readonly string[] = ['']): string {
  const readable = (at: string): boolean => needed.every((part) => run('test', '-r', join(at, part)).status === 0);
  if (readable(path)) return path;
  const copy = join(folder, 'reachable', path.split('/').at(-1) ?? '');
  mkdirSync(copy, { recursive: true });
  for (const part of needed) {
    const [from, to] = [join(path, part), join(copy, part)];
    mkdirSync(join(to, '..'), { recursive: true });
    const linked = spawnSync('cp', ['-alT', '--', from, to]);
    // Another file system.
    if (linked.status !== 0) execFileSync('cp', ['-aT', '--', from, to]);
  }
  if (!readable(copy)) throw new Error(`${ACCOUNT} cannot read ${path}, nor a copy of it`);
  return copy;
}

/** User namespaces are what confines programs without root; some kernels and containers forbid them. */
const namespaces = ((): string => {
  const [program, argv] = asAccount(['bwrap', '--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', 'true']);
  const { status, stderr } = spawnSync(program, argv, { cwd: '/', encoding: 'utf8' });
  return status === 0 ? '' : stderr.trim();
})();
const itConfined = namespaces === '' ? it : it.skip;
if (namespaces !== '')
  process.stderr.write(`SKIPPED: Kedge as an ordinary user needs user namespaces, refused here: ${namespaces}\n`);

beforeAll(async () => {
  if (namespaces !== '') return;
  folder = mkdtempSync('/var/tmp/kedge-user-');
  chmodSync(folder, 0o755);
  const home = join(folder, 'home');
  mkdirSync(home);
  if (isRoot) execFileSync('chown', [`${ACCOUNT}:`, home]);
  environment = { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8' };
  const node = reachable(join(process.execPath, '..'), ['node']);
  environment['PATH'] = `${node}:${environment['PATH']}`;
  const temporal = await findTemporalCli();
  environment['KEDGE_TEMPORAL_CLI'] = join(reachable(join(temporal, '..'), ['temporal']), 'temporal');
  tree = reachable(REPOSITORY, ['package.json', 'node_modules', 'dist', 'scripts']);

  demo = spawn(...asAccount(['node', join(tree, 'dist/scripts/demo/main.js'), '--json', '--keep']), {
    cwd: home,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  if (demo.stderr) createInterface({ input: demo.stderr }).on('line', (line) => (said += `${line}\n`));
  demo.once('exit', (code) => (ended = code ?? 128));
});
afterAll(async () => {
  if (namespaces !== '') return;
  if (ended === null) {
    demo.kill('SIGINT');
    await until('the demo has ended', () => ended !== null);
  }
  rmSync(folder, { recursive: true });
});

itConfined('adopted, saved, broken, restored: restored equals saved', async () => {
  const kept = /export KEDGE_CONFIG=(\S+) TEMPORAL_ADDRESS=(\S+)/;
  await until('the demo has restored the site', () => kept.test(said) || ended !== null, 180_000);
  if (ended !== null) throw new Error(`the demo ended with ${ended}: ${said}`);
  const [, configuration = '', temporal = ''] = kept.exec(said) ?? [];
  environment['KEDGE_CONFIG'] = configuration;
  environment['TEMPORAL_ADDRESS'] = temporal;
  const { ok, compared, restore } = JSON.parse(stdout) as {
    ok: boolean;
    compared: Record<string, number>;
    restore: { warnings: string[] };
  };
  expect(said).toContain('restored equals saved');
  expect(ok).toBe(true);
  // Nothing of the folder before is left, not even what its owner may not write to.
  expect(restore.warnings.join('\n')).not.toContain('could not finish');
  expect(readdirSync(join(configuration, '../srv/.kedge'))).toEqual([]);
  expect(compared['files']).toBeGreaterThan(1000);
  expect(run('id', '-u').stdout.trim()).not.toBe('0');
});

const foreign = isRoot ? itConfined : it.skip;
if (!isRoot) process.stderr.write('SKIPPED: only root can put a file of another account into a site\n');

foreign.each<[string, number, number]>([
  ['owner', 1, -1],
  ['group', -1, 1],
])('a site with a file of another %s is refused before anything is done', (_what, uid, gid) => {
  const root = join(environment['KEDGE_CONFIG'] ?? '', '..', 'srv', SITE);
  const path = join(root, 'wp-content/foreign.txt');
  writeFileSync(path, 'not yours');
  const own = Number(run('id', '-u').stdout);
  chownSync(path, uid === -1 ? own : uid, gid === -1 ? own : gid);
  const { status, stdout: document } = run('node', join(tree, 'dist/src/cli/main.js'), 'backup', SITE, '--json');
  const { error } = JSON.parse(document) as { error: { code: string; message: string } };
  expect(error).toMatchObject({ code: 'OwnerRefused', message: expect.stringContaining('foreign.txt') as string });
  expect(status).toBe(1);
  rmSync(path);
});

itConfined('it leaves nothing behind', async () => {
  const lab = join(environment['KEDGE_CONFIG'] ?? '', '..');
  expect(existsSync(lab)).toBe(true);
  demo.kill('SIGINT');
  await until('the demo has ended', () => ended !== null);
  expect(ended).toBe(0);
  expect(existsSync(lab)).toBe(false);
});
