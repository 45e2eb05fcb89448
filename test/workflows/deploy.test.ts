import { FROM_THE_COMMIT, FakeActivities } from '../helpers/fake-activities';
import { type UndoneBy, describeUndo } from '../helpers/undo-suite';
import { WorkflowLab } from '../helpers/workflow-environment';

let lab: WorkflowLab;
beforeAll(async () => {
  lab = await WorkflowLab.start();
});
afterAll(() => lab.stop());

const input = { archive: '/root/example.com-20261124.031502.tar.zst' };
const DATABASE = ['discardDatabase', 'discardStaged'];
const SWITCH = ['switchBack', ...DATABASE];

const UNDONE_BY: UndoneBy = [
  ['findAbandonedTasks', []],
  ['preflight', []],
  ['awaitLease', []],
  ['deploy', ['discardStaged']],
  ['createDatabase', DATABASE],
  ['importDatabase', DATABASE],
  ['createDbUser', DATABASE],
  ['verify', DATABASE],
  ['switchSite', SWITCH],
  ['reloadWebServer', ['putVhostBack', ...SWITCH]],
  ['probeSite', ['putVhostBack', ...SWITCH]],
];

describeUndo('deploy', { input, undoneBy: UNDONE_BY, lab: () => lab });

describe('deploy', () => {
  it.concurrent('unpacks, imports, switches and commits, without maintenance and safety backup', async () => {
    const fake = new FakeActivities();
    const site = lab.siteWith(fake);
    const handle = await lab.start('deploy', { ...input, site });
    expect(await handle.result()).toMatchObject({ site, deployed: 'example.com-20261124.031502' });
    expect(fake.done).toEqual([...UNDONE_BY.map(([step]) => step), ...FROM_THE_COMMIT]);
  });
});
