import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { parse, stringify } from 'yaml';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { createFleetActivities } from '../../src/activities/fleet';
import { loadConfiguration } from '../../src/config/load';
import { wantedSchedulesOf } from '../../src/config/wanted-schedules';
import type { BackupRecord } from '../../src/contract/backup-record';
import type { BackupAllResult } from '../../src/contract/fleet';
import { promptQueueOf, taskQueueOf, timeStamp } from '../../src/contract/names';
import { MasterSchedules } from '../../src/temporal/schedules';
import { BareMaster, SITE } from './bare-master';
import { BACKUP } from './configured-folder';
import { until } from './until';
import { startWorkflowEnvironment } from './workflow-environment';

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
/** With the end of summer time in it. */
const FIRST = Date.UTC(2026, 9, 10);
const NIGHTS = 31;
/** Nobody was there to begin one. */
const WITHOUT_RUN = [9, 10];
/** Days at whose noon some sites had another backup, which somebody asked for. */
const BY_HAND = [4, 18];
const KEEP = { last: 2, daily: 7, weekly: 3, monthly: 2 };
const DESCRIPTION = 'Automated backup';

/**
 * A month of a schedule over many sites: Temporal's own Schedule, the real workflow of many sites, catalogue and pruning; the task of one site
 * alone is a stand-in. Sites fail, some for a week; in two nights there is no run. At the end exactly those backups are there that a plain
 * reading of the rule says.
 */
export function monthOfSchedules(count: number): void {
  it(`a month of a schedule for ${count} sites leaves exactly what the rule says`, async () => {
    const environment = await startWorkflowEnvironment();
    const master = await BareMaster.start();
    try {
      const sites = Array.from({ length: count }, (_, number) => `s${String(number).padStart(3, '0')}.example`);
      configure(master, sites);
      const configuration = await loadConfiguration(join(master.folder, 'kedge.yaml'));
      const { client, nativeConnection: connection } = environment;
      const taskQueue = taskQueueOf(configuration.master);
      const month = await Month.begin(master, sites);
      const activities = {
        ...createFleetActivities(master.parts as unknown as ActivityDependencies),
        makeBackup: (site: string, description: string, workflowId: string) =>
          month.make(site, description, workflowId),
      };
      const working = await Worker.create({
        ...{ connection, taskQueue, activities },
        workflowsPath: join(__dirname, 'month-workflows.js'),
      });
      const prompt = await Worker.create({ connection, taskQueue: promptQueueOf(taskQueue), activities });
      const ran = await prompt.runUntil(() =>
        working.runUntil(async () => {
          const schedules = new MasterSchedules(client, configuration.master);
          const wanted = wantedSchedulesOf(configuration);
          for (const difference of await schedules.compare(wanted)) await schedules.apply(difference, wanted);
          const nightly = client.schedule.getHandle(`kedge/${configuration.master}/nightly`);
          // Its own nights are to come: those of the month are caught up with, one after the other.
          await nightly.pause('the test says when');
          // In one call: of two that come at once the server may forget the first.
          await nightly.backfill(
            [
              [0, 9],
              [11, NIGHTS],
            ].map(([start = 0, end = 0]) => ({
              start: new Date(FIRST + start * DAY_MS),
              end: new Date(FIRST + end * DAY_MS - 1),
              overlap: 'BUFFER_ALL' as const,
            })),
          );
          return untilRan(client, NIGHTS - WITHOUT_RUN.length);
        }),
      );
      for (const { night, result } of ran) {
        const failed = sites.filter((_site, number) => fails(number, night)).length;
        expect({ night, ...result }).toMatchObject({ night, sites: count, done: count - failed, failed });
      }
      for (const site of sites) expect({ site, kept: await month.kept(site) }).toEqual({ site, kept: month.due(site) });
      // What is compared is neither all nor nothing.
      const lengths = sites.map((site) => month.due(site).length);
      expect(Math.min(...lengths)).toBeGreaterThan(6);
      expect(Math.max(...lengths)).toBeLessThan(NIGHTS / 2);
    } finally {
      await master.stop();
      await environment.teardown();
    }
  });
}

function configure(master: BareMaster, sites: readonly string[]): void {
  const path = join(master.folder, 'kedge.yaml');
  const document = parse(readFileSync(path, 'utf8')) as { sites: Record<string, object> };
  const { [SITE]: model } = document.sites;
  const schedules = { nightly: { cron: '15 3 * * *', timeZone: 'Europe/Berlin', prune: true } };
  const named = Object.fromEntries(sites.map((site) => [site, { ...model, root: `/srv/${site}` }]));
  writeFileSync(path, stringify({ ...document, keep: KEEP, schedules, sites: named }));
}

