import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { Attempts } from '../../src/activities/attempts';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { createPreflightActivities } from '../../src/activities/preflight';
import { KedgeError } from '../../src/contract/errors';
import type { TaskType } from '../../src/contract/names';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { RequestAuthority } from '../../src/core/requests/request-authority';
import { RequestRecords } from '../../src/core/requests/request-records';
import { Epochs } from '../../src/core/tasks/epochs';
import { Journals } from '../../src/core/tasks/journals';
import { TaskLogs } from '../../src/core/tasks/task-log';
import { signRequest } from '../../src/temporal/sign-request';

const SITE = 'example.com';
const KEY = 'k'.repeat(43);
const TASK = `${SITE}-20261124.031502-restore`;
const INPUT = { site: SITE, backup: `${SITE}-20261124.031500` };
const SILENT = new DefaultLogger('ERROR');
/** The site is looked at: preflight has let the request through. */
const LOOKED = new KedgeError('HostUnreachable', 'the site was looked at');

let folder: string;
let journals: Journals;
let looked: string[];
let activities: ReturnType<typeof createPreflightActivities>;

beforeEach(async () => {
  folder = await mkdtemp('/var/tmp/kedge-preflight-');
  const master = createLocalHost({ name: 'lab' });
  journals = new Journals(join(folder, 'tasks'), join(folder, 'open'), master, () => undefined);
  looked = [];
  const look = (what: string) => () => {
    looked.push(what);
    return Promise.reject(LOOKED);
  };
  const parts: Partial<ActivityDependencies> = {
    master,
    journals,
    epochs: new Epochs(join(folder, 'epochs'), master),
    logs: new TaskLogs(join(folder, 'tasks'), (value) => value),
    attempts: new Attempts(),
    requests: new RequestAuthority({
      master: 'backup1',
      records: new RequestRecords(join(folder, 'requests'), master),
      rules: () =>
        Promise.resolve({ keys: [{ env: 'KEY' }], signed: ['restore', 'deploy'], archiveFolders: ['/srv/archives'] }),
      readKey: () => Promise.resolve(KEY),
    }),
    resolveTarget: (site) => Promise.resolve({ site: { uri: site, vhost: 'none' } } as never),
    states: { get: look('state'), find: look('state') } as never,
    siteAtWork: (target) =>
      ({ target, location: target.site, host: { status: look('folder') }, uri: target.site.uri }) as never,
  };
  activities = createPreflightActivities(parts as ActivityDependencies);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Calls it as a run of `site/<uri>` does. */
function call(
  input: object,
  { runId = 'first', type = 'restore', task = TASK }: { runId?: string; type?: TaskType; task?: string } = {},
): Promise<unknown> {
  const execution = { workflowId: `site/${SITE}`, runId };
  const info = { workflowExecution: execution, activityType: 'preflight' };
  const environment = new MockActivityEnvironment(info, { logger: SILENT });
  return environment.run(() => activities.preflight({ type, task, input }));
}

const signed = (input: object = INPUT, type: TaskType = 'restore', more = {}) =>
  signRequest(type, input, { master: 'backup1', key: KEY, ...more });

it.each<[string, object, TaskType, string]>([
  ['a restore that is not signed', INPUT, 'restore', 'RequestUnsigned'],
  ['a deploy that is not signed', { site: SITE, archive: '/srv/archives/a.tar' }, 'deploy', 'RequestUnsigned'],
  ['one that was changed', { ...signed(), noFence: true }, 'restore', 'SignatureInvalid'],
  ['one that comes too late', signed(INPUT, 'restore', { validForMs: -1 }), 'restore', 'RequestExpired'],
  [
    'an archive from elsewhere',
    signed({ site: SITE, archive: '/srv/archives/../a.tar' }, 'deploy'),
    'deploy',
    'FileRefused',
  ],
  ['a signature of another form', { ...INPUT, signature: { hmac: 'x' } }, 'restore', 'InputInvalid'],
])('%s is refused before anything of the site is looked at', async (_what, input, type, code) => {
  const task = `${SITE}-20261124.031502-${type}`;
  await expect(call(input, { type, task })).rejects.toMatchObject({ code });
  expect(looked).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

it('a signed one is let through, also again in the same run, and kept with the journal', async () => {
  const input = signed();
  await expect(call(input)).rejects.toBe(LOOKED);
  await expect(call(input)).rejects.toBe(LOOKED);
  expect((await journals.get(TASK)).nonce).toBe(input.signature.nonce);
});

it('a run that began with one request is given no other, neither a signed one nor one that needs no signature', async () => {
  await expect(call(signed())).rejects.toBe(LOOKED);
  looked = [];
  await expect(call(signed({ ...INPUT, backup: `${SITE}-20261123.031500` }))).rejects.toMatchObject({
    code: 'RequestReplayed',
    message: `${TASK} began with another request`,
  });
  // Nor is it another task, of a type that needs no signature.
  await expect(call({ site: SITE }, { type: 'verify' })).rejects.toMatchObject({ code: 'InputInvalid' });
  const verify = `${SITE}-20261124.031502-verify`;
  await expect(call({ site: SITE }, { type: 'verify', task: verify })).rejects.toMatchObject({ code: 'SiteBusy' });
  expect(looked).toEqual([]);
});

it('another run is told that it was reset where there is a journal, and that the request was used where there is none', async () => {
  const input = signed();
  await expect(call(input)).rejects.toBe(LOOKED);
  await expect(call(input, { runId: 'second' })).rejects.toMatchObject({ code: 'TaskWasReset' });
  const task = `${SITE}-20261124.031503-restore`;
  await expect(call(input, { runId: 'second', task })).rejects.toMatchObject({ code: 'RequestReplayed' });
});
