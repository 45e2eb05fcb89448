import type { TaskType } from './names';
import type { HookName } from './target';

/** What a restore knows the size of before it begins: the archive and the dump it goes back to, and those it makes. */
export type Moved = 'archive' | 'dump' | 'safetyArchive' | 'safetyDump';

/**
 * The one table of steps, in the order in which a whole restore takes them; every other task takes some of them in the
 * same order. By it the journal says which step of a task is next, whoever asks; the workflows register their undos by it,
 * and plans, summaries and estimates are made of it. Free of zod: workflow code imports it.
 */
interface StepEntry {
  /** Its line in the Temporal Web UI. */
  readonly summary: string;
  /** Tasks that take it. */
  readonly in: readonly TaskType[];
  /** What takes it back, also when it failed half-way; null where there is nothing to take back. */
  readonly undoneBy: UndoName | null;
  /** Where it falls in a restore: before the site is shut, while visitors see the maintenance page, or after that. */
  readonly phase: 'before' | 'shut' | 'after';
  /** Of what it moves the bytes in a restore, and how many a second where no earlier restore tells. */
  readonly moves?: { readonly bytesOf: Moved; readonly bytesPerSecond: number };
  /** A backup takes it only when it was asked to keep the site quiet meanwhile. */
  readonly quiesce?: true;
  /** What it does another step does where it did not: a workflow of a Kedge before it goes on without. */
  readonly mayBeLeftOut?: true;
  /** Taken by sites alone that have this hook. */
  readonly hook?: HookName;
  /** Steps of one name here run side by side. */
  readonly sideBySide?: string;
}

/** Every undo there is, and its line in the Temporal Web UI. */
export const UNDO_SUMMARIES = {
  leaveMaintenance: 'Undo: put maintenance back as it was',
  liftFence: 'Undo: unlock the account of the site',
  discardUnpublished: 'Undo: remove the unfinished backup',
  discardStaged: 'Undo: remove the unpacked files',
  discardDatabase: 'Undo: drop the new database and account',
  switchBack: 'Undo: switch to the folder before',
  putVhostBack: 'Undo: put the vhost back',
} as const;
export type UndoName = keyof typeof UNDO_SUMMARIES;

const EVERY = ['backup', 'restore', 'deploy', 'verify'] as const;
const CHANGING = ['backup', 'restore', 'deploy'] as const;
/** Tasks that make a backup. */
const SAVING = ['backup', 'restore'] as const;
/** Tasks that put what a backup holds in the place of what is there. */
const REPLACING = ['restore', 'deploy'] as const;
/** Tasks that look whether a site is right. */
const LOOKING = [...REPLACING, 'verify'] as const;

