import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { format, resolveConfig } from 'prettier';
import { connectClient } from '../../src/temporal/connection';
import { type Lab, startLab } from '../lab/lab';
import { memoryFolder } from '../lab/memory-folder';
import { SmallDisk, canMount } from '../lab/small-disk';
import { sectionIn, withSection } from '../mutants/page';
import { describePlan, planRound } from './plan';
import { type Totals, addRound, noRounds, pageOf, summaryOf } from './report';
import { type RoundParts, runRound } from './round';
import { ChaosSite, document } from './sites';
import { Workers } from './workers';

const SITES = ['gazette.example', 'museum.example', 'clinic.example', 'school.example'];

interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly round?: number;
  readonly write?: boolean;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

function minutesOf(text: string): number {
  if (!/^\d{1,4}(\.\d{1,2})?$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('It is a number of minutes, more than 0.');
  return Number(text);
}

const options = new Command('npm run chaos --')
  .description(
    'Lets tasks, faults and a visitor loose on four private sites with two workers, round by round, and compares after each. ' +
      'What is drawn follows from the seed and the number of the round alone.',
  )
  .option('--minutes <count>', 'how long new rounds are begun', minutesOf, 10)
  .option('--seed <number>', 'what to draw from; default: another one each time', wholeNumber, Date.now() % 1_000_000)
  .option('--round <number>', 'play this round alone, as it was drawn', wholeNumber)
  .option('--write', 'write docs/reliability.md')
  .allowExcessArguments(false)
  .addHelpText(
    'after',
    '\nExit codes: 0 every promise was kept; 1 one was broken, or it could not be tried; 2 usage; 130 stopped by Ctrl-C.\n' +
      '\nExamples:\n  npm run chaos -- --minutes 10 --seed 7\n  npm run chaos -- --seed 7 --round 12',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts<ChaosOptions>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const interrupt = new AbortController();
const { signal } = interrupt;

/** A lab with two workers, and sites that have a backup each. */
class Stage {
  private constructor(
    readonly parts: RoundParts,
    private readonly stops: readonly (() => Promise<void>)[],
  ) {}

  static async build(): Promise<Stage> {
    const stops: (() => Promise<void>)[] = [];
    try {
      const lab: Lab = await startLab({
        below: (await memoryFolder()) ?? join(process.cwd(), 'var/chaos'),
        sites: SITES,
        withoutAdministration: true,
        signal,
      });
      stops.push(() => lab.stop());
      await mkdir(lab.backups, { recursive: true, mode: 0o700 });
      const disk = canMount ? new SmallDisk(lab.backups) : null;
      if (disk) stops.push(async () => disk.unmount());
      // A reload of the web server may cut what it answers at that moment: all are adopted before the first is looked at.
      for (const { uri } of lab.sites) await document(lab, ['sites', 'adopt', uri], signal);
      const workers = new Workers(lab.environment);
      stops.push(() => workers.stop());
      await workers.ready();
      const client = await connectClient(lab.environment);
      stops.push(() => client.connection.close());
      const sites: ChaosSite[] = [];
      for (const site of lab.sites) sites.push(await ChaosSite.begin(lab, site));
      return new Stage({ lab, sites, workers, disk, client, say, signal }, stops);
    } catch (error) {
      await stopAll(stops);
      throw error;
    }
  }

  async stop(): Promise<void> {
    await stopAll(this.stops);
  }
}

/** Newest first, each whatever became of the others. */
async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const stop of [...stops].reverse()) await stop().catch((error: unknown) => say(`stopping: ${String(error)}`));
}

async function chaos(totals: Totals): Promise<void> {
  const { minutes, seed, round: only } = options;
  const until = performance.now() + minutes * 60_000;
  let stage: Stage | null = null;
  try {
    for (let round = only ?? 1; round === only || (only === undefined && performance.now() < until); round += 1) {
      const plan = planRound(seed, round, { sites: SITES.length, canFillDisk: canMount });
      for (const line of describePlan(plan, SITES)) say(line);
      stage ??= await Stage.build();
      const report = await runRound(plan, stage.parts);
      addRound(totals, round, report);
      if (report.broken.length === 0) continue;
      for (const line of report.broken) say(`  BROKEN: ${line}`);
      say(`  again: npm run chaos -- --seed ${seed} --round ${round}`);
      // What is broken must not be taken for the fault of the next round.
      totals.workersEndedByThemselves += stage.parts.workers.endedByThemselves;
      await stage.stop();
      stage = null;
    }
  } finally {
    if (stage) totals.workersEndedByThemselves += stage.parts.workers.endedByThemselves;
    await stage?.stop();
  }
}

/** Formatted as every other file: the linter looks at it too. What planted changes came to stays. */
async function writePage(path: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => '');
  const page = withSection(text, sectionIn(before));
  await writeFile(path, await format(page, { ...(await resolveConfig(path)), filepath: path }));
}

function stop(): void {
  if (signal.aborted) return;
  say('stopping');
  interrupt.abort(new Error('interrupted'));
}

process.on('SIGINT', stop);
process.on('SIGTERM', stop);

async function main(): Promise<void> {
  const totals = noRounds();
  try {
    await chaos(totals);
    process.exitCode = totals.broken.length === 0 ? 0 : 1;
  } catch (error) {
    process.exitCode = signal.aborted ? 130 : 1;
    if (!signal.aborted) say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  for (const line of summaryOf(totals)) process.stdout.write(`${line}\n`);
  if (options.write && process.exitCode !== 130)
    await writePage(join(process.cwd(), 'docs/reliability.md'), pageOf(totals, options));
}

void main();
