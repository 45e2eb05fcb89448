import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { type Fingerprint, differences, fingerprint, get } from '../../scripts/lab/fingerprint';
import { taskQueueOf } from '../../src/contract/names';
import type { BackupResult } from '../../src/contract/tasks';
import {
  type Lab,
  type WordPressSite,
  cliJson,
  journalsOf,
  leftovers,
  startLab,
  withWorkerInProcess,
} from '../helpers/e2e';
import { inTheImport } from '../helpers/in-the-import';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

const FORGER = 'forger';
const QUEUE = taskQueueOf('lab');

let lab: Lab;
let site: WordPressSite;
let backup: BackupResult;
let restored: string;
let before: Fingerprint;
let leftBefore: Record<string, string[]>;
let client: Client;
let connection: NativeConnection;
let forger: Worker;
let forging: Promise<void>;

const asIs = <T>(real: T): T => real;

beforeAll(async () => {
  lab = await startLab({ sites: ['gazette.example'] });
  site = lab.sites[0] as WordPressSite;
  await cliJson(lab, 'sites', 'adopt', site.uri);
  await withWorkerInProcess(lab, asIs, async () => {
    backup = await cliJson<BackupResult>(lab, 'backup', site.uri);
    // The second one drops the database that the first one made, and lives on one of Kedge's own.
    for (let count = 0; count < 2; count += 1)
      restored = (await cliJson<{ task: string }>(lab, 'restore', site.uri, backup.backup.id, '--yes')).task;
  });
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
  leftBefore = await leftovers(lab);

  client = new Client({ connection: await Connection.connect({ address: lab.temporal.address }) });
  connection = await NativeConnection.connect({ address: lab.temporal.address });
  const workflowsPath = require.resolve('../helpers/forged-workflow.ts');
  forger = await Worker.create({ connection, taskQueue: FORGER, workflowsPath });
  forging = forger.run();
});
afterAll(async () => {
  forger?.shutdown();
  await forging;
  await connection?.close();
  await client?.connection.close();
  await lab?.stop();
});

/** Somebody's own workflow under this id; whoever ran under it before is ended. */
async function forge(workflowId: string, ...calls: (readonly [string, ...unknown[]])[]): Promise<string[]> {
  return client.workflow.execute<(queue: string, calls: unknown) => Promise<string[]>>('forge', {
    workflowId,
    taskQueue: FORGER,
    args: [QUEUE, calls],
    workflowIdConflictPolicy: 'TERMINATE_EXISTING',
  });
}

const closed = (status: string): object => ({ status, code: null, message: null, warnings: [] });

/** The site serves what it served, and the next task finds nothing in its way. */
async function expectUnharmed(): Promise<void> {
  await cliJson(lab, 'verify', site.uri, '--wait-turn');
  expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
  expect(await leftovers(lab)).toEqual(leftBefore);
}

it('the end of a restore, called again for the one that brought the live database', async () => {
  await withWorkerInProcess(lab, asIs, async () => {
    const ref = { task: restored };
    const ends = ['commitSwitch', 'discardPrevious', 'discardReplacedDatabase', 'discardSpool', 'endMaintenance'];
    const own = await forge(`site/${site.uri}`, ...ends.map((name) => [name, ref] as const));
    expect(own).toEqual(ends.map(() => 'done'));
    expect(await forge('anything', ...ends.map((name) => [name, ref] as const))).toEqual(
      ends.map(() => 'WorkflowIdRefused'),
    );
    await expectUnharmed();
  });
});

it('a restore of which only the ends are called, after a preflight that needs no signature', async () => {
  await withWorkerInProcess(lab, asIs, async () => {
    const task = `${site.uri}-20261124.031502-backup`;
    const ref = { task };
    const answers = await forge(
      `site/${site.uri}`,
      ['preflight', { type: 'backup', task, input: { site: site.uri } }],
      ['createDatabase', ref],
      ['switchSite', ref],
      ['commitSwitch', ref],
      ['discardReplacedDatabase', ref],
      ['discardPrevious', ref],
      ['fenceWrites', ref, { allowShared: true }],
      ['enterMaintenance', ref],
      ['closeTask', ref, closed('done')],
    );
    expect(answers).toEqual(['done', ...Array.from({ length: 8 }, () => 'StepRefused')]);
    await expectUnharmed();
    const journal = journalsOf(lab, 'backup').find((each) => each.task === task);
    expect(journal?.outcome?.status).toBe('recovered');
  });
});

it('a running restore: from outside, and by whoever ends its workflow and takes its id', async () => {
  const answers: string[][] = [];
  const attacked = inTheImport(async () => {
    const ref = { task: journalsOf(lab, 'restore').at(-1)?.task ?? '' };
    const calls = [
      ['closeTask', ref, closed('done')],
      ['closeTask', ref, closed('failed')],
      ['commitSwitch', ref],
      ['discardReplacedDatabase', ref],
      ['endMaintenance', ref],
    ] as const;
    answers.push(await forge('elsewhere', ...calls, ['discardDatabase', ref], ['leaveMaintenance', ref]));
    answers.push(await forge(`site/${site.uri}`, ...calls, ['createDbUser', ref]));
  });
  await withWorkerInProcess(lab, attacked, async () => {
    await cliJson(lab, 'restore', site.uri, backup.backup.id, '--yes', '--detach');
    await until('the restore was attacked', () => answers.length === 2, 90_000);
    expect(answers).toEqual([
      Array.from({ length: 7 }, () => 'WorkflowIdRefused'),
      ['StepRefused', 'StepRefused', 'TaskWasReset', 'StepRefused', 'StepRefused', 'TaskWasReset'],
    ]);
    const ref = { task: journalsOf(lab, 'restore').at(-1)?.task ?? '' };
    const late = await forge(
      `site/${site.uri}`,
      ['leaveMaintenance', ref],
      ['discardStaged', ref],
      ['closeTask', ref, closed('recovered')],
    );
    expect(late).toEqual(['StepRefused', 'done', 'StepRefused']);
    await expectUnharmed();
    expect(journalsOf(lab, 'restore').at(-1)?.outcome?.status).toBe('recovered');
  });
});
