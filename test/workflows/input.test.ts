import { WithStartWorkflowOperation } from '@temporalio/client';
import { kedgeErrorOf } from '../../src/temporal/failures';
import { KedgeClient } from '../../src/client';
import { taskQueueOf } from '../../src/contract/names';
import { FakeActivities } from '../helpers/fake-activities';
import { MASTER, TASK_QUEUE, WorkflowLab, withWorker } from '../helpers/workflow-environment';

let lab: WorkflowLab;
let client: KedgeClient;
beforeAll(async () => {
  lab = await WorkflowLab.start();
  client = new KedgeClient(lab.environment.client, MASTER);
});
afterAll(() => lab.stop());

const site = 'example.com';
const ended = (workflowId: string) => lab.environment.client.workflow.getHandle(workflowId).result();

describe('with a worker', () => {
  const fake = new FakeActivities();
  let stop: () => void;
  let stopped: Promise<void>;
  beforeAll(() => {
    const ended = new Promise<void>((resolve) => (stop = resolve));
    stopped = withWorker(lab.environment, fake.implementation(), () => ended, TOUCHED_BY_NOBODY);
  });
  afterAll(async () => {
    stop();
    await stopped;
  });
  beforeEach(() => {
    fake.calls.length = 0;
  });

  const TOUCHED_BY_NOBODY = taskQueueOf('touched-by-nobody');

  /** The error a workflow of this input ends with; it ends, which a TypeError in its code would keep it from. */
  async function failureOf(type: string, workflowId: string, args: unknown[]): Promise<unknown> {
    return lab.environment.client.workflow
      .execute(type, { workflowId, taskQueue: TOUCHED_BY_NOBODY, args, workflowRunTimeout: '20 seconds' })
      .then(
        () => null,
        (error: unknown) => kedgeErrorOf(error, site),
      );
  }

  it.each<[string, string, unknown[], string]>([
    ['backup', `site/${site}`, [], 'one object'],
    ['backup', `site/${site}`, [null], 'one object'],
    ['backup', `site/${site}`, ['example.com'], 'one object'],
    ['backup', `site/${site}`, [{}], 'site'],
    ['backup', `site/${site}`, [{ site: 'Example.com' }], 'site'],
    ['backup', 'site/../../etc', [{ site: '../../etc' }], 'site'],
    ['backup', `site/${site}`, [{ site, task: '../../../etc/passwd' }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 7 }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 'other.example-20261124.031502-backup' }], 'task'],
    ['backup', `site/${site}`, [{ site, task: 'example.com-20261124.031502-restore' }], 'task'],
    ['restore', `site/${site}`, [{ site }], 'backup'],
    ['restore', `site/${site}`, [{ site, backup: 'x'.repeat(5000) }], 'backup'],
    ['backup', `site/${site}`, [{ site, description: 'x'.repeat(1_900_000) }], 'at most'],
    ['deploy', `site/${site}`, [{ site, archive: `/${'x'.repeat(1_900_000)}` }], 'at most'],
    ['restore', `site/${site}`, [undefined], 'one object'],
    ['verify', `site/${site}`, [[]], 'one object'],
    ['recover', `site/${site}`, [], 'site'],
    ['turns', `turns/${site}`, [{ site }], 'site'],
  ])('a %s as %s with %j fails as InputInvalid and touches nothing', async (type, workflowId, args, names) => {
    const failure = await failureOf(type, workflowId, args);
    expect(failure).toMatchObject({ code: 'InputInvalid', message: expect.stringContaining(names) as unknown });
    expect(fake.calls).toEqual([]);
  });

  it.each([
    ['backup', { site }],
    ['restore', { site, backup: 'example.com-20261124.031502' }],
    ['verify', { site }],
    ['recover', site],
    ['turns', site],
  ])('a %s under another ID is refused before it touches a journal', async (type, input) => {
    const failure = await failureOf(type, `mine/${type}`, [input]);
    expect(failure).toMatchObject({
      code: 'WorkflowIdRefused',
      site,
      message: expect.stringContaining(`mine/${type}`) as unknown,
    });
    expect(fake.calls).toEqual([]);
  });
});

/** What JSON can carry and no workflow takes. */
const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1.5,
  '',
  'example.com',
  [],
  [[]],
  {},
  { site: null },
  { site, waiting: {} },
  { task: null, offset: 'x' },
  { site, task: {}, backup: [], archive: 7, offset: -1, limit: 1e9 },
  '\u0000\ud800',
  'x'.repeat(200_000),
  { constructor: 1, toString: 2, length: 3 },
];

