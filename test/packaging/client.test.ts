import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { dependencies, version } from '../../package.json';

/* The package @kedge/client, as the build makes it. */
const TOP = join(__dirname, '../..');
const BUILT = join(TOP, 'dist/client-package');
const MAXIMUM_PACKAGES = 60;
const MAXIMUM_BYTES = 60e6;

const manifest = z
  .object({ name: z.string(), version: z.string(), dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(BUILT, 'package.json'), 'utf8')));

/** What a service gets with it, by the lock file: folders below the top. */
function installed(): string[] {
  const { packages } = z
    .object({
      packages: z.record(
        z.string(),
        z.object({
          dependencies: z.record(z.string(), z.string()).default({}),
          optionalDependencies: z.record(z.string(), z.string()).default({}),
        }),
      ),
    })
    .parse(JSON.parse(readFileSync(join(TOP, 'package-lock.json'), 'utf8')));
  const found = new Set<string>();
  /** As Node looks for it: beside whoever needs it, then further up. */
  const place = (from: string, name: string): string | null => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
      const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
      if (packages[path]) return path;
      if (at === '' || at.indexOf('/node_modules/') < 0)
        return packages[`node_modules/${name}`] ? `node_modules/${name}` : null;
    }
  };
  const visit = (from: string, names: readonly string[]): void => {
    for (const name of names) {
      const path = place(from, name);
      if (path === null || found.has(path)) continue;
      found.add(path);
      const { dependencies: needed = {}, optionalDependencies: optional = {} } = packages[path] ?? {};
      visit(path, Object.keys({ ...needed, ...optional }));
    }
  };
  visit('', Object.keys(manifest.dependencies));
  return [...found];
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== 'node_modules')
    .map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? bytesOf(path) : lstatSync(path).size;
    })
    .reduce((sum, bytes) => sum + bytes, 0);
}

it('has the version of the whole, and of its dependencies what it loads', () => {
  expect(manifest).toMatchObject({ name: '@kedge/client', version });
  expect(Object.keys(manifest.dependencies)).toContain('@temporalio/client');
  expect(Object.keys(manifest.dependencies)).not.toContain('@temporalio/worker');
  expect(dependencies).toMatchObject(manifest.dependencies);
  const files = readdirSync(BUILT, { recursive: true, encoding: 'utf8' });
  expect(
    files.filter((file) => /^(core|cli|activities|workflows|operations|config)\/|^(worker|composition)\./.test(file)),
  ).toEqual([]);
});

it(`brings at most ${MAXIMUM_PACKAGES} packages of ${MAXIMUM_BYTES / 1e6} MB`, () => {
  const folders = installed();
  expect(folders.length).toBeGreaterThan(10);
  expect(folders.length).toBeLessThanOrEqual(MAXIMUM_PACKAGES);
  const bytes = folders
    .map((folder) => join(TOP, folder))
    .filter((folder) => existsSync(folder))
    .map(bytesOf);
  expect(bytes.reduce((sum, each) => sum + each, bytesOf(BUILT))).toBeLessThanOrEqual(MAXIMUM_BYTES);
});

describe('a service', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync('/var/tmp/kedge-client-');
    const modules = join(folder, 'node_modules');
    cpSync(BUILT, join(modules, '@kedge/client'), { recursive: true });
    for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(TOP, 'node_modules', name), join(modules, name));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const BODY = `
const use = async () => {
  const error = await KedgeClient.connect('backup1', { TEMPORAL_ADDRESS: '127.0.0.1:1' }).then(
    (client) => client.backup({ site: 'UPPER' }),
  ).catch((reason) => reason);
  const known = Object.keys(ERROR_CODES).includes(error.code);
  const signed = signRequest('verify', { site: 'www.example.com' }, { master: 'backup1', key: '${'k'.repeat(43)}' });
  console.log(error instanceof KedgeError, known, typeof signed.signature.hmac, typeof TaskHandle, typeof TaskFailedError);
};
`;
  const NAMES = 'ERROR_CODES, KedgeClient, KedgeError, TaskFailedError, TaskHandle, signRequest';

  it.each([
    ['of ES modules', 'service.mjs', `import { ${NAMES} } from '@kedge/client';${BODY}await use();`],
    ['of CommonJS', 'service.cjs', `const { ${NAMES} } = require('@kedge/client');${BODY}use();`],
  ])('%s uses it', async (_what, name, text) => {
    writeFileSync(join(folder, name), text);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, name)], { cwd: folder });
    expect(stdout.trim()).toBe('true true string function function');
  });

  it('of TypeScript is checked against its types, as either kind of module', () => {
    const text = `import { type BackupResult, KedgeClient, KedgeError } from '@kedge/client';
import type { RestoreInput } from '@kedge/client';
export async function backUp(): Promise<BackupResult> {
  const kedge = await KedgeClient.connect('backup1');
  const input: RestoreInput = { site: 'www.example.com', backup: 'www.example.com-20261124.031502' };
  await kedge.restore(input);
  return (await kedge.backup({ site: 'www.example.com' })).result();
}
export const isBusy = (error: unknown): boolean => error instanceof KedgeError && error.code === 'SiteBusy';
`;
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'node20',
      '--target',
      'es2023',
      '--types',
      'node',
    ];
    const check = (...files: string[]): void => {
      execFileSync(process.execPath, [join(TOP, 'node_modules/typescript/bin/tsc'), ...options, ...files], {
        cwd: folder,
        encoding: 'utf8',
      });
    };
    for (const ending of ['mts', 'cts']) writeFileSync(join(folder, `typed.${ending}`), text);
    check('typed.mts', 'typed.cts');
    writeFileSync(
      join(folder, 'wrong.mts'),
      text.replace("site: 'www.example.com', backup:", "sight: 'www.example.com', backup:"),
    );
    expect(() => check('wrong.mts')).toThrow();
  });
});
