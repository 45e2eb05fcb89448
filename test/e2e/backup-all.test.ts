import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { KedgeClient } from '../../src/client';
import { type BackupAllReport, backupAllReportSchema, schedulesListSchema } from '../../src/contract/documents';
import { type Lab, cli, cliJson, journalsOf, leftovers, recordsOf, startLab } from '../helpers/e2e';
import { addSmallSites } from '../helpers/many-sites';
import { startCommand, startHoldingWorker } from '../helpers/running-process';
import { until } from '../helpers/until';

jest.setTimeout(180_000);

const SITE = 'gazette.example';
let lab: Lab;
let worker: WorkerProcess | null = null;

beforeAll(async () => {
  lab = await startLab({ sites: [SITE] });
  await addSmallSites(lab, { count: 2 });
  await cliJson(lab, 'sites', 'adopt', SITE);
  worker = await startWorkerProcess(lab.environment);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

function configure(more: object): void {
  const document = parse(readFileSync(lab.configuration, 'utf8')) as object;
  writeFileSync(lab.configuration, stringify({ ...document, ...more }, { aliasDuplicateObjects: false }));
}

async function report(...args: string[]): Promise<BackupAllReport & { exitCode: number }> {
  const { exitCode, stdout, stderr } = await cli(lab, 'backup', ...args, '--json');
  const document = backupAllReportSchema.safeParse(JSON.parse(stdout));
  if (!document.success) throw new Error(`kedge backup ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return { ...document.data, exitCode };
}

const outcomes = ({ sites }: BackupAllReport) => sites.map(({ site, outcome }) => [site, outcome]);

it('three sites, one broken: one report, exit code 1; the others have their backups', async () => {
  await lab.mariadb.query('DROP DATABASE small1');
  const all = await report('--all', '-m', 'before the move');
  expect(all).toMatchObject({ exitCode: 1, done: 2, failed: 1, pruned: 0 });
  expect(outcomes(all)).toEqual([
    [SITE, 'done'],
    ['small0.example', 'done'],
    ['small1.example', 'failed'],
  ]);
  const [gazette, , broken] = all.sites;
  expect(broken).toMatchObject({ backup: null, error: { code: expect.any(String) as string } });
  expect(broken?.error?.message).toMatch(/small1/);
  const record = recordsOf(lab, SITE).find(({ id }) => id === gazette?.backup);
  expect(record).toMatchObject({ description: 'before the move', bytes: gazette?.bytes, task: gazette?.task });
  expect(await leftovers(lab)).toMatchObject({ spool: [], open: [], temporary: [], processes: [] });
});

it('names, wildcards and pruning; the table for people', async () => {
  configure({ keep: { last: 1 } });
  const { exitCode, stdout, stderr } = await cli(lab, 'backup', 'SMALL0*', SITE.toUpperCase(), '--prune');
  expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/✓ small0\.example/)]);
  expect(stdout).toMatch(/^gazette\.example +done +gazette\.example-\d{8}\.\d{6}.*\nsmall0\.example +done/m);
  expect(stdout).toMatch(/^2 backed up, 0 of them .*, 0 failed, 2 old ones deleted, in /m);
  for (const site of [SITE, 'small0.example']) expect(recordsOf(lab, site)).toHaveLength(1);
});

it('a schedule that is applied backs up by what the configuration says then; its end is listed', async () => {
  configure({ schedules: { nightly: { cron: '@yearly', sites: ['small0*'] } } });
  expect((await cli(lab, 'schedules', 'apply', '--yes')).stdout).toBe('nightly: made\n');
  configure({ schedules: { nightly: { cron: '@yearly', sites: ['small*'], prune: true } } });
  const client = await KedgeClient.connect('lab', { ...process.env, ...lab.environment });
  try {
    await client.temporal.schedule.getHandle('kedge/lab/nightly').trigger();
  } finally {
    await client.close();
  }
  const last = async () => {
    const { stdout } = await cli(lab, 'schedules', '--json');
    return schedulesListSchema.parse(JSON.parse(stdout)).schedules[0]?.last;
  };
  await until('it has ended', async () => !['running', undefined].includes((await last())?.outcome));
  expect(await last()).toMatchObject({ outcome: 'failed', counts: { done: 1, failed: 1, pruned: 1 }, error: null });
  expect(recordsOf(lab, 'small0.example')).toMatchObject([
    { description: 'Automated backup', who: 'schedule nightly' },
  ]);
  expect((await cli(lab, 'schedules')).stdout).toMatch(/^nightly .* 2 .*failed: 1 backed up, 1 failed +0 +0$/m);
});

it('Ctrl-C without a terminal cancels all of it: nothing more begins, what runs undoes, exit code 130', async () => {
  await worker?.stop();
  worker = null;
  const holding = await startHoldingWorker(lab);
  try {
    const before = journalsOf(lab).length;
    const command = startCommand(lab, ['backup', SITE, 'small0.example', '--json']);
    await Promise.all([holding.said('holding'), command.said('backup-all/')]);
    await until('both are at work', () => journalsOf(lab).length === before + 2);
    command.signal('SIGINT');
    expect(await command.end()).toBe(130);
    expect((JSON.parse(command.stdout) as { error: { code: string } }).error.code).toBe('Cancelled');
    expect(journalsOf(lab).filter(({ outcome }) => outcome?.status === 'cancelled')).toHaveLength(2);
    expect(await leftovers(lab)).toMatchObject({ spool: [], open: [], temporary: [], processes: [] });
  } finally {
    await holding.end('SIGTERM');
  }
});
