import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { parse, stringify } from 'yaml';
import { filesOf } from '../../scripts/lab/fingerprint';
import { type Activities, createActivities } from '../../src/activities';
import { Attempts } from '../../src/activities/attempts';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { type CompositionOptions, type MasterParts, createParts } from '../../src/composition';
import { loadConfiguration } from '../../src/config/load';
import type { TaskType } from '../../src/contract/names';
import type { LockWait } from '../../src/core/hosts/kernel-lock';
import { SiteLocks } from '../../src/core/tasks/site-locks';
import { proveAdoption } from '../../src/core/sites/adoption';
import { type Lab, type LabOptions, type WordPressSite, leftovers, startLab } from './e2e';
import { testOperation } from './operation';

export type ActivityName = keyof Activities;

/** The workflow run that an activity is called for. */
export interface Run {
  readonly workflowId: string;
  readonly runId: string;
}

interface Servers {
  readonly lab?: Partial<LabOptions>;
  /** Puts what is not the master's where it belongs, also in the configuration. */
  readonly place?: (lab: Lab) => Promise<CompositionOptions['hosts']>;
}

/**
 * Activities over real parts, a real site among them, and without Temporal: a test calls them in the place of a workflow, in
 * whatever order, and says which runs live.
 */
export class ActivityLab {
  private tasks = 0;

  private constructor(
    readonly lab: Lab,
    readonly site: WordPressSite,
    readonly parts: MasterParts,
    private readonly activities: Activities,
    /** Ids of the runs that Temporal would say are open. */
    readonly running: Set<string>,
  ) {}

  /** `change`: what is put in the place of parts. `servers`: how the lab is begun, and what is another machine of it. */
  static async start(
    wait: LockWait = {},
    change: (real: ActivityDependencies) => ActivityDependencies = (real) => real,
    servers: Servers = {},
  ): Promise<ActivityLab> {
    const lab = await startLab({ sites: ['gazette.example'], ...servers.lab });
    try {
      return await ActivityLab.over(lab, wait, change, servers);
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  private static async over(
    lab: Lab,
    wait: LockWait,
    change: (real: ActivityDependencies) => ActivityDependencies,
    servers: Servers,
  ): Promise<ActivityLab> {
    const site = lab.sites[0] as WordPressSite;
    // Requests are vouched for elsewhere: here everybody may ask, and the journal alone says what is next.
    const { requests: _key, ...unsigned } = parse(readFileSync(lab.configuration, 'utf8')) as { requests: unknown };
    writeFileSync(lab.configuration, stringify(unsigned));
    const hosts = await servers.place?.(lab);
    const configuration = await loadConfiguration(lab.configuration);
    const parts = createParts({
      ...{ configuration, configurationPath: lab.configuration, environment: process.env },
      ...(hosts === undefined ? {} : { hosts }),
    });
    const running = new Set<string>();
    const dependencies: ActivityDependencies = {
      ...parts,
      locks: new SiteLocks(join(lab.state, 'locks'), parts.master, wait),
      attempts: new Attempts(),
      afterTask: () => undefined,
      runStateOf: async (_workflowId, runId) => (running.has(runId) ? 'running' : 'closed'),
      outcomeOf: async () => null,
      whoRuns: async () => null,
      pauseOf: async () => null,
      attentionAfterMs: 1000,
    };
    const started = new ActivityLab(lab, site, parts, createActivities(change(dependencies)), running);
    await started.adopt();
    return started;
  }

  async stop(): Promise<void> {
    await this.parts.close();
    await this.lab.stop();
  }

  /** An id that a task of this site may have, another one each time. */
  newTask(type: TaskType): string {
    this.tasks += 1;
    return `${this.site.uri}-20261124.${String(this.tasks).padStart(6, '0')}-${type}`;
  }

  /** Calls an activity as the given run does. */
  async call(run: Run, name: string, ...args: unknown[]): Promise<unknown> {
    const environment = new MockActivityEnvironment(
      { activityType: name, attempt: 1, workflowExecution: run },
      { logger: new DefaultLogger('ERROR', () => undefined) },
    );
    const activity = this.activities[name as ActivityName] as (...all: unknown[]) => Promise<unknown>;
    return environment.run(activity, ...args);
  }

  /** The code with which an activity is refused, or what it returned. */
  async outcome(run: Run, name: string, ...args: unknown[]): Promise<unknown> {
    return this.call(run, name, ...args).then(
      (value) => ({ value }),
      (error: Error & { code?: string }) => error.code ?? `${error.name}: ${error.message}`,
    );
  }

  /** Everything a refused call may not change: the site's files and what lies beside them, databases, accounts, flags, vhosts, state. */
  async snapshot(): Promise<Record<string, unknown>> {
    const { lab } = this;
    const { processes: _processes, ...left } = await leftovers(lab);
    const tables = await lab.mariadb.query(
      `SELECT CONCAT(table_schema, '.', table_name, ' ', IFNULL(update_time, ''), ' ', IFNULL(table_rows, '')) FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql') AND table_name NOT LIKE '%options%' ORDER BY 1`,
    );
    return {
      ...left,
      tables: tables.replaceAll(/ \d+$/gm, ''),
      files: filesOf(join(lab.folder, 'srv')),
      vhosts: filesOf(lab.nginx.address.vhosts),
      catalogue: filesOf(lab.backups),
      journals: this.stateFiles('tasks'),
      states: this.stateFiles('sites'),
    };
  }

  private stateFiles(name: string): Record<string, string> {
    const folder = join(this.lab.state, name);
    if (!existsSync(folder)) return {};
    const names = readdirSync(folder).filter((file) => file.endsWith('.json'));
    return Object.fromEntries(names.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  }

  private async adopt(): Promise<void> {
    const { parts, site } = this;
    const operation = testOperation();
    const { location, folder, kind, webServer, databaseServer } = parts.siteAtWork(await parts.resolveTarget(site.uri));
    const { settings, account } = await proveAdoption({
      folder,
      kind,
      server: await databaseServer(),
      claimedDatabases: new Map(),
      environmentOf: () => Promise.resolve([]),
      operation,
    });
    await parts.states.save({
      version: 1,
      site: site.uri,
      current: {
        database: settings.database,
        account: { user: account.user, hosts: [...account.hosts] },
        password: settings.password,
        address: settings.address,
        madeByKedge: false,
      },
      kept: [],
    });
    await webServer.writeVhost(location, operation);
  }
}
