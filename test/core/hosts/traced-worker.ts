import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

/** What local-host.test.ts looks at by strace: a durable write, a folder, and a secret handed to a program. */
async function main(folder: string): Promise<void> {
  const host = createLocalHost({ name: 'traced' });
  await host.makeFolder(join(folder, 'folder'), { mode: 0o700 });
  await host.writeFile(join(folder, 'folder/file'), 'durable-content', { mode: 0o640 });
  await host.makeFolder(join(folder, 'folder/made'), { mode: 0o700 });
  const { stdout } = await host.run({
    argv: ['cat', '/dev/fd/3'],
    secret: 'canary-traced-secret',
    operation: testOperation(),
  });
  if (stdout !== 'canary-traced-secret') throw new Error('the secret was not read');
}

void main(process.argv[2] ?? '');
