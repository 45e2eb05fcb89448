import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { NativeConnection } from '@temporalio/worker';
import Long from 'long';
import { parse, stringify } from 'yaml';
import { type Outcome, type WorkerProcess, kedge, startWorkerProcess } from '../../scripts/demo/kedge';
import { freePort } from '../../scripts/lab/free-port';
import { type PrivateTemporal, startTemporal } from '../../scripts/lab/temporal';
import { SEARCH_ATTRIBUTES, taskQueueOf } from '../../src/contract/names';
import { askEndpoint } from '../../src/core/metrics/endpoint';
import { connectClient } from '../../src/temporal/connection';
import { describeQueue } from '../../src/temporal/pollers';
import { installRuntime } from '../../src/temporal/runtime';
import { TaskWorkers } from '../../src/temporal/task-workers';
import { WorkerVersioning } from '../../src/temporal/worker-version';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { type Scraped, parseScrape, promtool, valueOf } from '../helpers/prometheus-text';
import { WORKFLOW_BUNDLE } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

/* What a worker does before and while it serves that no site is needed for: versions, metrics, what its namespace lacks. */
jest.setTimeout(180_000);

const SITE = 'gazette.example';
const QUEUE = taskQueueOf('lab');
let folder: string;
let server: PrivateTemporal;
let environment: Record<string, string>;
let client: Client;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  const configured = await makeConfiguredFolder();
  folder = configured.folder;
  server = await startTemporal({ folder });
  environment = { ...configured.environment, TEMPORAL_ADDRESS: server.address };
  client = await connectClient(environment);
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
});
afterAll(async () => {
  await client?.connection.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

interface ConfigurationDocument {
  readonly metrics?: unknown;
  readonly worker?: unknown;
  readonly servers: { readonly local: { readonly web: object } };
}

/** Writes just these sections into the configuration. Folders of web servers are below that of the test. */
function configure(sections: { metrics?: { listen: string }; worker?: { versioning: boolean } }): void {
  const path = join(folder, 'kedge.yaml');
  const { metrics: _metrics, worker: _worker, ...rest } = parse(readFileSync(path, 'utf8')) as ConfigurationDocument;
  const { local } = rest.servers;
  const web = { ...local.web, vhosts: join(folder, 'vhosts'), flags: join(folder, 'flags') };
  writeFileSync(path, stringify({ ...rest, servers: { local: { ...local, web } }, ...sections }));
}

async function startWorker(said: string[] = []): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(environment, (line) => said.push(line));
  workers.push(worker);
  return worker;
}

/** A task that a worker takes, and that fails before it touches anything: the site has no database that Kedge knows. */
const tryVerify = (): Promise<Outcome> => kedge(['verify', SITE, '--json'], environment);

/** What a worker answers at a port; null while none does. */
async function scrape(port: number): Promise<{ text: string; values: Scraped[] } | null> {
  const found = await askEndpoint({ address: '127.0.0.1', port }, AbortSignal.timeout(30_000));
  return found.is === 'metrics' ? { text: found.text, values: parseScrape(found.text) } : null;
}

async function scraped(port: number): Promise<{ text: string; values: Scraped[] }> {
  let answer = await scrape(port);
  await until('a worker answers', async () => (answer ??= await scrape(port)) !== null);
  if (answer === null) throw new Error('nobody answers');
  return answer;
}

const failedVerifies = ({ values }: { values: Scraped[] }): number =>
  values
    .filter(({ name, labels }) => name === 'kedge_tasks_total' && labels['type'] === 'verify')
    .filter(({ labels }) => labels['outcome'] === 'failed')
    .reduce((sum, { value }) => sum + value, 0);

it('answers Prometheus where it is told to, with what Kedge and the SDK count; a worker that comes too late serves tasks, and takes the port over', async () => {
  const port = await freePort();
  configure({ metrics: { listen: `127.0.0.1:${port}` } });
  const first = await startWorker();
  const before = await scraped(port);
  expect(failedVerifies(before)).toBe(0);
  expect(valueOf(before.values, 'kedge_last_good_backup_timestamp_seconds', { site: SITE })).toBe(
    Date.parse('2026-01-02T03:04:05.000Z') / 1000,
  );
  expect(valueOf(before.values, 'kedge_last_good_backup_timestamp_seconds', { site: 'garden.example' })).toBe(0);

  const said: string[] = [];
  const second = await startWorker(said);
  await until('the second one says why it does without', () =>
    said.some((line) => /no metrics are served: listen EADDRINUSE.* The worker goes on, and tries again/.test(line)),
  );
  expect((await tryVerify()).exitCode).toBe(1);
  const after = await scraped(port);
  expect(failedVerifies(after)).toBe(1);
  expect(valueOf(after.values, 'kedge_tasks_open', { type: 'verify' })).toBeDefined();
  const sdk = after.values.filter(({ name }) => name.startsWith('temporal_'));
  expect(sdk.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'temporal_request_total',
      'temporal_num_pollers',
      'temporal_request_latency_seconds_count',
    ]),
  );
  promtool(['check', 'metrics'], after.text);

  await first.stop();
  workers.splice(workers.indexOf(first), 1);
  // It begins at nothing, as any counter of a new process.
  expect(failedVerifies(await scraped(port))).toBe(0);
  expect(await kedge(['doctor', '--json'], environment)).not.toMatchObject({
    stdout: expect.stringContaining('metrics.listen') as unknown,
  });
  await second.stop();
  workers.splice(workers.indexOf(second), 1);
  expect(await scrape(port)).toBeNull();
  expect((await kedge(['doctor', '--json'], environment)).stdout).toContain('nobody answers there');
});

