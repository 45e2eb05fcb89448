import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Lab, cliJson, journalsOf, startLab } from '../helpers/e2e';

jest.setTimeout(600_000);

const SITE = 'gazette.example';
let lab: Lab;
const workers: WorkerProcess[] = [];
beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  await cliJson(lab, 'sites', 'adopt', SITE);
  for (let count = 0; count < 2; count += 1) workers.push(await startWorkerProcess(lab.environment));
});
afterAll(async () => {
  for (const worker of workers) {
    worker.process.kill('SIGCONT');
    await worker.stop();
  }
  await lab?.stop();
});

it('a worker that hangs beside a healthy one makes no request fail', async () => {
  await cliJson(lab, 'verify', SITE);
  workers[0]?.process.kill('SIGSTOP');
  // Its polls still get work, which is lost with each of them, until none is left.
  for (let count = 0; count < 6; count += 1) {
    const { task } = await cliJson<{ task: string }>(
      lab,
      'verify',
      SITE,
      '--request-key',
      `key-${count}`,
      '--wait-turn',
    );
    expect(task).toContain(SITE);
  }
  expect(journalsOf(lab, 'verify').filter(({ outcome }) => outcome?.status === 'done')).toHaveLength(7);
});
