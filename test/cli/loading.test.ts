import { execFileSync } from 'node:child_process';
import { KEDGE } from '../../scripts/demo/kedge';

it('a command loads what it needs alone: no Temporal, no database client, no prompts before they are used', () => {
  const script = `require(${JSON.stringify(KEDGE)}); console.log(Object.keys(require.cache).join('\\n'))`;
  const loaded = execFileSync(process.execPath, ['-e', script]).toString();
  const packages = new Set(
    [...loaded.matchAll(/\/node_modules\/((?:@[^/]+\/)?[^/\n]+)\/[^\n]*$/gm)].map(([, name]) => name),
  );
  expect(packages).toContain('commander');
  for (const name of ['@temporalio/client', '@temporalio/worker', '@grpc/grpc-js', 'mysql2', '@inquirer/prompts'])
    expect(packages).not.toContain(name);
});
