import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { parse, stringify } from 'yaml';
import { main } from '../../src/cli/main';
import { schedulesChangeSchema, schedulesListSchema } from '../../src/contract/documents';
import { makeConfiguredFolder } from '../helpers/configured-folder';
import { until } from '../helpers/until';
import { startWorkflowEnvironment } from '../helpers/workflow-environment';

let temporal: TestWorkflowEnvironment;
let folder: string;
beforeAll(async () => {
  temporal = await startWorkflowEnvironment();
  ({ folder } = await makeConfiguredFolder());
});
afterAll(async () => {
  await temporal?.teardown();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command in this process; nobody sits in front of it. */
async function run(...argv: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString();
        done();
      },
    });
  const exitCode = await main(argv, {
    ...{ stdin: Readable.from([]), stdout: into('stdout'), stderr: into('stderr') },
    environment: { TEMPORAL_ADDRESS: temporal.address, KEDGE_CONFIG: join(folder, 'kedge.yaml') },
    workingFolder: folder,
    isTerminal: false,
  });
  return { exitCode, ...said };
}

function configure(schedules: Record<string, object>): void {
  const path = join(folder, 'kedge.yaml');
  writeFileSync(path, stringify({ ...(parse(readFileSync(path, 'utf8')) as object), schedules }));
}

async function list() {
  const { stdout } = await run('schedules', '--json');
  return schedulesListSchema.parse(JSON.parse(stdout)).schedules;
}

it('schedules are listed, made, changed and taken away, and each time it is said first what will be', async () => {
  expect(await run('schedules')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('no schedules') as string,
  });
  configure({ nightly: { cron: '15 3 * * *', sites: ['gaz*'] }, weekly: { cron: '@weekly' } });
  const before = await run('schedules');
  expect(before.stderr).toContain('nightly: Temporal does not know it yet');
  expect(await list()).toMatchObject([
    { name: 'nightly', sites: ['gazette.example'], inTemporal: 'missing', next: [], last: null, missed: 0, skipped: 0 },
    { name: 'weekly', sites: ['garden.example', 'gazette.example'], inTemporal: 'missing' },
  ]);

  // Nobody is asked, so nothing is done; what would be is said.
  const asked = await run('schedules', 'apply');
  expect([asked.exitCode, asked.stderr]).toEqual([2, expect.stringMatching(/\+ nightly: is new[^]*--yes/)]);
  const dry = await run('schedules', 'apply', '--dry-run', '--json');
  expect(schedulesChangeSchema.parse(JSON.parse(dry.stdout))).toMatchObject({
    changes: [
      { name: 'nightly', change: 'new' },
      { name: 'weekly', change: 'new' },
    ],
    applied: false,
  });
  expect((await list()).map(({ inTemporal }) => inTemporal)).toEqual(['missing', 'missing']);

  const made = await run('schedules', 'apply', '--yes');
  expect([made.exitCode, made.stdout]).toEqual([0, 'nightly: made\nweekly: made\n']);
  const twice = await run('schedules', 'apply');
  expect([twice.exitCode, twice.stdout]).toEqual([0, 'Temporal has the schedules as they are in the configuration\n']);
  const [nightly] = await list();
  expect(nightly).toMatchObject({ inTemporal: 'applied', paused: null });
  expect(nightly?.next).toHaveLength(5);
  for (const time of nightly?.next ?? []) expect(time).toMatch(/T03:15:00\.000Z$/);

  // Whose they are is read when they run; when they run has to be applied.
  configure({ nightly: { cron: '15 3 * * *', description: 'by night' } });
  expect((await run('schedules', 'apply', '--dry-run')).stdout).not.toContain('nightly');
  configure({ nightly: { cron: '30 3 * * *', timeZone: 'Europe/Berlin' } });
  await temporal.client.schedule.getHandle('kedge/lab/nightly').pause('holidays');
  await until('both are listed by Temporal', async () => (await list()).length === 2);
  const changed = await run('schedules');
  expect(changed.stderr).toMatch(/nightly: .*otherwise[^]*weekly: the configuration does not have it/);
  expect(changed.stdout).toMatch(/nightly .*paused: holidays/);
  const applied = await run('schedules', 'apply', '--yes');
  expect(applied.stderr).toBe(
    '~ nightly:\n    cron: 15 3 * * * -> 30 3 * * *\n    timeZone: UTC -> Europe/Berlin\n- weekly: the configuration does not have it\n',
  );
  expect(applied.stdout).toBe('nightly: changed\nweekly: taken away\n');
  expect(await list()).toMatchObject([{ name: 'nightly', inTemporal: 'applied', paused: 'holidays' }]);
});

it('a schedule of a person under the ID of one is left alone, and said', async () => {
  configure({ report: { cron: '@daily' } });
  await temporal.client.schedule.create({
    scheduleId: 'kedge/lab/report',
    spec: { intervals: [{ every: '1 day' }] },
    action: { type: 'startWorkflow', workflowType: 'report', taskQueue: 'reports' },
  });
  const { exitCode, stderr } = await run('schedules', 'apply', '--yes');
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/kedge\/lab\/report .*not made by Kedge[^]*hint: /)]);
});

it('backups of many sites that nobody waits for are left to the worker that comes', async () => {
  configure({});
  const { exitCode, stdout } = await run('backup', 'GAZETTE.example', 'gar*', '--detach', '--json', '-m', 'both');
  expect(exitCode).toBe(0);
  const { workflowId, ...rest } = JSON.parse(stdout) as { workflowId: string };
  expect(rest).toEqual({ sites: 2, detached: true });
  const handle = temporal.client.workflow.getHandle(workflowId);
  expect(await handle.describe()).toMatchObject({
    type: 'backupAll',
    taskQueue: 'kedge/lab',
    status: { name: 'RUNNING' },
  });
  const { events } = await handle.fetchHistory();
  const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  expect(JSON.parse(Buffer.from(input ?? []).toString())).toEqual({
    selection: { sites: ['gazette.example', 'gar*'] },
    description: 'both',
    compression: 'zstd',
    who: expect.any(String) as string,
  });
  await handle.terminate();
});
