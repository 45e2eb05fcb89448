import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { KedgeClient } from '../../src/client';
import type { BackupResult, RestoreResult } from '../../src/contract/tasks';
import { type Lab, cliJson, leftovers, startLab } from '../helpers/e2e';
import { type SmallSite, addSmallSites, keptShut } from '../helpers/many-sites';

jest.setTimeout(1_200_000);

const COUNT = 100;
const LIMIT = 2;
const MORE_BYTES = 150 * 1024 ** 2;
let lab: Lab;
let worker: WorkerProcess;
let client: KedgeClient;
let sites: SmallSite[];

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  sites = await addSmallSites(lab, { count: COUNT });
  writeFileSync(lab.configuration, `limits: { backups: ${LIMIT} }\n`, { flag: 'a' });
  await cliJson(lab, 'sites', 'adopt', 'gazette.example');
  worker = await startWorkerProcess(lab.environment);
  client = await KedgeClient.connect('lab', { ...process.env, ...lab.environment });
});
afterAll(async () => {
  await client?.close();
  await worker?.stop();
  await lab?.stop();
});

const shut = (): number => readdirSync(lab.nginx.address.flags).filter((name) => name.endsWith('.example')).length;

/** Bytes of memory that the worker itself holds; its programs are others. */
function residentBytes(): number {
  const status = readFileSync(`/proc/${worker.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

it('a hundred quiesced backups at once: two sites are shut at a time, a restore comes between, the worker stays small', async () => {
  const saved = await cliJson<BackupResult>(lab, 'backup', 'gazette.example');
  const idle = residentBytes();
  const most = { shut: 0, kept: 0, bytes: 0 };
  const watch = setInterval(() => {
    most.shut = Math.max(most.shut, shut());
    most.kept = Math.max(most.kept, keptShut(lab));
    most.bytes = Math.max(most.bytes, residentBytes());
  }, 20);
  try {
    const handles = await Promise.all(
      sites.map(({ uri }) => client.backup({ site: uri, quiesce: true }, { timeoutMs: 300_000 })),
    );
    const ended = { backups: 0 };
    const backups = handles.map(async (handle) => {
      await handle.result();
      ended.backups += 1;
    });
    const restored = await cliJson<RestoreResult>(lab, 'restore', 'gazette.example', saved.backup.id, '--yes');
    expect(restored.restored).toBe(saved.backup.id);
    expect(ended.backups).toBeLessThan(COUNT);
    await Promise.all(backups);
  } finally {
    clearInterval(watch);
  }
  console.log(`idle ${idle >> 20} MiB, at most ${most.bytes >> 20} MiB, at most ${most.shut} sites shut`);
  // The site that is restored is one more.
  expect(most.kept).toBeLessThanOrEqual(LIMIT + 1);
  // And those that are being brought back.
  expect(most.shut).toBeLessThanOrEqual(3 * LIMIT + 1);
  expect(most.bytes - idle).toBeLessThan(MORE_BYTES);
  expect((await leftovers(lab))['open']).toEqual([]);
});
