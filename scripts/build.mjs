// Compiles, bundles the workflow code and the program of servers, and makes the package of the client. Does nothing where nothing changed since the last time.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { makeClientPackage } from './client-package.mjs';
import { bundleHostProgram } from './host-program.mjs';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const bundle = join(top, 'dist/workflow-bundle.js');
const stamp = join(top, 'dist/.built-from');

const sources = hashOf(['src', 'scripts', 'packaging/client', 'tsconfig.json', 'tsconfig.build.json', 'package.json']);
if (!existsSync(bundle) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== sources) {
  const compiler = spawnSync(
    process.execPath,
    [join(top, 'node_modules/typescript/bin/tsc'), '-p', join(top, 'tsconfig.build.json')],
    { stdio: 'inherit' },
  );
  if (compiler.status !== 0) process.exit(compiler.status ?? 1);
  // PHP programs lie beside the code that has them run.
  for (const entry of readdirSync(join(top, 'src'), { recursive: true }))
    if (entry.endsWith('.php')) copyFileSync(join(top, 'src', entry), join(top, 'dist/src', entry));
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(top, 'dist/src/workflows/index.js'),
    logger: { ...console, trace() {}, debug() {}, info() {}, log() {} },
  });
  writeFileSync(bundle, code);
  await bundleHostProgram(top, join(top, 'dist/kedge-host.cjs'));
  chmodSync(join(top, 'dist/src/cli/main.js'), 0o755);
  // The image of a container has the worker alone.
  if (existsSync(join(top, 'packaging/client'))) makeClientPackage(top, join(top, 'dist/client-package'));
  writeFileSync(stamp, sources);
}

/** One hash over files, and all files of folders. */
function hashOf(names) {
  const hash = createHash('sha256');
  for (const name of names) {
    const path = join(top, name);
    if (!existsSync(path)) continue;
    const files = name.includes('.')
      ? ['']
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
    for (const file of files.sort())
      hash
        .update(`${name}/${file}\0`)
        .update(readFileSync(join(path, file)))
        .update('\0');
  }
  return hash.digest('hex');
}
