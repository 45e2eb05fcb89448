import { readFileSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { type Fingerprint, differences, fingerprint } from '../../scripts/lab/fingerprint';
import { KedgeClient, type SigningOptions, signRequest } from '../../src/client';
import { KedgeError } from '../../src/contract/errors';
import { type TaskType, taskQueueOf } from '../../src/contract/names';
import { type BackupResult, type RestoreResult, type SubmitRequest } from '../../src/contract/tasks';
import { kedgeErrorOf } from '../../src/temporal/failures';
import { submit } from '../../src/temporal/submit';
import { type Lab, type WordPressSite, cliJson, journalsOf, startLab, withWorkerInProcess } from '../helpers/e2e';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

const SITE = 'gazette.example';
let lab: Lab;
let site: WordPressSite;
let client: KedgeClient;
let key: string;
let backup: BackupResult['backup'];
let before: Fingerprint;
let configuration: string;

beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  site = lab.sites[0] as WordPressSite;
  configuration = readFileSync(lab.configuration, 'utf8');
  key = readFileSync(join(lab.folder, 'signing.key'), 'utf8');
  await cliJson(lab, 'sites', 'adopt', SITE);
  client = await KedgeClient.connect('lab', lab.environment);
  ({ backup } = await besideWorker(() => cliJson<BackupResult>(lab, 'backup', SITE)));
  before = await fingerprint(site, lab.nginx.port, lab.mariadb);
});
afterAll(async () => {
  await client?.close();
  await lab?.stop();
});

const besideWorker = <T>(work: () => Promise<T>): Promise<T> => withWorkerInProcess(lab, (real) => real, work);

/** Starts a task as any process does that reaches Temporal. Returns the code it fails with, null when it is done. */
async function start(input: object, type: TaskType = 'restore', workflowSite = SITE): Promise<string | null> {
  const options = { workflowId: `site/${workflowSite}`, taskQueue: taskQueueOf('lab'), args: [input] };
  return client.temporal.workflow.execute(type, options).then(
    () => null,
    (error: unknown) => (kedgeErrorOf(error, SITE) as { code: string }).code,
  );
}

const restoring = () => ({ site: SITE, backup: backup.id });

function signed<Input extends object>(
  input: Input,
  options: Partial<SigningOptions> = {},
  type: TaskType = 'restore',
): Input & { signature: NonNullable<SubmitRequest['input']['signature']> } {
  return signRequest(type, input, { master: 'lab', key, ...options });
}

async function expectUntouched(journals: readonly unknown[]): Promise<void> {
  expect(journalsOf(lab)).toEqual(journals);
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
}

/** With other words about requests in the configuration. */
async function withRequests<T>(change: object, work: () => Promise<T>): Promise<T> {
  const document = parse(configuration) as { requests: object };
  await writeFile(lab.configuration, stringify({ ...document, requests: { ...document.requests, ...change } }));
  try {
    return await work();
  } finally {
    await writeFile(lab.configuration, configuration);
  }
}

it('a restore or deploy that nobody vouched for is refused, and changes nothing; backup and verify need nobody', async () => {
  const journals = journalsOf(lab);
  const other = `${SITE}-20200101.000000`;
  const refusals: [object, string, TaskType?][] = [
    [restoring(), 'RequestUnsigned'],
    [{ site: SITE, archive: backup.path }, 'RequestUnsigned', 'deploy'],
    [signed(restoring(), { key: 'x'.repeat(43) }), 'SignatureInvalid'],
    [signed(restoring(), { master: 'other' }), 'SignatureInvalid'],
    [{ ...signed({ ...restoring(), backup: other }), backup: backup.id }, 'SignatureInvalid'],
    [{ ...signed({ ...restoring(), site: 'other.example' }), site: SITE }, 'SignatureInvalid'],
    [{ ...signed(restoring()), noFence: true }, 'SignatureInvalid'],
    [signed({ site: SITE, archive: backup.path }, {}, 'restore'), 'SignatureInvalid', 'deploy'],
    [signed(restoring(), { validForMs: -1000 }), 'RequestExpired'],
    [{ ...restoring(), signature: 'please' }, 'InputInvalid'],
  ];
  await besideWorker(async () => {
    for (const [input, code, type] of refusals) expect([input, await start(input, type)]).toEqual([input, code]);
    await expectUntouched(journals);
    expect(await start({ site: SITE }, 'verify')).toBeNull();
    await withRequests({ sign: ['verify'] }, async () => {
      expect(await start({ site: SITE }, 'verify')).toBe('RequestUnsigned');
      expect(await start(signed({ site: SITE }, {}, 'verify'), 'verify')).toBeNull();
      // What does not know of it signs all the same.
      await cliJson(lab, 'verify', SITE);
    });
    expect(await start({ site: SITE }, 'backup')).toBeNull();
  });
});