/** Steps up to the commit point. */
export const STEPS = {
  preflight: {
    summary: 'Check everything that can be known before',
    in: EVERY,
    undoneBy: null,
    phase: 'before',
    moves: { bytesOf: 'archive', bytesPerSecond: 60e6 },
  },
  'runHook before': {
    summary: 'Run the hook before of the site',
    in: CHANGING,
    undoneBy: null,
    phase: 'before',
    hook: 'before',
  },
  proveDefinitions: {
    summary: 'Try whether definitions can be restored',
    in: ['backup'],
    undoneBy: 'discardUnpublished',
    phase: 'before',
    quiesce: true,
    mayBeLeftOut: true,
  },
  enterMaintenance: {
    summary: 'Put up the maintenance page',
    in: SAVING,
    undoneBy: 'leaveMaintenance',
    phase: 'before',
    quiesce: true,
  },
  fenceWrites: {
    summary: 'Lock the account of the site',
    in: SAVING,
    undoneBy: 'liftFence',
    phase: 'shut',
    quiesce: true,
  },
  'runHook fenced': {
    summary: 'Run the hook fenced of the site',
    in: SAVING,
    undoneBy: null,
    phase: 'shut',
    quiesce: true,
    hook: 'fenced',
  },
  dumpDatabase: {
    summary: 'Dump the database',
    in: SAVING,
    undoneBy: 'discardUnpublished',
    phase: 'shut',
    moves: { bytesOf: 'safetyDump', bytesPerSecond: 40e6 },
    sideBySide: 'gather',
  },
  syncRemote: {
    summary: 'Bring the files to the master',
    in: SAVING,
    undoneBy: null,
    phase: 'shut',
    sideBySide: 'gather',
  },
  tarball: {
    summary: 'Pack files and dump',
    in: SAVING,
    undoneBy: 'discardUnpublished',
    phase: 'shut',
    moves: { bytesOf: 'safetyArchive', bytesPerSecond: 20e6 },
  },
  publishBackup: {
    summary: 'Read the archive back and publish it',
    in: SAVING,
    undoneBy: 'discardUnpublished',
    phase: 'shut',
    moves: { bytesOf: 'safetyArchive', bytesPerSecond: 60e6 },
  },
  deploy: {
    summary: 'Unpack beside the live site',
    in: REPLACING,
    undoneBy: 'discardStaged',
    phase: 'shut',
    moves: { bytesOf: 'archive', bytesPerSecond: 20e6 },
  },
  createDatabase: { summary: 'Create the new database', in: REPLACING, undoneBy: 'discardDatabase', phase: 'shut' },
  importDatabase: {
    summary: 'Import the dump',
    in: REPLACING,
    undoneBy: 'discardDatabase',
    phase: 'shut',
    moves: { bytesOf: 'dump', bytesPerSecond: 8e6 },
  },
  createDbUser: { summary: 'Complete the new account', in: REPLACING, undoneBy: 'discardDatabase', phase: 'shut' },
  verify: { summary: 'Rewrite and check the settings', in: LOOKING, undoneBy: null, phase: 'shut' },
  switchSite: { summary: 'Switch to the restored folder', in: REPLACING, undoneBy: 'switchBack', phase: 'shut' },
  reloadWebServer: { summary: 'Load vhost and code', in: LOOKING, undoneBy: 'putVhostBack', phase: 'shut' },
  'runHook afterSwitch': {
    summary: 'Run the hook afterSwitch of the site',
    in: REPLACING,
    undoneBy: null,
    phase: 'shut',
    hook: 'afterSwitch',
  },
  probeSite: { summary: 'Ask for a page', in: LOOKING, undoneBy: null, phase: 'shut' },
  /** The commit point: whatever follows it only goes forward, in any order. */
  commitSwitch: { summary: 'Commit: from here only forward', in: REPLACING, undoneBy: null, phase: 'shut' },
} as const satisfies Record<string, StepEntry>;
export type StepName = keyof typeof STEPS;

/** Steps behind the commit point, or behind the publishing of a backup: nothing takes them back. */
export const FINISHING_STEPS = {
  endMaintenance: { summary: 'Take the maintenance page away', in: REPLACING, undoneBy: null, phase: 'shut' },
  discardPrevious: { summary: 'Remove the folder before', in: REPLACING, undoneBy: null, phase: 'after' },
  discardReplacedDatabase: { summary: 'Let go of the database before', in: REPLACING, undoneBy: null, phase: 'after' },
  discardSpool: { summary: 'Clear the spool', in: CHANGING, undoneBy: null, phase: 'after' },
  runLastHook: {
    summary: 'Run the hook after of the site',
    in: CHANGING,
    undoneBy: null,
    phase: 'after',
    hook: 'after',
  },
} as const satisfies Record<string, StepEntry>;
export type FinishingStepName = keyof typeof FINISHING_STEPS;

const ENTRIES = Object.entries(STEPS) as [StepName, StepEntry][];
const FINISHING_ENTRIES = Object.entries(FINISHING_STEPS) as [FinishingStepName, StepEntry][];

/** Every undo there is, in the order in which a whole restore registers them; they run the other way round. */
export const UNDOS: readonly UndoName[] = [
  ...new Set(ENTRIES.flatMap(([, step]) => (step.in.includes('restore') ? (step.undoneBy ?? []) : []))),
];

