import type { WorkflowHandle } from '@temporalio/client';
import { troubleOfRun } from '../../src/temporal/notify';
import { FakeActivities } from '../helpers/fake-activities';
import { WorkflowLab } from '../helpers/workflow-environment';
import { until } from '../helpers/until';

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab?.stop());

const restore = async (fake: FakeActivities): Promise<{ handle: WorkflowHandle; runId: string }> => {
  const site = lab.siteWith(fake);
  const input = { site, backup: `${site}-20261124.031502` };
  const handle = await lab.start('restore', input);
  return { handle, runId: (await handle.describe()).runId };
};
const troubleOf = (handle: WorkflowHandle, runId: string) =>
  troubleOfRun(lab.environment.client, handle.workflowId, runId);

it('an undo that fails again and again is trouble, by its code and words, until it is mended', async () => {
  const fake = new FakeActivities()
    .set('deploy', { fails: 'ArchiveInvalid' })
    .set('discardStaged', { fails: 'FileRefused' });
  const { handle, runId } = await restore(fake);
  await until('it is trouble', async () => (await troubleOf(handle, runId)) !== null);
  expect(await troubleOf(handle, runId)).toEqual({
    code: 'FileRefused',
    message: `discardStaged in the workflow ${handle.workflowId} cannot finish: discardStaged failed`,
  });
  fake.clear('discardStaged');
  await expect(handle.result()).rejects.toThrow();
  expect(await troubleOf(handle, runId)).toBeNull();
});

it('a forward step that fails and is tried again is none, nor an undo that merely takes longer than a moment', async () => {
  const fake = new FakeActivities().set('deploy', { fails: 'DatabaseUnreachable' });
  const { handle, runId } = await restore(fake);
  await until('it has failed twice', () => fake.calls.filter((call) => call === 'deploy!').length >= 2);
  expect(await troubleOf(handle, runId)).toBeNull();
  fake.set('deploy', { fails: 'ArchiveInvalid' }).set('discardStaged', { blocks: true });
  await fake.began('discardStaged');
  await until('attention is asked for', async () => {
    const { searchAttributes } = await handle.describe();
    return searchAttributes['KedgeAttention']?.[0] === 'discardStaged';
  });
  expect(await troubleOf(handle, runId)).toBeNull();
  await handle.terminate('the test ends');
});

it('a run that Temporal does not know is none; a Temporal that does not answer says nothing', async () => {
  const { client } = lab.environment;
  expect(await troubleOfRun(client, 'site/none.example', '00000000-0000-0000-0000-000000000000')).toBeNull();
  const away = Object.assign(Object.create(client) as typeof client, {
    withDeadline: () => Promise.reject(new Error('14 UNAVAILABLE: no connection')),
  });
  expect(await troubleOfRun(away, 'site/none.example', 'run')).toBeUndefined();
});
