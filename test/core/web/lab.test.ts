import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { startNginx } from '../../../scripts/lab/nginx';
import { startPhpFpm } from '../../../scripts/lab/php-fpm';
import { until } from '../../helpers/until';

const LAB = join(__dirname, '../../../scripts/lab');
const RUN_TYPESCRIPT = join(__dirname, '../../helpers/run-typescript.js');
const OWNER = process.getuid?.() === 0 ? 'nobody' : userInfo().username;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Processes that name the folder in their command line, or work for one that does. */
async function processes(): Promise<string[]> {
  const all = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) => ({
        pid,
        command: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''),
        parent: /^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'latin1').catch(() => ''))?.[1],
      })),
  );
  const found = all.filter(({ command }) => command.includes(folder));
  const workers = all.filter(({ parent }) => found.some(({ pid }) => pid === parent));
  return [...new Set([...found, ...workers].map(({ pid }) => pid))];
}

async function alive(pids: readonly string[]): Promise<string[]> {
  const states = await Promise.all(
    pids.map((pid) =>
      readFile(`/proc/${pid}/stat`, 'latin1').then(
        (stat) => !/\) Z /.test(stat),
        () => false,
      ),
    ),
  );
  return pids.filter((_pid, index) => states[index]);
}

test('private servers stop with all their workers', async () => {
  const nginx = await startNginx({ folder: join(folder, 'n') });
  const php = await startPhpFpm({ folder: join(folder, 'p'), pools: [{ name: 'a', owner: OWNER }] });
  const started = await processes();
  expect(started.length).toBeGreaterThanOrEqual(6);
  expect(php.version).toMatch(/^\d+\.\d+$/);
  expect(() => php.socketOf('b')).toThrow('no pool b');
  await Promise.all([nginx.stop(), php.stop()]);
  await Promise.all([nginx.stop(), php.stop()]);
  await until('all gone', async () => (await alive(started)).length === 0);
});

test('private servers that were killed with all their workers start again where they were', async () => {
  const nginx = await startNginx({ folder: join(folder, 'n') });
  const php = await startPhpFpm({ folder: join(folder, 'p'), pools: [{ name: 'a', owner: OWNER }] });
  const first = await processes();
  await Promise.all([nginx.kill(), php.kill()]);
  await until('all gone', async () => (await alive(first)).length === 0);
  await Promise.all([nginx.start(), php.start()]);
  const second = await processes();
  expect(second.length).toBeGreaterThanOrEqual(4);
  expect(second.filter((pid) => first.includes(pid))).toEqual([]);
  await Promise.all([nginx.stop(), php.stop()]);
  await until('all gone again', async () => (await alive(second)).length === 0);
});

test('private servers die with the process that started them, killed hard', async () => {
  const script = `
    const { startNginx } = require(${JSON.stringify(join(LAB, 'nginx'))});
    const { startPhpFpm } = require(${JSON.stringify(join(LAB, 'php-fpm'))});
    startNginx({ folder: ${JSON.stringify(join(folder, 'n'))} })
      .then(() => startPhpFpm({ folder: ${JSON.stringify(join(folder, 'p'))}, pools: [{ name: 'a', owner: '${OWNER}' }] }))
      .then(() => console.log('started'));`;
  const parent = spawn(process.execPath, ['-r', RUN_TYPESCRIPT, '-e', script], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await started(parent);
  const pids = (await processes()).filter((pid) => pid !== `${parent.pid}`);
  expect(pids.length).toBeGreaterThanOrEqual(6);
  parent.kill('SIGKILL');
  await until('all gone', async () => (await alive(pids)).length === 0);
});

test('a server that does not start says why, and leaves nothing', async () => {
  await mkdir(join(folder, 'n/vhosts'), { recursive: true });
  await writeFile(join(folder, 'n/vhosts/broken.conf'), 'nonsense;\n');
  await expect(startNginx({ folder: join(folder, 'n') })).rejects.toThrow('unknown directive "nonsense"');
  const pools = [{ name: 'a', owner: OWNER, settings: { pm: 'nonsense' } }];
  await expect(startPhpFpm({ folder: join(folder, 'p'), pools })).rejects.toThrow(
    /php-fpm.* did not start.*invalid process manager/s,
  );
  expect(await processes()).toEqual([]);
});

test('a socket path that Linux cannot take is refused', async () => {
  const long = join(folder, 'x'.repeat(90));
  await expect(startPhpFpm({ folder: long, pools: [{ name: 'a', owner: OWNER }] })).rejects.toThrow('too long');
});

test('a folder that is a link works', async () => {
  await mkdir(join(folder, 'real'));
  await symlink(join(folder, 'real'), join(folder, 'link'));
  const nginx = await startNginx({ folder: join(folder, 'link') });
  await nginx.stop();
});

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', () => reject(new Error('it ended')));
  });
}
