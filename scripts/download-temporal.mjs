// Has the SDK download the Temporal CLI, as it does for tests, and copies it to the path given.
import { copyFile, chmod, readdir } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [destination] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'kedge-temporal-'));
try {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: folder } },
  });
  await environment.teardown();
  const name = (await readdir(folder)).find((file) => file.startsWith('temporal'));
  if (!name || !destination) throw new Error('nothing was downloaded');
  await copyFile(join(folder, name), destination);
  await chmod(destination, 0o755);
} finally {
  await rm(folder, { recursive: true, force: true });
}
