import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Lab, type WordPressSite, cliJson, startLab } from '../helpers/e2e';
import { type Size, expectSmallHistory } from '../helpers/large-site';
import { partOfToday } from '../helpers/part-of-today';

jest.setTimeout(1_200_000);

let lab: Lab;
let worker: WorkerProcess;
beforeAll(async () => {
  lab = await startLab({ sites: ['pipes.example', 'tables.example'] });
  worker = await startWorkerProcess(lab.environment);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

const LARGE: [string, number, Size][] = [
  ['100,000 named pipes', 0, { pipes: 100_000, tables: 1 }],
  ['20,000 tables', 1, { pipes: 1, tables: 20_000 }],
];

/* One today, the other tomorrow. */
it.each(partOfToday(LARGE, 2))(
  'a site with %s is backed up and restored, and nothing of it in Temporal is large',
  async (_what, index, size) => {
    const site = lab.sites[index] as WordPressSite;
    await cliJson(lab, 'sites', 'adopt', site.uri);
    await expectSmallHistory(lab, site, size);
  },
);
