import { execFileSync } from 'node:child_process';
import { type Outcome, type WorkerProcess, kedge, listenToOutput, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Lab, type LabOptions, startLab as startLabBelow } from '../../scripts/lab/lab';
import { memoryFolder } from '../../scripts/lab/memory-folder';
import type { WordPressSite } from '../../scripts/lab/wordpress';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import { expectNoneForgotten, expectNothingLeft } from './nothing-left';
import { SecretSweep } from './secret-sweep';

export type { Lab, LabOptions, Outcome, WordPressSite };
export { type JournalView, journalsOf, leftovers, markedProcesses, recordsOf } from '../../scripts/lab/leftovers';

/**
 * A lab in memory where there is room for it. When it is stopped, it looks for its passwords in all that its commands said and wrote,
 * for databases that nobody knows of, and for processes, mounts and files that outlive it: any of it fails the test file.
 */
export async function startLab({
  leaksOnPurpose = false,
  ...options
}: Omit<LabOptions, 'below'> & { readonly leaksOnPurpose?: boolean }): Promise<Lab> {
  const started = await startLabBelow({ withoutAdministration: true, ...options, below: await memoryFolder() });
  const sweep = new SecretSweep(started, options.adminPassword);
  sweeps.set(started.configuration, sweep);
  return {
    ...started,
    stop: async () => {
      let leaked: string[] = [];
      try {
        await (await workers.get(started.configuration))?.stop();
        if (!leaksOnPurpose) leaked = sweep.leaks();
        if (leaked.length === 0) await expectNoneForgotten(started);
      } finally {
        workers.delete(started.configuration);
        sweeps.delete(started.configuration);
        await started.stop();
      }
      await expectNothingLeft(started.folder);
      if (leaked.length > 0) throw new Error(`passwords of the lab are where they may not be:\n${leaked.join('\n')}`);
    },
  };
}

/** A lab that is served: a worker runs until the lab is stopped, and its sites are adopted. */
export interface ServedLab {
  readonly lab: Lab;
  /** Its first site. */
  readonly site: WordPressSite;
  /** Ended with the lab; whoever ends it sooner starts another, and ends that. */
  readonly worker: WorkerProcess;
}

export async function startServedLab(...sites: readonly string[]): Promise<ServedLab> {
  const started = await startLab({ sites: sites.length > 0 ? sites : ['gazette.example'] });
  let worker: WorkerProcess | undefined;
  const stop = async (): Promise<void> => {
    try {
      await worker?.stop();
    } finally {
      await started.stop();
    }
  };
  try {
    worker = await startWorkerProcess(started.environment);
    for (const { uri } of started.sites) await cliJson(started, 'sites', 'adopt', uri);
  } catch (error) {
    // What is left says less than why it did not start.
    await stop().catch(() => undefined);
    throw error;
  }
  return { lab: { ...started, stop }, site: started.sites[0] as WordPressSite, worker };
}

/** By the configuration of their lab. */
const sweeps = new Map<string, SecretSweep>();

listenToOutput((configuration, what, text) => {
  const sweep = sweeps.get(configuration ?? '');
  sweep?.hear(what, text);
  sweep?.learn();
});

/** Runs a command of the built product against a lab. */
export async function cli(lab: Lab, ...args: string[]): Promise<Outcome> {
  return kedge(args, lab.environment);
}

/** The JSON document of a command that ends well. */
export async function cliJson<T>(lab: Lab, ...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await cli(lab, ...args, '--json');
  if (exitCode !== 0 && exitCode !== 3)
    throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as T;
}

export interface FailureDocument {
  error: {
    code: string;
    message: string;
    hint?: string;
    site?: string;
    server?: string;
    state?: string;
    safetyBackup?: string;
  };
}

/** The error document and exit code of a command that fails. */
export async function cliFailure(
  lab: Lab,
  ...args: string[]
): Promise<FailureDocument['error'] & { exitCode: number }> {
  const { exitCode, stdout, stderr } = await cli(lab, ...args, '--json');
  if (exitCode === 0 || exitCode === 3) throw new Error(`kedge ${args.join(' ')} did not fail: ${stdout}${stderr}`);
  return { ...(JSON.parse(stdout) as FailureDocument).error, exitCode };
}

/** A worker in this process, and the parts it works with now. */
interface WorkerInProcess {
  use(decorate: (dependencies: ActivityDependencies) => ActivityDependencies): void;
  stop(): Promise<void>;
}

/** By the configuration of their lab. */
const workers = new Map<string, Promise<WorkerInProcess>>();

/**
 * Runs `work` beside a worker in this process, with faults around its parts. One worker serves all the calls for a lab, and
 * ends with the lab.
 */
export async function withWorkerInProcess<T>(
  lab: Lab,
  decorate: (dependencies: ActivityDependencies) => ActivityDependencies,
  work: () => Promise<T>,
): Promise<T> {
  const starting = workers.get(lab.configuration) ?? startWorkerInProcess(lab);
  workers.set(lab.configuration, starting);
  const worker = await starting;
  worker.use(decorate);
  try {
    return await work();
  } finally {
    worker.use((dependencies) => dependencies);
  }
}

async function startWorkerInProcess(lab: Lab): Promise<WorkerInProcess> {
  // Loaded by those alone who need it: it takes a second.
  const [{ loadConfiguration }, { runWorker }] = await Promise.all([
    import('../../src/config/load.js'),
    import('../../src/worker.js'),
  ]);
  const stop = new AbortController();
  const configuration = await loadConfiguration(lab.configuration);
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => (ready = resolve));
  let real: ActivityDependencies | undefined;
  let inUse: ActivityDependencies | undefined;
  const running = runWorker({
    configuration,
    configurationPath: lab.configuration,
    environment: { ...process.env, ...lab.environment },
    signal: stop.signal,
    onReady: () => ready(),
    decorate: (dependencies) => {
      real = inUse = dependencies;
      return new Proxy(dependencies, {
        get: (_dependencies, name) => Reflect.get(inUse ?? dependencies, name) as unknown,
      });
    },
  });
  await Promise.race([isReady, running]);
  return {
    use: (decorate) => {
      if (real) inUse = decorate(real);
    },
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** A command of the system, for the test's own needs. */
export function shell(...argv: [string, ...string[]]): string {
  return execFileSync(argv[0], argv.slice(1)).toString();
}