/** Whether the site of this number fails in a night: now and then, and one of them for a week. */
function fails(number: number, night: number): boolean {
  return (number * 5 + night * 3) % 7 === 0 || (number === 1 && night >= 12 && night < 19);
}

/** Which night a run is for, by the time that Temporal appends to its ID. */
function nightOf(workflowId: string): { night: number; time: number } {
  const time = Date.parse(/nightly-(\d{4}-\d\d-\d\dT[\d:]+Z)/.exec(workflowId)?.[1] ?? '');
  return { night: Math.floor((time - FIRST) / DAY_MS), time };
}

/** The runs, once all of them have ended. */
async function untilRan(client: Client, count: number): Promise<{ night: number; result: BackupAllResult }[]> {
  const ended: string[] = [];
  const look = async (): Promise<boolean> => {
    ended.length = 0;
    for await (const { workflowId, status } of client.workflow.list({ query: "WorkflowType = 'backupAll'" }))
      if (status.name === 'COMPLETED') ended.push(workflowId);
      else if (status.name !== 'RUNNING') throw new Error(`${workflowId} is ${status.name}`);
    return ended.length === count;
  };
  await until('each night has had its run', look, 10 * 60_000);
  return Promise.all(
    ended.map(async (workflowId) => ({
      night: nightOf(workflowId).night,
      result: (await client.workflow.getHandle(workflowId).result()) as BackupAllResult,
    })),
  );
}

/** What is made of each site in the month, and what a plain reading of the rule says of it. */
class Month {
  /** Times of the backups that are to be there, by site, ms. */
  private readonly should = new Map<string, number[]>();

  private constructor(
    private readonly master: BareMaster,
    private readonly sites: readonly string[],
    private readonly model: BackupRecord,
  ) {}

  static async begin(master: BareMaster, sites: readonly string[]): Promise<Month> {
    const model = await readFile(join(master.folder, 'backups', SITE, `${BACKUP}.json`), 'utf8');
    return new Month(master, sites, JSON.parse(model) as BackupRecord);
  }

  /** The task of a site in a night. */
  async make(site: string, description: string, workflowId: string): Promise<{ warnings: string[] }> {
    const { night, time } = nightOf(workflowId);
    const number = this.sites.indexOf(site);
    const should = this.should.get(site) ?? [];
    if (number % 5 === 0 && BY_HAND.includes(night - 1)) {
      const noon = FIRST + (night - 1) * DAY_MS + 12 * HOUR_MS;
      await this.put(site, 'before the update', noon);
      should.push(noon);
    }
    if (fails(number, night)) {
      this.should.set(site, should);
      throw ApplicationFailure.nonRetryable('made to fail', 'DumpFailed');
    }
    await this.put(site, description, time);
    this.should.set(site, whatStays([...should, time]));
    return { warnings: [] };
  }

  /** Stamps of the backups that are there. */
  async kept(site: string): Promise<string[]> {
    const files = await readdir(join(this.master.folder, 'backups', site));
    const records = files.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    expect(files).toHaveLength(2 * records.length);
    return records.map((id) => id.slice(site.length + 1)).sort();
  }

  /** Stamps of those that are to be there. */
  due(site: string): string[] {
    return (this.should.get(site) ?? []).map((time) => timeStamp(new Date(time))).sort();
  }

  private async put(site: string, description: string, time: number): Promise<void> {
    const folder = join(this.master.folder, 'backups', site);
    const created = new Date(time);
    const id = `${site}-${timeStamp(created)}`;
    const record = {
      ...{ ...this.model, id, site, description },
      ...{ archive: `${id}.tar.zst`, created: created.toISOString() },
    };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, record.archive), 'x');
    await writeFile(join(folder, `${id}.json`), JSON.stringify(record));
    if (description !== DESCRIPTION) expect(description).toBe('before the update');
  }
}

/** The rule, read plainly: the newest of all, and the newest of each of the newest days, weeks and months that have one. */
function whatStays(times: readonly number[]): number[] {
  const newestFirst = [...times].sort((a, b) => b - a);
  const stays = new Set(newestFirst.slice(0, KEEP.last));
  const day = (time: number): number => Math.floor(time / DAY_MS);
  const periods: [count: number, of: (time: number) => number | string][] = [
    [KEEP.daily, day],
    // The first of January 1970 was a Thursday.
    [KEEP.weekly, (time) => Math.floor((day(time) + 3) / 7)],
    [KEEP.monthly, (time) => new Date(time).toISOString().slice(0, 7)],
  ];
  for (const [count, of] of periods) {
    const newest = new Map<number | string, number>();
    for (const time of newestFirst) if (!newest.has(of(time))) newest.set(of(time), time);
    for (const time of [...newest.values()].slice(0, count)) stays.add(time);
  }
  return newestFirst.filter((time) => stays.has(time));
}
