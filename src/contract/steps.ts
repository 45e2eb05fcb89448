import type { TaskType } from './names';
import type { HookName } from './target';

/**
 * The one table of steps, in the order in which a whole restore takes them; every other task takes some of them in the
 * same order. By it the journal says which step of a task is next, whoever asks. Free of zod: workflow code imports it.
 */
interface StepEntry {
  /** Tasks that take it. */
  readonly in: readonly TaskType[];
  /** What takes it back, also when it failed half-way; null where there is nothing to take back. */
  readonly undoneBy: string | null;
  /** A backup takes it only when it was asked to keep the site quiet meanwhile. */
  readonly quiesce?: true;
  /** What it does another step does where it did not: a workflow of a Kedge before it goes on without. */
  readonly mayBeLeftOut?: true;
  /** Taken by sites alone that have this hook. */
  readonly hook?: HookName;
  /** Steps of one name here run side by side. */
  readonly sideBySide?: string;
}

export const STEPS = {
  preflight: { in: ['backup', 'restore', 'deploy', 'verify'], undoneBy: null },
  'runHook before': { in: ['backup', 'restore', 'deploy'], undoneBy: null, hook: 'before' },
  proveDefinitions: { in: ['backup'], undoneBy: 'discardUnpublished', quiesce: true, mayBeLeftOut: true },
  enterMaintenance: { in: ['backup', 'restore'], undoneBy: 'leaveMaintenance', quiesce: true },
  fenceWrites: { in: ['backup', 'restore'], undoneBy: 'liftFence', quiesce: true },
  'runHook fenced': { in: ['backup', 'restore'], undoneBy: null, quiesce: true, hook: 'fenced' },
  dumpDatabase: { in: ['backup', 'restore'], undoneBy: 'discardUnpublished', sideBySide: 'gather' },
  syncRemote: { in: ['backup', 'restore'], undoneBy: null, sideBySide: 'gather' },
  tarball: { in: ['backup', 'restore'], undoneBy: 'discardUnpublished' },
  publishBackup: { in: ['backup', 'restore'], undoneBy: 'discardUnpublished' },
  deploy: { in: ['restore', 'deploy'], undoneBy: 'discardStaged' },
  createDatabase: { in: ['restore', 'deploy'], undoneBy: 'discardDatabase' },
  importDatabase: { in: ['restore', 'deploy'], undoneBy: 'discardDatabase' },
  createDbUser: { in: ['restore', 'deploy'], undoneBy: 'discardDatabase' },
  verify: { in: ['restore', 'deploy', 'verify'], undoneBy: null },
  switchSite: { in: ['restore', 'deploy'], undoneBy: 'switchBack' },
  reloadWebServer: { in: ['restore', 'deploy', 'verify'], undoneBy: 'putVhostBack' },
  'runHook afterSwitch': { in: ['restore', 'deploy'], undoneBy: null, hook: 'afterSwitch' },
  probeSite: { in: ['restore', 'deploy', 'verify'], undoneBy: null },
  /** The commit point: whatever follows it only goes forward, in any order. */
  commitSwitch: { in: ['restore', 'deploy'], undoneBy: null },
} as const satisfies Record<string, StepEntry>;
export type StepName = keyof typeof STEPS;
export type UndoName = NonNullable<(typeof STEPS)[StepName]['undoneBy']>;

const ENTRIES = Object.entries(STEPS) as [StepName, StepEntry][];

/** Every undo there is, in the order in which a whole restore registers them; they run the other way round. */
export const UNDOS = [
  ...new Set(ENTRIES.flatMap(([, step]) => (step.in.includes('restore') ? (step.undoneBy ?? []) : []))),
] as UndoName[];

/** What decides which steps a task takes. */
export interface Accepted {
  readonly type: TaskType;
  /** A backup that keeps the site quiet. */
  readonly quiesce: boolean;
  /** Hooks the site has. */
  readonly hooks: readonly HookName[];
}

/** The steps of a task up to its commit point, in order. */
export function planOf({ type, quiesce, hooks }: Accepted): StepName[] {
  return ENTRIES.filter(
    ([, step]) =>
      step.in.includes(type) &&
      (step.quiesce === undefined || type !== 'backup' || quiesce) &&
      (step.hook === undefined || hooks.includes(step.hook)),
  ).map(([name]) => name);
}

/** True for a step that others do not wait for. */
export function mayBeLeftOut(step: StepName): boolean {
  return (STEPS[step] as StepEntry).mayBeLeftOut === true;
}

/** True for two steps of which neither waits for the other. */
export function runSideBySide(one: StepName, other: StepName): boolean {
  const group = (STEPS[one] as StepEntry).sideBySide;
  return group !== undefined && group === (STEPS[other] as StepEntry).sideBySide;
}

/** True for a name of the table. */
export function isStepName(name: string): name is StepName {
  return Object.hasOwn(STEPS, name);
}
