import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { differences, fingerprint } from '../../scripts/lab/fingerprint';
import type { BackupResult } from '../../src/contract/tasks';
import { connectClient } from '../../src/temporal/connection';
import { type FailureDocument, type Lab, type WordPressSite, cliJson, leftovers, startLab } from '../helpers/e2e';
import { type RunningProcess, startCommand, startHoldingWorker } from '../helpers/running-process';

jest.setTimeout(180_000);

const SITE = 'gazette.example';
let lab: Lab;
let holding: RunningProcess;
let second: WorkerProcess | undefined;

beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  await cliJson(lab, 'sites', 'adopt', SITE);
});
afterEach(async () => {
  await holding?.end('SIGKILL');
  await second?.stop();
});
afterAll(() => lab?.stop());

/** Why the first attempt of a step of the newest task ended, as Temporal has it. */
async function firstFailureOf(step: string): Promise<{ type: string; attempt: number }> {
  const client = await connectClient(lab.environment);
  try {
    const { events = [] } = await client.workflow.getHandle(`site/${SITE}`).fetchHistory();
    const scheduled = events?.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === step,
    )?.eventId;
    const started = events
      ?.map((event) => event.activityTaskStartedEventAttributes)
      .find((attributes) => String(attributes?.scheduledEventId) === String(scheduled));
    const failure = started?.lastFailure;
    return {
      type: failure?.applicationFailureInfo?.type ?? (failure?.timeoutFailureInfo ? 'timeout' : 'none'),
      attempt: started?.attempt ?? 0,
    };
  } finally {
    await client.connection.close();
  }
}

it.each<['SIGTERM' | 'SIGKILL', string, number]>([
  ['SIGTERM', 'WorkerStopped', 0],
  ['SIGKILL', 'timeout', 128],
])(
  '%s in mid-step: a second worker of the master takes the step over, and nobody notices',
  async (signal, why, code) => {
    holding = await startHoldingWorker(lab);
    const command = startCommand(lab, ['backup', SITE, '--json']);
    await holding.said('holding');
    second = await startWorkerProcess(lab.environment);
    expect(await holding.end(signal)).toBe(code);
    expect(await command.end()).toBe(0);
    const { backup } = JSON.parse(command.stdout) as BackupResult;
    expect(await firstFailureOf('tarball')).toEqual({ type: why, attempt: 2 });
    const { backups } = await cliJson<{ backups: { id: string }[] }>(lab, 'backups', SITE);
    expect(backups[0]?.id).toBe(backup.id);
    expect(await leftovers(lab)).toMatchObject({ staging: [], spool: [], open: [], temporary: [], processes: [] });
  },
);

it('cancelled while its worker stands still, which is then killed: a second worker takes the restore back, and it ends as cancelled', async () => {
  const [site] = lab.sites as [WordPressSite];
  const before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  second = await startWorkerProcess(lab.environment);
  const { backup } = await cliJson<BackupResult>(lab, 'backup', SITE);
  await second.stop();
  holding = await startHoldingWorker(lab);
  const command = startCommand(lab, ['restore', SITE, backup.id, '--yes', '--json']);
  await holding.said('holding');
  holding.signal('SIGSTOP');
  await cliJson(lab, 'cancel', SITE);
  second = await startWorkerProcess(lab.environment);
  await holding.end('SIGKILL');
  expect(await command.end()).toBe(130);
  expect((JSON.parse(command.stdout) as FailureDocument).error).toMatchObject({ code: 'Cancelled', site: SITE });
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  expect(await leftovers(lab)).toMatchObject({
    // The folder of its probes stays.
    flags: [`${SITE}.probe`],
    staging: [],
    spool: [],
    open: [],
    temporary: [],
    processes: [],
  });
});