it('a signed one is done once: not again by a copy, a reset, or a copy in the queue', async () => {
  const input = signed(restoring());
  await besideWorker(async () => {
    expect(await start(input)).toBeNull();
    const journals = journalsOf(lab);
    const { runId } = await client.temporal.workflow.getHandle(`site/${SITE}`).describe();
    expect(await start(input)).toBe('RequestReplayed');
    const queued: SubmitRequest = { type: 'restore', input, waitTurn: true };
    await expect(ask(queued)).rejects.toMatchObject({ code: 'RequestReplayed' });
    await expect(ask({ ...queued, input: restoring() })).rejects.toMatchObject({ code: 'RequestUnsigned' });

    const run = client.temporal.workflow.getHandle(`site/${SITE}`, runId);
    const { events } = await run.fetchHistory();
    const first = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
    await client.temporal.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: `site/${SITE}`, runId },
      workflowTaskFinishEventId: first ?? null,
      reason: 'pressed in the test',
      requestId: 'reset',
    });
    const again = client.temporal.workflow.getHandle(`site/${SITE}`);
    await expect(again.result()).rejects.toMatchObject({ cause: { type: 'TaskWasReset' } });
    await expectUntouched(journals);
  });
});

const ask = (request: SubmitRequest) =>
  submit(client.temporal, taskQueueOf('lab'), request, { timeoutMs: 20_000, keep: false });