describe('odd arguments', () => {
  const queue = taskQueueOf('odd-arguments');
  const fake = new FakeActivities();

  /** The task of a workflow that fails again and again keeps it running: it never ends. */
  const ends = async (type: string, workflowId: string, args: unknown[]): Promise<string> => {
    const handle = await lab.environment.client.workflow.start(type, { workflowId, taskQueue: queue, args });
    const stuck = new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve('stuck'), 15_000);
      void handle
        .result()
        .then(
          () => 'ended',
          () => 'ended',
        )
        .then((how) => {
          clearTimeout(timer);
          resolve(how);
        });
    });
    const how = await stuck;
    if (how === 'stuck') await handle.terminate();
    return how;
  };

  it.each(['backup', 'restore', 'deploy', 'verify', 'recover', 'turns', 'listBackups', 'readTaskLog'])(
    'no %s stays behind, whatever it is given',
    async (type) => {
      await withWorker(
        lab.environment,
        fake.implementation(),
        async () => {
          const cases = ODD.flatMap((odd, index) => {
            const site = `odd${index}.example`;
            const prefix = type === 'turns' ? 'turns' : 'site';
            // Where the first argument is right, the second one is looked at.
            return [[odd], [odd, odd], ...(type === 'turns' ? [[site, odd]] : [])].map(
              (args, nth) => [`${prefix}/${nth === 2 ? site : `odd-${type}-${index}-${nth}`}`, args] as const,
            );
          });
          const outcomes = await Promise.all(
            cases.map(async ([id, args]) => [JSON.stringify(args).slice(0, 100), await ends(type, id, args)]),
          );
          // A queue that is given nothing odd waits a minute for its first request.
          const waits = (args: string): boolean => type === 'turns' && /^\["odd\d+\.example",null\]$/.test(args);
          expect(outcomes.filter(([args = '', how]) => how !== 'ended' && !waits(args))).toEqual([]);
        },
        queue,
      );
    },
    60_000,
  );

  const turn = (changes: object = {}, input: object = {}): object => ({
    task: `${site}-20261124.031502-verify`,
    request: { type: 'verify', input: { site, ...input }, waitTurn: true },
    submitted: '2026-11-24T03:15:02.000Z',
    ...changes,
  });

  it.each<[string, unknown]>([
    ['one that is no list', { waiting: 'all' }],
    ['nobody', { waiting: [null] }],
    ['a task of another site', { waiting: [turn({ task: 'other.example-20261124.031502-verify' })] }],
    ['a task of another type', { waiting: [turn({ task: `${site}-20261124.031502-restore` })] }],
    ['a path for a task', { waiting: [turn({ task: '../../etc/passwd' })] }],
    ['a request for another site', { waiting: [turn({}, { site: 'other.example' })] }],
    ['no time', { waiting: [turn({ submitted: 'yesterday' })] }],
    ['more than may wait', { waiting: Array.from({ length: 101 }, () => turn()) }],
    ['a huge request', { waiting: [turn({}, { junk: 'x'.repeat(20_000) })] }],
  ])('a queue whose state has %s fails as InputInvalid', async (_what, state) => {
    await withWorker(
      lab.environment,
      fake.implementation(),
      async () => {
        const failure = await lab.environment.client.workflow
          .execute('turns', { workflowId: `turns/${site}`, taskQueue: queue, args: [site, state] })
          .then(
            () => null,
            (error: unknown) => kedgeErrorOf(error, site),
          );
        expect(failure).toMatchObject({ code: 'InputInvalid', site });
      },
      queue,
    );
  });

  it('a queue lives through odd signals and updates, and an archive whose name is too long for a title', async () => {
    const mine = lab.siteWith(new FakeActivities());
    const handle = await lab.environment.client.workflow.start('turns', {
      workflowId: `turns/${mine}`,
      taskQueue: TASK_QUEUE,
      args: [mine],
    });
    for (const odd of ODD) {
      await handle.signal('withdraw', odd);
      await handle.signal('nobody-listens', odd);
      expect(await handle.executeUpdate('giveUp', { args: [odd] })).toBe(false);
      await expect(handle.executeUpdate('submit', { args: [odd] })).rejects.toThrow();
    }
    const archive = `/${'\u0001'.repeat(4000)}`;
    const request = { type: 'deploy', input: { site: mine, archive }, waitTurn: false };
    await expect(handle.executeUpdate('submit', { args: [request] })).rejects.toMatchObject({
      cause: { type: 'InputInvalid' },
    });
    const named = { ...request, input: { site: mine, archive: `/${'\u00e9'.repeat(2000)}` } };
    await handle.executeUpdate('submit', { args: [named] });
    await ended(`site/${mine}`);
    await ended(`turns/${mine}`);
  }, 60_000);
});