/** The activity of a step. */
type ActivityOf<Name extends StepName> = Name extends `runHook ${string}` ? 'runHook' : Name;
export type StepActivityName = ActivityOf<StepName> | FinishingStepName | UndoName;

/** The activity that takes a step: hooks are run by one. */
function activityOf(step: StepName): string {
  return (STEPS[step] as StepEntry).hook === undefined ? step : 'runHook';
}

/** One line for the Temporal Web UI of each activity that is a step, or takes one back. */
export const STEP_SUMMARIES = Object.fromEntries([
  ...ENTRIES.map(([name, { summary }]) => [activityOf(name), summary]),
  ...FINISHING_ENTRIES.map(([name, { summary }]) => [name, summary]),
  ...Object.entries(UNDO_SUMMARIES),
  // Whoever runs one says which.
  ['runHook', 'Run a hook of the site'],
]) as Readonly<Record<StepActivityName, string>>;

/** One line for the Temporal Web UI of what is no step of a task. */
export const OTHER_SUMMARIES = {
  findAbandonedTasks: 'Look for tasks left open',
  awaitLease: 'Wait for other heavy tasks',
  maintenanceTimeLeft: 'See how long the site may still be shut',
  closeTask: 'Write the outcome',
  readJournal: 'Read the journal',
  listOpenTasks: 'List tasks left open',
  findTaskOfRequest: 'Look for the same request',
  findNewestTask: 'Look for the newest task',
  findOutcome: 'See how the task has ended',
  describeBackup: 'See what a backup was made for',
  acceptTurn: 'Keep that the request came in time',
  withdrawRequest: 'Use up a request that comes to nothing',
  whoHoldsSite: 'See who holds the site',
  listBackups: 'List backups',
  readTaskLog: 'Read the task log',
  deliverNotice: 'Tell a receiver',
  planBackups: 'Read which sites come next',
  pruneSite: 'Prune the backups of a site',
} as const;

/** True for what takes a step back. */
export function isUndoName(name: string): name is UndoName {
  return Object.hasOwn(UNDO_SUMMARIES, name);
}

/** How people are told of a step, an undo, or another activity: by its line in the Temporal Web UI. A name of neither stays as it is. */
export function sentenceOf(name: string): string {
  if (isStepName(name)) return STEPS[name].summary;
  const summaries: Readonly<Record<string, string>> = { ...OTHER_SUMMARIES, ...STEP_SUMMARIES };
  return Object.hasOwn(summaries, name) ? (summaries[name] ?? name) : name;
}

/** What takes back what this activity does as a step; null for what is no step that could be taken back. */
export function undoOf(activity: string): UndoName | null {
  return isStepName(activity) ? STEPS[activity].undoneBy : null;
}

/** What decides which steps a task takes. */
export interface Accepted {
  readonly type: TaskType;
  /** A backup that keeps the site quiet. */
  readonly quiesce: boolean;
  /** Hooks the site has. */
  readonly hooks: readonly HookName[];
}

/** The steps of a task up to its commit point, in order. */
export function planOf(accepted: Accepted): StepName[] {
  return ENTRIES.filter(([, step]) => isTaken(step, accepted)).map(([name]) => name);
}

/** The steps of a task that end it, in order. */
export function finishOf(accepted: Accepted): FinishingStepName[] {
  return FINISHING_ENTRIES.filter(([, step]) => isTaken(step, accepted)).map(([name]) => name);
}

function isTaken(step: StepEntry, { type, quiesce, hooks }: Accepted): boolean {
  return (
    step.in.includes(type) &&
    (step.quiesce === undefined || type !== 'backup' || quiesce) &&
    (step.hook === undefined || hooks.includes(step.hook))
  );
}

/** What is to be expected of a step: the part of a restore it falls in, and what it moves. */
export function stepOf(name: StepName | FinishingStepName): Pick<StepEntry, 'phase' | 'moves'> {
  return isStepName(name) ? STEPS[name] : FINISHING_STEPS[name];
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
