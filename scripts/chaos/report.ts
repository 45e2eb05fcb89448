import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { FAULTS } from './plan';
import type { RoundReport } from './round';

/** What many rounds were, in numbers. */
export interface Totals {
  rounds: number;
  broken: number[];
  readonly outcomes: Record<string, number>;
  readonly faults: Record<string, number>;
  readonly answers: Record<string, number>;
  backupsChecked: number;
  workersEndedByThemselves: number;
}

export function noRounds(): Totals {
  return {
    rounds: 0,
    broken: [],
    outcomes: {},
    faults: {},
    answers: {},
    backupsChecked: 0,
    workersEndedByThemselves: 0,
  };
}

export function addRound(totals: Totals, round: number, report: RoundReport): void {
  totals.rounds += 1;
  if (report.broken.length > 0) totals.broken.push(round);
  for (const part of ['outcomes', 'faults', 'answers'] as const)
    for (const [name, count] of Object.entries(report[part])) totals[part][name] = (totals[part][name] ?? 0) + count;
  totals.backupsChecked += report.backupsChecked;
}

/** The numbers in a few lines. */
export function summaryOf(totals: Totals): string[] {
  const listed = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const { rounds, broken, backupsChecked, workersEndedByThemselves } = totals;
  return [
    `${rounds} rounds, ${broken.length} with a broken promise${broken.length === 0 ? '' : `: ${broken.join(', ')}`}`,
    `tasks: ${listed(totals.outcomes)}`,
    `faults: ${listed(totals.faults)}`,
    `answers to the visitor: ${listed(totals.answers)}`,
    `backups checked: ${backupsChecked}; workers that ended by themselves and were started again: ${workersEndedByThemselves}`,
  ];
}

/** What `docs/reliability.md` says of the answers. */
const ANSWERS: Record<string, string> = {
  before: 'the version from before, whole',
  after: 'the restored or deployed version, whole',
  maintenance: 'the maintenance page',
  outage: 'none or an error, while nginx, PHP-FPM or MariaDB was away by our doing',
  absent: 'none, of a site that was not deployed yet',
  cut: 'cut off, by a reload of nginx',
};

/** The page of the last figures. */
export function pageOf(totals: Totals, { seed, minutes }: { seed: number; minutes: number }): string {
  const line = (program: string, ...args: string[]): string =>
    execFileSync(program, args).toString().split('\n')[0]?.trim() ?? '';
  const table = (head: string, rows: readonly (readonly [string, number])[]): string =>
    [`| ${head} | count |`, '| --- | --- |', ...rows.map(([name, count]) => `| ${name} | ${count} |`)].join('\n');
  const faults = FAULTS.map((kind): [string, number] => [kind, totals.faults[kind] ?? 0]);
  const outcomes = Object.entries(totals.outcomes).sort(([, a], [, b]) => b - a);
  const answers = Object.entries(ANSWERS).map(([kind, what]): [string, number] => [what, totals.answers[kind] ?? 0]);
  const verdict =
    totals.broken.length === 0
      ? 'No promise was broken.'
      : `Promises were broken in ${totals.broken.length} rounds: ${totals.broken.join(', ')}.`;
  return `# Reliability

Written by \`npm run chaos -- --minutes ${minutes} --seed ${seed} --write\`: the figures of the last run that was kept.

- ${new Date().toISOString().slice(0, 10)}, commit ${line('git', 'rev-parse', '--short', 'HEAD')}, seed ${seed}, ${minutes} minutes, ${cpus().length} processors, Node ${process.versions.node}
- ${totals.rounds} rounds. **${verdict}**

In each round tasks run on four WordPress sites at once, with two workers, and faults come when a task has come to a step that is drawn, as the
fault is. A visitor asks one of the sites every 20 ms all the while. When the tasks have ended each site must be what its task says:
restored or deployed when it is done, else as it was before, by every page, file, table and definition; its account must be able
to write; no maintenance flag, staged folder, spool, open journal, unfinished backup, process, database or account may be left; every backup that was
published must pass \`kedge backups check\`; every answer to the visitor must be one whole version (of code that PHP caches, of a file, and of
a row) or the maintenance page, and the old version may not be seen after the new one; a command that says a task is done or cancelled must be right.

${table('tasks that ended as', outcomes)}

${table('faults', faults)}

${table('answers to the visitor', answers)}

Backups read back, every byte: ${totals.backupsChecked}. Workers that ended by themselves, Temporal being away, and were started again: ${totals.workersEndedByThemselves}.

Beside it \`npm run test:full\` kills the worker, Temporal, MariaDB, PHP-FPM and nginx at every step of every kind of task and at every undo
(\`test/full/crash-matrix.test.ts\`), and \`npm test\` a few drawn ones.
`;
}