it('a turn that was accepted in time begins late; one that was given up never does', async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const holding = withWorkerInProcess(
    lab,
    (real) => ({
      ...real,
      archives: {
        ...real.archives,
        pack: async (request, operation) => (await released, real.archives.pack(request, operation)),
      },
    }),
    async () => {
      const first = await client.backup({ site: SITE });
      const late = signed(restoring(), { validForMs: 3_000, waitTurn: true });
      const impatient = signed(restoring(), { validForMs: 3_000 });
      const givenUp = signed(restoring(), { waitTurn: true });
      const refused = signed(restoring());
      const tickets = [
        await ask({ type: 'restore', input: late, waitTurn: true }),
        await ask({ type: 'restore', input: impatient, waitTurn: true }),
        await ask({ type: 'restore', input: givenUp, waitTurn: true }),
      ];
      await expect(ask({ type: 'restore', input: refused, waitTurn: false })).rejects.toMatchObject({
        code: 'SiteBusy',
      });
      const [waits, expires, goes] = tickets.map(({ task }) => client.task(SITE, task));
      await goes?.cancel();
      await until('both have expired', () => Date.now() > new Date(impatient.signature.expires).getTime());
      release();
      await first.result();
      await waits?.result();
      await expect(expires?.result()).rejects.toMatchObject({ code: 'RequestExpired' });
      await untilFree();
      expect(await start(givenUp)).toBe('RequestReplayed');
      expect(await start(refused)).toBe('RequestReplayed');
      expect(await start(late)).toBe('RequestReplayed');
    },
  );
  await holding;
  expect(differences(before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
});

async function untilFree(): Promise<void> {
  await client.temporal.workflow
    .getHandle(`site/${SITE}`)
    .result()
    .catch(() => undefined);
  await delay(0);
}

it('an attempt that is lost between using the request up and its journal loses nothing, and nothing is done twice', async () => {
  const journals = journalsOf(lab).length;
  const lost = new KedgeError('HostUnreachable', 'the attempt was lost');
  let attempts = 0;
  await withWorkerInProcess(
    lab,
    (real) => ({
      ...real,
      journals: new Proxy(real.journals, {
        get(inner, name) {
          const value: unknown = Reflect.get(inner, name, inner);
          if (name === 'begin' && (attempts += 1) === 1) return () => Promise.reject(lost);
          return typeof value === 'function' ? (value.bind(inner) as unknown) : value;
        },
      }),
    }),
    async () => {
      const input = signed(restoring());
      expect(await start(input)).toBeNull();
      expect(await start(input)).toBe('RequestReplayed');
    },
  );
  expect(attempts).toBe(2);
  expect(journalsOf(lab)).toHaveLength(journals + 1);
});

it('KedgeClient signs with the key it is given, or with that of its environment; without one it is told', async () => {
  const connect = (environment: Record<string, string>, options = {}) =>
    KedgeClient.connect('lab', { TEMPORAL_ADDRESS: lab.temporal.address, ...environment }, options);
  const attempt = async (of: KedgeClient): Promise<unknown> => {
    try {
      return await (await of.restore(restoring())).result();
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      await of.close();
    }
  };
  await besideWorker(async () => {
    expect(await attempt(await connect({}))).toBe('RequestUnsigned');
    expect(await attempt(await connect({}, { signingKey: 'x'.repeat(43) }))).toBe('SignatureInvalid');
    expect(await attempt(await connect({}, { signingKey: key }))).toMatchObject({ restored: backup.id });
    await expect(connect({ KEDGE_SIGNING_KEY_FILE: '/nowhere/key' })).rejects.toMatchObject({
      code: 'SecretUnavailable',
    });
    // The key changes: services go on with the one before until they have the new one.
    const next = join(lab.folder, 'next.key');
    await writeFile(next, `${'n'.repeat(43)}\n`, { mode: 0o600 });
    const rotated = { key: { file: next }, previousKey: { file: join(lab.folder, 'signing.key') } };
    await withRequests(rotated, async () => {
      expect(await start(signed(restoring()))).toBeNull();
      await cliJson<RestoreResult>(lab, 'restore', SITE, backup.id, '--yes');
    });
    await withRequests({ key: { file: next } }, async () => {
      expect(await start(signed(restoring()))).toBe('SignatureInvalid');
    });
  });
});

it('a service deploys archives of the named folders alone, whatever its path says', async () => {
  const archives = join(lab.folder, 'archives');
  await mkdir(join(archives, 'deep'), { recursive: true, mode: 0o755 });
  await copyFile(backup.path, join(lab.folder, 'elsewhere.tar.zst'));
  await copyFile(backup.path, join(archives, 'here.tar.zst'));
  await symlink('../elsewhere.tar.zst', join(archives, 'link.tar.zst'));
  const deploying = async (archive: string): Promise<string> => {
    const task = await client.deploy({ site: SITE, archive }, { waitTurn: true });
    return task.result().then(
      () => 'done',
      (error: unknown) => (error as KedgeError).code,
    );
  };
  await besideWorker(() =>
    withRequests({ deployFrom: [archives] }, async () => {
      for (const path of ['../elsewhere.tar.zst', 'deep/../../elsewhere.tar.zst', '../signing.key', '..'])
        expect([path, await deploying(join('/', `${archives}/${path}`))]).toEqual([path, 'FileRefused']);
      expect(await deploying(`${archives}/deep/../../elsewhere.tar.zst`)).toBe('FileRefused');
      // These lie in a named folder: it is the site, which is there already, that refuses.
      for (const path of [backup.path, `${archives}/here.tar.zst`, `${archives}/deep/../here.tar.zst`])
        expect([path, await deploying(path)]).toEqual([path, 'SiteFolderRefused']);
    }),
  );
});