describe('the queue', () => {
  const rest = { waitTurn: false };
  it.concurrent.each<[string, (site: string) => unknown]>([
    ['nothing', () => undefined],
    ['text', () => 'backup'],
    ['no input', () => ({ type: 'backup', ...rest })],
    ['null for input', () => ({ type: 'backup', input: null, ...rest })],
    ['a type that has no turn', (site) => ({ type: 'recover', input: { site }, ...rest })],
    ['the site of another queue', () => ({ type: 'backup', input: { site: 'other.example' }, ...rest })],
    ['a task', (site) => ({ type: 'backup', input: { site, task: `${site}-20261124.031502-backup` }, ...rest })],
    ['a number for who', (site) => ({ type: 'backup', input: { site, who: 5 }, waitTurn: true })],
    ['too long a text', (site) => ({ type: 'backup', input: { site, description: 'x'.repeat(30_000) }, ...rest })],
    ['no word about waiting', (site) => ({ type: 'backup', input: { site } })],
  ])('refuses a request with %s, and serves the next one', async (_what, request) => {
    const site = lab.siteWith(new FakeActivities());
    const refused = await lab.environment.client.workflow
      .executeUpdateWithStart('submit', {
        args: [request(site)],
        startWorkflowOperation: new WithStartWorkflowOperation('turns', {
          workflowId: `turns/${site}`,
          taskQueue: TASK_QUEUE,
          args: [site],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      })
      .then(
        () => null,
        (error: unknown) => kedgeErrorOf(error, site),
      );
    expect(refused).toMatchObject({ code: 'InputInvalid' });
    const task = await client.backup({ site });
    await task.result();
    await ended(`turns/${site}`);
  });
});

it.concurrent('the client refuses what no task takes before it asks, and a request key of another type', async () => {
  await expect(client.backup({ site: 'Example.com' })).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(client.restore({ site, backup: 'latest' })).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(client.backup({ site, description: 'x\u0007' })).rejects.toMatchObject({ code: 'InputInvalid' });
  const keyed = { site: lab.siteWith(new FakeActivities()), requestKey: 'nightly' };
  const first = await client.backup({ ...keyed, who: 'cron' });
  await expect(
    client.restore({ ...keyed, backup: 'example.com-20261124.031502' }, { waitTurn: true }),
  ).rejects.toMatchObject({ code: 'InputInvalid', message: expect.stringContaining(first.task) as unknown });
  await first.result();
  await ended(`turns/${keyed.site}`);
});

describe('without a worker', () => {
  /** A master of its own, whose worker comes and goes. */
  const masterOf = (name: string) => ({
    client: new KedgeClient(lab.environment.client, name),
    besideWorker: <T>(fake: FakeActivities, work: () => Promise<T>): Promise<T> =>
      withWorker(lab.environment, fake.implementation(), work, taskQueueOf(name)),
  });

  it.concurrent('a request that may wait for a worker is carried out when one comes', async () => {
    const site = 'patient.example';
    const { client, besideWorker } = masterOf('patient');
    const kept = { timeoutMs: 1000, keepWithoutWorker: true };
    const [first, second] = [
      await client.verify({ site, requestKey: 'nightly' }, kept),
      await client.backup({ site }, kept),
    ];
    await client.verify({ site, requestKey: 'nightly' }, kept);
    for (const { ticket } of [first, second]) expect(ticket).toMatchObject({ waiting: true, noWorker: true });
    expect(await first.status()).toMatchObject({ state: 'waiting' });
    const fake = new FakeActivities();
    await besideWorker(fake, async () => {
      expect(await first.result()).toMatchObject({ site, status: 200 });
      expect(await second.result()).toMatchObject({ site });
      await ended(`turns/${site}`);
    });
    // Once each, although Temporal delivers what it was asked first, too, and the same was asked for again.
    expect(fake.done.filter((step) => step === 'verify' || step === 'publishBackup')).toEqual([
      'verify',
      'publishBackup',
    ]);
  });

  it.concurrent('a request that a worker answers at the last moment is answered, be it withdrawn or kept', async () => {
    const { client } = masterOf('slow');
    const queue = taskQueueOf('slow');
    /** The worker answers once it has seen that its answer is not waited for any more. */
    const whenSignalled = async (site: string): Promise<null> => {
      const handle = lab.environment.client.workflow.getHandle(`turns/${site}`);
      for (;;) {
        const { events } = await handle.fetchHistory();
        if (events?.some((event) => event.workflowExecutionSignaledEventAttributes)) return null;
      }
    };
    const fake = new FakeActivities();
    const activities = {
      ...fake.implementation(),
      findTaskOfRequest: ({ site }: { site: string }) => whenSignalled(site),
    };
    await withWorker(
      lab.environment,
      activities,
      async () => {
        for (const keepWithoutWorker of [false, true]) {
          const site = keepWithoutWorker ? 'kept.example' : 'withdrawn.example';
          const handle = await client.verify({ site, requestKey: 'x' }, { timeoutMs: 500, keepWithoutWorker });
          expect(handle.ticket).toMatchObject({ waiting: false });
          expect(handle.ticket.noWorker).toBeUndefined();
          expect(await handle.result()).toMatchObject({ site, task: handle.task });
        }
      },
      queue,
    );
    expect(fake.done.filter((step) => step === 'verify')).toHaveLength(2);
  });

  it.concurrent('a request nobody answered is not carried out hours later', async () => {
    const site = 'late.example';
    const { client, besideWorker } = masterOf('late');
    const fake = new FakeActivities().set('tarball', { blocks: true });
    const first = await besideWorker(fake, () => client.backup({ site }));
    await expect(client.verify({ site }, { waitTurn: true, timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'NoWorker',
    });
    fake.clear('tarball');
    await besideWorker(fake, async () => {
      await first.result();
      await ended(`turns/${site}`);
    });
    expect(fake.calls).not.toContain('verify');
  });
});