it('with versions is current before it is ready, and tasks come to it; without them again, too', async () => {
  configure({ worker: { versioning: true } });
  const versioned = await startWorker();
  const { current } = await describeQueue(client, 'default', QUEUE);
  expect(current).toMatchObject({
    deploymentName: QUEUE,
    buildId: expect.stringMatching(/^\d+\.\d+\.\d+-[0-9a-f]{12}$/) as unknown,
  });
  expect((await tryVerify()).exitCode).toBe(1);
  configure({ worker: { versioning: false } });
  await startWorker();
  expect((await describeQueue(client, 'default', QUEUE)).current).toBeNull();
  await versioned.stop();
  workers.splice(workers.indexOf(versioned), 1);
  expect((await tryVerify()).exitCode).toBe(1);
});

it('where a search attribute is missing it prints the command, and polls nothing: the worker before it goes on', async () => {
  const namespace = 'bare';
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: Long.fromNumber(72 * 3600) },
  });
  const keyword = temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
  const known = Object.values(SEARCH_ATTRIBUTES).filter((name) => name !== SEARCH_ATTRIBUTES.code);
  const searchAttributes = Object.fromEntries(known.map((name) => [name, keyword]));
  await until('the namespace takes search attributes', () =>
    client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes }).then(
      () => true,
      () => false,
    ),
  );
  const inBare = await connectClient({ ...environment, TEMPORAL_NAMESPACE: namespace });
  installRuntime();
  const connection = await NativeConnection.connect({ address: server.address });
  const version = { deploymentName: QUEUE, buildId: 'before' };
  const before = await TaskWorkers.create({
    ...{ connection, namespace, taskQueue: QUEUE, version, identity: 'the worker before', interceptors: {} },
    workflowBundle: { code: readFileSync(WORKFLOW_BUNDLE, 'utf8') },
    activities: { listBackups: async () => ({ backups: [], next: null }) },
  });
  const running = before.run();
  try {
    const versioning = new WorkerVersioning(inBare, { namespace, master: 'lab', version }, () => undefined);
    await versioning.makeCurrent(new AbortController().signal);
    configure({ worker: { versioning: true } });
    const starting = startWorkerProcess({ ...environment, TEMPORAL_NAMESPACE: namespace });
    void starting.then(
      (worker) => workers.push(worker),
      () => undefined,
    );
    await expect(starting).rejects.toThrow(
      /the worker ended with 2: .*lacks the search attributes KedgeCode[^]*temporal operator search-attribute create --namespace bare --name KedgeCode --type Keyword/,
    );
    const { current, pollers } = await describeQueue(inBare, namespace, QUEUE);
    expect(current).toEqual(version);
    expect(pollers.map(({ identity }) => identity)).toEqual(['the worker before']);
    const asked = { taskQueue: QUEUE, workflowId: 'list', args: [{ site: SITE }] };
    expect(await inBare.workflow.execute('listBackups', asked)).toEqual({ backups: [], next: null });
  } finally {
    before.shutDown();
    await running;
    await connection.close();
    await inBare.connection.close();
  }
});
