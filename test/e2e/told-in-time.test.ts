import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { parse, stringify } from 'yaml';
import { loadConfiguration } from '../../src/config/load';
import { noticeWorkflowId, taskQueueOf } from '../../src/contract/names';
import { NOTICE_STATES, type NoticeStates } from '../../src/core/notices/notice-states';
import { runWorker } from '../../src/worker';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { ReceivingServer } from '../helpers/notices';
import { startWorkflowEnvironment } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

jest.setTimeout(120_000);

const SITE = 'gazette.example';
let environment: TestWorkflowEnvironment;
let server: ReceivingServer;
let folder: string;

beforeAll(async () => {
  ({ folder } = await makeConfiguredFolder());
  server = await ReceivingServer.start();
  const path = join(folder, 'kedge.yaml');
  const notify = [{ name: 'alerts', webhook: { url: server.url('/in') }, events: ['task-failed'] }];
  writeFileSync(path, stringify({ ...(parse(readFileSync(path, 'utf8')) as object), notify }));
  environment = await startWorkflowEnvironment();
});
afterAll(async () => {
  await environment?.teardown();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Does `work` beside a real worker of the master. */
async function besideWorker(work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => (ready = resolve));
  const configurationPath = join(folder, 'kedge.yaml');
  const running = runWorker({
    configuration: await loadConfiguration(configurationPath),
    configurationPath,
    environment: { TEMPORAL_ADDRESS: environment.address },
    signal: stop.signal,
    onReady: ready,
    onNotice: () => undefined,
  });
  await Promise.race([isReady, running]);
  try {
    await work();
  } finally {
    stop.abort();
    await running;
  }
}

/** A backup of a site that nobody adopted fails. Returns its task, once it was looked at. */
async function failingBackup(): Promise<string> {
  const before = statesNow().looked[`${SITE}/backup`];
  const run = environment.client.workflow.execute('backup', {
    workflowId: `site/${SITE}`,
    taskQueue: taskQueueOf('lab'),
    args: [{ site: SITE }],
  });
  await expect(run).rejects.toMatchObject({ cause: { type: 'SiteNotAdopted' } });
  await until('the lookout has looked at it', () => statesNow().looked[`${SITE}/backup`] !== before);
  return statesNow().looked[`${SITE}/backup`] ?? '';
}

function statesNow(): NoticeStates {
  return NOTICE_STATES.schema.parse(JSON.parse(readFileSync(join(folder, 'state/notices/states.json'), 'utf8')));
}

it('a task that fails is told once by the worker, again until it is taken, and not by the next worker', async () => {
  server.answer = (response) => {
    // The first time it is away.
    if (server.received.length === 1) response.destroy();
    else response.end('taken');
  };
  let id = '';
  await besideWorker(async () => {
    await until('the worker has looked', () => statesAreThere());
    const task = await failingBackup();
    await until('it is taken', () => server.received.length === 2);
    const [first, second] = server.notices;
    expect(second).toEqual(first);
    expect(first).toMatchObject({ event: 'task-failed', state: 'firing', site: SITE, task, code: 'SiteNotAdopted' });
    id = first?.id ?? '';
    expect(await environment.client.workflow.getHandle(noticeWorkflowId(id)).result()).toEqual({
      alerts: '200 OK: taken',
    });
  });
  await besideWorker(async () => {
    await failingBackup();
    expect(statesNow().recorded.map(({ notice, delivered }) => [notice.id, delivered])).toEqual([[id, ['alerts']]]);
  });
  expect(server.received).toHaveLength(2);
});

function statesAreThere(): boolean {
  try {
    return statesNow().version === 1;
  } catch {
    return false;
  }
}
